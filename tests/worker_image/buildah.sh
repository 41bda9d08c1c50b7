#!/bin/sh
# buildah with all of its state below IMAGE_CACHE, or imagenet-beam in the user's
# cache folder, so that nothing of the machine's own images is touched.
#
# usage: tests/worker_image/buildah.sh bud|from|run|inspect|rm|rmi|images …
set -eu

cache=${IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imagenet-beam}/image
mkdir -p "$cache/tmp"
[ -f "$cache/policy.json" ] || echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$cache/policy.json"
[ -f "$cache/registries.conf" ] || echo 'unqualified-search-registries = []' >"$cache/registries.conf"
export TMPDIR="$cache/tmp" BUILDAH_ISOLATION=chroot

command=$1
shift
case $command in
    bud)
        set -- --signature-policy "$cache/policy.json" --isolation=chroot --network=host --layers \
            --volume /etc/ssl/certs:/etc/ssl/certs:ro "$@"
        ;;
    from) set -- --signature-policy "$cache/policy.json" "$@" ;;
    run) set -- --isolation=chroot --network=host "$@" ;;
esac
exec buildah --root "$cache/storage" --runroot "$cache/run" \
    --storage-driver "${IMAGE_STORAGE_DRIVER:-overlay}" \
    --registries-conf "$cache/registries.conf" "$command" "$@"
