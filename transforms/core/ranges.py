"""A byte range of a file, seen as a file of its own."""

from __future__ import annotations

import io
from typing import Protocol

from typing_extensions import Buffer

DEFAULT_BLOCK_BYTES = 4096
"""One page: a tar header and the byte before it, which tarfile looks at, and no picture."""


class Readable(Protocol):
    """What is needed of a file; `imagenet_beam.transforms.files.RangeReader` is one."""

    name: str
    size_bytes: int

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly that range."""


class RangedFile(io.RawIOBase):
    """A seekable read-only file over one byte range of another.

    It keeps one block. A read outside the block fetches the next one, so small
    members are read through in sequence and large ones are skipped.
    """

    def __init__(
        self,
        reader: Readable,
        offset_bytes: int,
        size_bytes: int,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
    ) -> None:
        super().__init__()
        self._reader = reader
        self._start = offset_bytes
        self._size = size_bytes
        self._block_bytes = block_bytes
        self._position = 0
        self._block = b""
        self._block_start = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """The position, counted from the start of the range."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the position; nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Reads up to `size` bytes; fewer only at the end of the range."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._from_block(wanted)
        if len(data) < wanted:
            data += self._fetch(self._position + len(data), wanted - len(data))
        self._position += len(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        """Reads into a buffer, as `io.BufferedReader` asks for it."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _from_block(self, wanted: int) -> bytes:
        begin = self._position - self._block_start
        return self._block[begin : begin + wanted] if begin >= 0 else b""

    def _fetch(self, position: int, wanted: int) -> bytes:
        """Reads a block, or more where more is wanted, and keeps it."""
        length = min(max(wanted, self._block_bytes), self._size - position)
        self._block = self._reader.read(self._start + position, length)
        self._block_start = position
        return self._block[:wanted]
