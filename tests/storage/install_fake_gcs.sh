#!/bin/sh
# Builds fake-gcs-server once into a cache folder and prints the path of the binary.
#
# usage: tests/storage/install_fake_gcs.sh
#
# The folder is FAKE_GCS_CACHE, or imagenet-beam below the user's cache folder;
# tests/storage/servers.py looks in the same place. The first build takes minutes, a
# later call returns at once. Status 3: there is no Go, nothing was done.
set -eu

version=v1.56.1
folder=${FAKE_GCS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imagenet-beam}/fake-gcs-server-$version
binary=$folder/fake-gcs-server

if [ ! -x "$binary" ]; then
    command -v go >/dev/null || { echo "go is not installed: fake-gcs-server cannot be built" >&2; exit 3; }
    mkdir -p "$folder"
    GOBIN=$folder GOFLAGS=-buildvcs=false go install "github.com/fsouza/fake-gcs-server@$version" >&2
fi
echo "$binary"
