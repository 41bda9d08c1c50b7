#!/bin/sh
# Runs the entry point of an image as a worker of the tests: an ordinary user, the
# network of this machine, nothing else from it but the credentials.
#
# usage: tests/worker_image/run_boot.sh IMAGE CREDENTIALS BOOT_ARGUMENTS...
set -eu

buildah=$(cd "$(dirname "$0")" && pwd)/buildah.sh
image=$1
credentials=$2
shift 2
container=$("$buildah" from "$image")
trap '"$buildah" rm "$container" >/dev/null' EXIT
"$buildah" run --user 10001 --volume "$credentials:/credentials.json:ro" \
    --env "STORAGE_EMULATOR_HOST=$STORAGE_EMULATOR_HOST" \
    --env GOOGLE_APPLICATION_CREDENTIALS=/credentials.json --env NO_GCE_CHECK=true \
    "$container" -- /opt/apache/beam/boot --semi_persist_dir=/tmp/boot "$@"
