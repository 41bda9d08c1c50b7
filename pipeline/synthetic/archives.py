"""Archives written in one pass, with the same bytes each time, into a folder of their own."""

import gzip
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from imagenet_beam.transforms.errors import InputError

_MARKER_NAME = "SYNTHETIC.txt"
_MARKER_TEXT = """The data in this folder are synthetic: drawings in the files of real data sets.

They were written by imagenet-beam synthesize, which replaces them when it is run again.
"""
Member = tuple[str, bytes]
"""Name and content."""

# 2012-06-14, about when the real archives were made.
_MTIME_SECONDS = 1_339_632_000


def check_range(flag: str, value: int, least: int, most: int) -> None:
    """Refuses a number that is out of range with an `InputError`."""
    if not least <= value <= most:
        raise InputError(f"--{flag}={value} is not between {least:,} and {most:,}.")


def claim_folder(output_dir: Path, names: Iterable[str]) -> None:
    """Makes the output folder and removes those of the files that an earlier call wrote there.

    They bear the names of real archives: only those in a marked folder are replaced.

    Raises:
        InputError: It cannot be made, or holds such a file that is not synthetic.
    """
    marker = output_dir / _MARKER_NAME
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        present = [output_dir / name for name in names if (output_dir / name).exists()]
        if present and not marker.exists():
            raise InputError(
                f"--output_dir={output_dir} holds {present[0].name}, which is not synthetic; "
                "give a folder without archives."
            )
        marker.write_text(_MARKER_TEXT, encoding="utf-8")
        for path in present:
            path.unlink()
    except OSError as error:
        raise InputError(
            f"--output_dir={output_dir} cannot be written to ({error.strerror}); "
            "give a folder in which you may write."
        ) from error


@contextmanager
def published(path: Path) -> Iterator[BinaryIO]:
    """Opens a file that gets its name when all is written; all but `.tar` is gzipped.

    Name and time are kept out of the gzip.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            if path.suffix == ".tar":
                yield file
            else:
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packer:
                    yield packer  # type: ignore[misc]
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def publish_tar(path: Path, members: Iterable[Member]) -> None:
    """Writes a tar, or one that is compressed as a whole; see `published`."""
    with published(path) as file:
        write_tar(file, members)


def in_folder(folder: str, *members: Iterable[Member]) -> Iterator[Member]:
    """A folder and what is in it; its name ends in a slash."""
    yield folder, b""
    for name, data in chain(*members):
        yield folder + name, data


def write_tar(file: BinaryIO, members: Iterable[Member]) -> None:
    """Writes files, and folders where a name ends in a slash; times and modes are fixed."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), _MTIME_SECONDS
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info, io.BytesIO(data))
