"""A local spool for a file that is bound for remote storage."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any

import google_crc32c

from imagenet_beam.transforms.errors import InputError


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
