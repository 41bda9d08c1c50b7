"""What a storage backend offers, whatever the scheme; the spool of those that upload."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import google_crc32c

from imagenet_beam.transforms.errors import InputError

TEMPORARY_SUFFIX = ".imagenet-beam-tmp"
"""Ends the name of every file that is being written and not yet published."""


class FileStat(NamedTuple):
    """What identifies one version of a file.

    Attributes:
        path: The path as given; in a listing, relative to the listed directory.
        size_bytes: Its length.
        version: Changes when the content does: the modification time in nanoseconds, or
            the object's generation; "" where a listing does not tell it.
        pinned: The full path that reads just this version, `gs://b/o#generation`;
            without a generation where the scheme has no versions.
    """

    path: str
    size_bytes: int
    version: str
    pinned: str


def ends_early(path: str, end_bytes: int) -> InputError:
    """What is said of a file that does not reach to the end of a range."""
    return InputError(f"{path} ends before byte {end_bytes:,}")


class RangeReader(Protocol):
    """Reads byte ranges of one file; safe to use from several threads at once."""

    name: str
    size_bytes: int

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly that range.

        Raises:
            InputError: If the file ends before the range does, or has changed.
        """


class AtomicFile(Protocol):
    """A file that becomes visible whole, by `publish`, or not at all."""

    size_bytes: int
    crc32c: int

    def write(self, data: bytes) -> None:
        """Appends to what will be published."""

    def publish(self) -> None:
        """Makes the file visible under its name, in place of an earlier one."""

    def discard(self) -> None:
        """Removes what was written; does nothing after `publish`."""


class Backend(Protocol):
    """One kind of storage. All paths are full ones, with their scheme.

    Methods raise `InputError` for what a user can repair (missing, not readable,
    not writable, full), with a sentence that begins with the path.
    """

    def stat(self, path: str) -> FileStat:
        """Identifies the current version of one file."""

    def open_ranges(self, path: str) -> RangeReader:
        """Opens a file, or the pinned version of one, for ranged reads."""

    def read_bytes(self, path: str) -> bytes:
        """Reads a small file whole."""

    def list_sizes(self, directory: str) -> dict[str, int]:
        """Maps each file below a directory, by relative path, to its size in bytes.

        A directory that does not exist is an empty one. One listing request
        (with its pages) where the storage has listings.
        """

    def list_with_checksums(self, directory: str) -> tuple[dict[str, int], dict[str, int]]:
        """`list_sizes`, and where the storage keeps it, the crc32c of each file."""
        return self.list_sizes(directory), {}

    def folders(self, directory: str) -> Iterator[str]:
        """Yields the folders of a tree by relative path, its top as "".

        Where storage has no folders there is one, "", which stands for the whole tree.
        """
        yield ""

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """Yields relative path, size and version of the files of one of `folders`."""

    def create(self, path: str) -> AtomicFile:
        """Starts a file, with the folders above it where storage has folders."""

    def remove(self, path: str) -> None:
        """Removes a file; one that is not there is no error."""

    def check_writable(self, directory: str) -> None:
        """Raises `InputError` where files could not be created below a directory."""


class Spool:
    """What is written, until it is published; it has no name, so a kill leaves none.

    Args:
        path: The file that it will be.
        scratch_dir: The folder to spool in; "" is the system's.
        memory_bytes: Smaller files, such as receipts, never touch the scratch disk.
    """

    def __init__(self, path: str, scratch_dir: str, memory_bytes: int = 1 << 20) -> None:
        self._path = path
        self._scratch_dir = scratch_dir
        self.size_bytes = 0
        self.crc32c = 0
        with self._scratch():
            self._spool: Any = tempfile.SpooledTemporaryFile(  # noqa: SIM115
                max_size=memory_bytes, dir=scratch_dir or None
            )
            if not memory_bytes:
                self._spool.rollover()

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            folder = self._scratch_dir or tempfile.gettempdir()
            raise InputError(
                f"{self._path} cannot be spooled in {folder}: {error.strerror or error}; "
                "name a folder with room by `storage.scratch_dir`"
            ) from error

    def write(self, data: bytes) -> None:
        """Appends to the spool; on a full disk, raises and leaves nothing."""
        try:
            with self._scratch():
                self._spool.write(data)
        except InputError:
            self.discard()
            raise
        self.size_bytes += len(data)
        self.crc32c = google_crc32c.extend(self.crc32c, data)

    def discard(self) -> None:
        """Gives back the spool; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._spool.close()
