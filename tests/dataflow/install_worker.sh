#!/bin/sh
# Makes, once, the Python environment of a worker: Beam and nothing of this project or
# its dependencies. Prints its path.
#
# usage: tests/dataflow/install_worker.sh [PYTHON]
#
# The folder is WORKER_VENV_CACHE, or imagenet-beam below the user's cache folder. The
# version of Beam is the one that the Dockerfile names. A minute, then a moment.
set -eu

python=${1:-python3}
root=$(cd "$(dirname "$0")/../.." && pwd)
version=$(sed -n 's/^ARG BEAM_VERSION=//p' "$root/Dockerfile" | head -n 1)
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
folder=${WORKER_VENV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imagenet-beam}/worker-beam$version-py$minor

if [ ! -f "$folder/complete" ]; then
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check \
        "apache-beam==$version" 'setuptools>=64' wheel >&2
    touch "$folder/complete"
fi
echo "$folder"
