"""Building and running the project's images with buildah, without a Docker daemon."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_BUILDAH = HERE / "buildah.sh"
_BUILD_SECONDS = 900
WORKER_USER = "10001"


def why_not() -> str:
    """Why no image can be built here; "" where one can."""
    missing = [program for program in ("buildah", "debootstrap") if not shutil.which(program)]
    if missing:
        return f"no {missing[0]}: apt-get install -y --no-install-recommends buildah debootstrap"
    return "" if os.geteuid() == 0 else "buildah and debootstrap build the stand-in base as root"


def buildah(*args: str, stdin: str = "", seconds: float = 60) -> str:
    """Runs buildah; gives its output, and raises with its errors."""
    finished = subprocess.run(
        [str(_BUILDAH), *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=ROOT,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return finished.stdout.strip()


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Lets one test process build at a time."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagenet-beam"
    folder = Path(os.environ.get("IMAGE_CACHE") or caches)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "image.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def base_image() -> str:
    """The image that stands in for Beam's; built once."""
    command = [str(HERE / "build_stand_in_base.sh")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_SECONDS)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout.strip()


def build(target: str, **arguments: str) -> str:
    """Builds a stage of the project's Dockerfile; gives the image's name."""
    name = f"localhost/imagenet-beam-{target}:{uuid.uuid4().hex}"
    arguments = {"BASE_IMAGE": base_image(), **arguments}
    flags = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    buildah("bud", "--target", target, "--tag", name, *flags, str(ROOT), seconds=_BUILD_SECONDS)
    return name


def remove(*names: str) -> None:
    """Removes images, and what their builds left in use."""
    buildah("rmi", "--force", *names)


def inspect(image: str, field: str) -> str:
    """One field of an image's configuration, as Go's template language names it."""
    return buildah("inspect", "--type", "image", "--format", "{{." + field + "}}", image)


@contextlib.contextmanager
def container(image: str) -> Iterator[str]:
    """A container to run commands in, removed at the end."""
    name = buildah("from", image)
    try:
        yield name
    finally:
        buildah("rm", name)


def run(image: str, *command: str, user: str = WORKER_USER) -> str:
    """Runs a command in a container of its own; gives its output."""
    with container(image) as name:
        return buildah("run", "--user", user, name, "--", *command, seconds=300)


@pytest.fixture(scope="session")
def worker_image() -> Iterator[str]:
    """The worker's image, built once for the tests that import this fixture."""
    if why_not():
        pytest.skip(why_not())
    with exclusive():
        name = build("worker", REVISION="abc123")
    yield name
    remove(name)
