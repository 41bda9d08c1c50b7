#!/bin/sh
# Builds Beam's own Go programs once into a cache folder and prints its path.
#
# usage: tests/worker_image/install_beam_go.sh
#
# boot        what starts the Python worker in Beam's image
# prism       Beam's local runner, which runs what was staged for another one
# base_image_requirements.txt   the packages of Beam's Python image, pinned
#
# The folder is BEAM_GO_CACHE, or imagenet-beam below the user's cache folder.
# The version is the one that the Dockerfile names. The first build takes four
# minutes on two cores, a later call returns at once. Status 3: there is no Go.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
version=$(sed -n 's/^ARG BEAM_VERSION=//p' "$root/Dockerfile" | head -n 1)
python=$(sed -n 's/^ARG PYTHON_VERSION=//p' "$root/Dockerfile" | head -n 1)
folder=${BEAM_GO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imagenet-beam}/beam-go-$version
module=github.com/apache/beam/sdks/v2

if [ ! -x "$folder/boot" ] || [ ! -x "$folder/prism" ]; then
    command -v go >/dev/null || { echo "go is not installed: Beam's boot and prism cannot be built" >&2; exit 3; }
    mkdir -p "$folder"
    export GOBIN="$folder" GOFLAGS=-buildvcs=false
    go install "$module/python/container@v$version" >&2
    go install "$module/go/cmd/prism@v$version" >&2
    mv "$folder/container" "$folder/boot"
fi
if [ ! -f "$folder/base_image_requirements.txt" ]; then
    sources=$(go mod download -json "$module@v$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    install -m 644 "$sources/python/container/py$(echo "$python" | tr -d .)/base_image_requirements.txt" "$folder/"
fi
echo "$folder"
