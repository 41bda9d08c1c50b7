"""Tiny synthetic archives, and the command run in this process or in one of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent / "storage"))

import servers

from imagenet_beam.pipeline.synthetic.imagenet import (
    Expected,
    SyntheticImageNet,
    write_imagenet,
)
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.records.example import parse_example
from imagenet_beam.transforms.records.framing import read_records

_DEADLINE_SECONDS = 200
_COMMAND = "import sys; from imagenet_beam.runners.cli import main; sys.exit(main())"
"""What the installed script does; `python -m` may end by signal 2 though Ctrl-C was handled."""

# A background job of a shell ignores Ctrl-C, and so would the processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Which storage the tests of gs:// will run against."""
    return f"storage emulator: {servers.available() or 'none; the gs:// tests are skipped'}"


class Archives(NamedTuple):
    """Three files, and what a converter should find in them."""

    train: Path
    validation: Path
    devkit: Path
    expected: Expected | None = None

    @property
    def flags(self) -> list[str]:
        """Convert them all."""
        return [f"--train_archive={self.train}", *self.validation_flags]

    @property
    def validation_flags(self) -> list[str]:
        """Convert only the validation images."""
        return [f"--validation_archive={self.validation}", f"--devkit={self.devkit}"]

    @classmethod
    def write(cls, folder: Path, **spec) -> "Archives":
        """Draws pictures of 48 by 36 pixels, unless told otherwise."""
        size = {"image_width": 48, "image_height": 36, "boxes": False}
        expected = write_imagenet(folder, SyntheticImageNet(**{**size, **spec}))
        names = ("img_train.tar", "img_val.tar", "devkit_t12.tar.gz")
        train, validation, devkit = (folder / f"ILSVRC2012_{name}" for name in names)
        return cls(train, validation, devkit, expected)


class Finished(NamedTuple):
    """How a run of the command ended."""

    status: int
    message: str


class Running:
    """The command in a process of its own."""

    def __init__(self, args, **options) -> None:
        command = [sys.executable, "-c", _COMMAND, *map(str, args)]
        self.process = subprocess.Popen(
            command, **{"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
        )

    def wait_for(self, condition, seconds: float = _DEADLINE_SECONDS) -> None:
        """Waits until something is seen, or the process has ended."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and not condition():
            assert time.monotonic() < end, "the command does not get on"
            time.sleep(0.002)

    def send(self, number: int) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def finish(self) -> Finished:
        """Waits for the end."""
        _, errors = self.process.communicate(timeout=_DEADLINE_SECONDS)
        message = errors.decode() if errors is not None else ""
        return Finished(self.process.returncode, message)


@pytest.fixture(scope="session")
def clean(tmp_path_factory) -> Archives:
    """24 training and 12 validation images in 4 classes, all sound."""
    return Archives.write(
        tmp_path_factory.mktemp("clean"),
        classes=4,
        train_per_class=6,
        validation_per_class=3,
        hard_images=False,
    )


@pytest.fixture(scope="session")
def hard(tmp_path_factory) -> Archives:
    """30 training and 25 validation images in 5 classes, most of them difficult or bad."""
    return Archives.write(
        tmp_path_factory.mktemp("hard"),
        classes=5,
        train_per_class=6,
        validation_per_class=5,
        bad_images=True,
    )


@pytest.fixture(scope="session")
def write_archives():
    """`write_archives(folder, **spec)`: the archives of one test."""
    return Archives.write


@pytest.fixture(scope="session")
def convert():
    """`convert(*flags)`: the command `convert` in this process."""

    def run(*flags) -> Finished:
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            status = main(["convert", *map(str, flags)])
        return Finished(status, errors.getvalue())

    return run


@pytest.fixture
def start():
    """`start(*args)`: the command in a process, which does not outlive the test."""
    started = []

    def run(*args, **options) -> Running:
        started.append(Running(args, **options))
        return started[-1]

    yield run
    for running in started:
        if running.process.poll() is None:
            running.send(signal.SIGKILL)
        running.process.communicate()


@pytest.fixture(scope="session")
def tree():
    """`tree(folder)`: the bytes of all files below a folder, by relative path."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


@pytest.fixture(scope="session")
def examples():
    """`examples(folder, split)`: all records of a split as lists by key, in their order."""

    def read(folder: Path, split: str) -> list[dict]:
        found = []
        for path in sorted(folder.glob(f"{split}-*-of-*")):
            with path.open("rb") as file:
                found += [parse_example(data) for data in read_records(file, path.name)]
        return found

    return read


_ONE_AT_A_TIME = ("flink", "dataflow", "worker_image")
"""Folders whose tests share an engine that fills the machine: one xdist worker runs each."""


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the marks
def pytest_collection_modifyitems(items):
    for item in items:
        folder = item.path.parent.name
        if folder in _ONE_AT_A_TIME:
            item.add_marker(pytest.mark.xdist_group(folder))


def pytest_collection_finish(session):
    """Refuses versions of pytest and xdist with which groups are not kept together."""
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("pytest-xdist does not group the tests: see pyproject.toml")
