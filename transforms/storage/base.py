"""What a storage backend offers, whatever the scheme of the path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

TEMPORARY_SUFFIX = ".imagenet-beam-tmp"
"""Ends the name of every file that is being written and not yet published."""


class FileStat(NamedTuple):
    """What identifies one version of a file.

    Attributes:
        path: The path as given.
        size_bytes: Its length.
        version: Changes when the content does: the modification time in
            nanoseconds, or the object's generation.
        pinned: The path that reads just this version, `gs://b/o#generation`;
            equal to `path` where the scheme has no versions.
    """

    path: str
    size_bytes: int
    version: str
    pinned: str


class ListedFile(NamedTuple):
    """A file below a directory.

    Attributes:
        path: Relative to the directory.
        size_bytes: Its length.
        version: As for `FileStat`; "" where listings do not tell it.
        pinned: The full path that reads just this version.
    """

    path: str
    size_bytes: int
    version: str
    pinned: str


class RangeReader(Protocol):
    """Reads byte ranges of one file; safe to use from several threads at once."""

    name: str
    size_bytes: int

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly that range.

        Raises:
            InputError: If the file ends before the range does, or has changed.
        """

    def close(self) -> None:
        """Gives back what the reader holds."""


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

    Methods raise `InputError` for what a user can mend (missing, not readable,
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

    def list_versions(self, directory: str) -> Iterator[tuple[str, int, str]]:
        """Yields relative path, size and version of each file below a directory.

        Only remote storage needs this; folders of this machine are walked one by one.
        """

    def create(self, path: str) -> AtomicFile:
        """Starts a file, with the folders above it where storage has folders."""

    def remove(self, path: str) -> None:
        """Removes a file; one that is not there is no error."""

    def check_writable(self, directory: str) -> None:
        """Raises `InputError` where files could not be created below a directory."""
