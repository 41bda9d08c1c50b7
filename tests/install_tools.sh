#!/bin/sh
# Installs the engines and emulators that tests run against, each into a cache folder.
#
# usage: BIN=.venv/bin tests/install_tools.sh
#
# What cannot be installed here is left out with a line that says so, and the tests
# that need it skip with a reason. Some twenty minutes at first, seconds after that.
set -u

BIN=${BIN:-.venv/bin}
cd "$(dirname "$0")/.." || exit
here=tests

attempt() {
    what=$1
    shift
    echo "installing $what" >&2
    timeout 1500 "$@" >/dev/null || echo "left out: $what (its tests will skip)" >&2
}

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] && ! { command -v buildah && command -v debootstrap; } >/dev/null; then
    attempt "buildah and debootstrap" sh -c \
        'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah debootstrap'
fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] && ! { command -v chromium-headless-shell || command -v chromium; } >/dev/null; then
    attempt "a headless Chromium" sh -c \
        'apt-get update -qq && { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell \
        || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }'
fi
attempt "actionlint" env GOBIN="$(cd "$BIN" && pwd)" go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
attempt "fake-gcs-server" sh "$here/storage/install_fake_gcs.sh"
attempt "Beam's boot and prism" sh "$here/worker_image/install_beam_go.sh"
attempt "an environment for Dataflow workers" sh "$here/dataflow/install_worker.sh" "$BIN/python"
attempt "Flink and its job server" "$BIN/python" -m tools.flink_cluster install
attempt "the stand-in for Beam's image" sh "$here/worker_image/build_stand_in_base.sh"
exit 0
