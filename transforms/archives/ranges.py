"""A byte range of a file, seen as a file of its own."""

from __future__ import annotations

import io
from typing import Protocol

from typing_extensions import Buffer

DEFAULT_BLOCK_BYTES = 4096
"""One page: a tar header and the byte before it, which tarfile looks at, and no picture."""

_GROWTH = 8
_READ_THROUGH_BYTES = 1 << 20
"""Fewer bytes than these are read sooner than a request for what follows them is answered:
1 MiB takes a third of 30 ms at 100 MB/s (benchmarks/gcs.md)."""


class Readable(Protocol):
    """What is needed of a file; `imagenet_beam.transforms.storage.files.RangeReader` is one."""

    name: str
    size_bytes: int

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly that range."""


class RangedFile(io.RawIOBase):
    """A seekable read-only file over one byte range of another.

    It keeps one block. A read outside the block fetches the next one, so small
    members are read through in sequence and large ones are skipped.

    Where each fetch is a request, blocks may grow: eightfold, up to `max_block_bytes`,
    with each fetch that begins less than 1 MiB behind the block before it, which a
    longer block would have spared. A fetch elsewhere starts with small blocks again.

    Args:
        reader: The file.
        offset_bytes: Where the range starts.
        size_bytes: How long it is.
        block_bytes: The length of the first block, and of blocks that do not grow.
        max_block_bytes: What blocks may grow to; what `block_bytes` says, if that is more.
    """

    def __init__(
        self,
        reader: Readable,
        offset_bytes: int,
        size_bytes: int,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        max_block_bytes: int = 0,
    ) -> None:
        super().__init__()
        self._reader = reader
        self._start = offset_bytes
        self._size = size_bytes
        self._min_block_bytes = block_bytes
        self._max_block_bytes = max(block_bytes, max_block_bytes)
        self._block_bytes = 0  # nothing has been fetched yet
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
        begin = self._position - self._block_start
        data = self._block[begin : begin + wanted] if begin >= 0 else b""
        if len(data) < wanted:
            more = self._fetch(self._position + len(data), wanted - len(data))
            if data:  # what was read can be read again, also of a stream, which does not go back
                self._block = data + self._block
                self._block_start = self._position
            data += more
        self._position += len(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        """Reads into a buffer, as `io.BufferedReader` asks for it."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _fetch(self, position: int, wanted: int) -> bytes:
        """Reads a block, or more where more is wanted, and keeps it."""
        skipped = position - (self._block_start + len(self._block))
        if self._block_bytes and 0 <= skipped < _READ_THROUGH_BYTES:
            self._block_bytes = min(self._block_bytes * _GROWTH, self._max_block_bytes)
        else:
            self._block_bytes = self._min_block_bytes
        length = min(max(wanted, self._block_bytes), self._size - position)
        self._block = b""  # or two of them would be held while waiting
        self._block = self._reader.read(self._start + position, length)
        self._block_start = position
        return self._block[:wanted]
