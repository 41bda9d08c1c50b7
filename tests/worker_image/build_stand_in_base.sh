#!/bin/sh
# Builds an image that stands in for apache/beam_pythonX.Y_sdk, without a registry
# or a Docker daemon, and prints its name. For tests: the real one is pulled.
#
# usage: tests/worker_image/build_stand_in_base.sh
#
# Needs root, buildah, debootstrap, and what install_beam_go.sh makes. It is Debian 12
# with its Python, the packages that Beam pins for its image, and Beam's real boot.
# All of it is kept below IMAGE_CACHE, or imagenet-beam in the user's cache folder:
# four minutes at first, a second after that. Status 3: a program is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
buildah=$here/buildah.sh
version=$(sed -n 's/^ARG BEAM_VERSION=//p' "$here/../../Dockerfile" | head -n 1)
name=localhost/beam_python3.11_sdk:$version
cache=${IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imagenet-beam}/image
for program in buildah debootstrap; do
    command -v $program >/dev/null || { echo "$program is not installed: apt-get install -y --no-install-recommends buildah debootstrap" >&2; exit 3; }
done
tools=$("$here/install_beam_go.sh")

if ! "$buildah" inspect --type image "$name" >/dev/null 2>&1; then
    mkdir -p "$cache"
    if [ ! -f "$cache/debian.tar" ]; then
        rm -rf "$cache/debian"
        debootstrap --variant=minbase --components=main \
            --include=python3,python3-venv,python3-pip,python3-dev,gcc,g++,libc6-dev,ca-certificates \
            bookworm "$cache/debian" >"$cache/debootstrap.log" 2>&1 || { tail -n 20 "$cache/debootstrap.log" >&2; exit 1; }
        rm -rf "$cache"/debian/var/cache/apt/archives/*.deb
        tar -C "$cache/debian" -cf "$cache/debian.tar.part" .
        mv "$cache/debian.tar.part" "$cache/debian.tar"
        rm -rf "$cache/debian"
    fi
    context=$(mktemp -d)
    trap 'rm -rf "$context"' EXIT
    ln "$cache/debian.tar" "$context/" 2>/dev/null || cp "$cache/debian.tar" "$context/"
    cp "$tools/boot" "$tools/base_image_requirements.txt" "$context/"
    "$buildah" bud --build-arg "BEAM_VERSION=$version" --tag "$name" \
        --file "$here/stand_in_base.Dockerfile" "$context" >"$cache/base.log" 2>&1 ||
        { tail -n 20 "$cache/base.log" >&2; exit 1; }
fi
echo "$name"
