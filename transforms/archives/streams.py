"""Compressed archives, read once from front to back as if they could be read in place."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import Any

from imagenet_beam.transforms.archives.compressed import ByteStream
from imagenet_beam.transforms.archives.ranges import RangedFile, Readable
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.size import MAX_IMAGE_BYTES

UNKNOWN_SIZE_BYTES = 1 << 62
"""The length of a stream, which is known only at its end; no archive is as long."""

_COMPRESSED_READ_BYTES = 1 << 20
_SKIP_BYTES = 1 << 20
_KEPT_BYTES = 4096

_OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)


def is_compressed(head: bytes) -> bool:
    """Whether a file that starts like this is compressed with gzip, bzip2 or xz."""
    return any(head.startswith(magic) for magic in _OPENERS)


def open_compressed(reader: Readable) -> StreamReader:
    """Gives the uncompressed content of a file as a stream.

    Raises:
        InputError: If it is not compressed with gzip, bzip2 or xz.
    """
    head = reader.read(0, min(8, reader.size_bytes))
    for magic, opener in _OPENERS.items():
        if head.startswith(magic):
            file = RangedFile(reader, 0, reader.size_bytes, _COMPRESSED_READ_BYTES)
            return StreamReader(opener(file), reader.name)
    raise InputError(f"{reader.name} is not compressed with gzip, bzip2 or xz")


class StreamReader:
    """A stream with the interface of a file that is read by ranges, from front to back.

    So the code that walks archives in place, with all that it checks, walks
    streams as well. The last few kilobytes are kept, since a reader of headers
    looks back a little; going back further is a mistake of the program.

    Attributes:
        name: What to call it in messages.
        size_bytes: `UNKNOWN_SIZE_BYTES`; reads beyond the end give what is left.
    """

    def __init__(self, stream: ByteStream, name: str) -> None:
        self.name = name
        self.size_bytes = UNKNOWN_SIZE_BYTES
        self._stream = stream
        self._kept = b""
        self._position = 0  # of the end of what is kept

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads a range; shorter only at the end of the stream.

        Raises:
            InputError: If the stream is damaged, or the range is longer than any image.
        """
        if length_bytes > MAX_IMAGE_BYTES:
            raise InputError(
                f"{self.name} has a member of {length_bytes:,} bytes, and no image has more than "
                f"{MAX_IMAGE_BYTES:,}; is this an archive of images?"
            )
        self._skip_to(offset_bytes)
        kept_start = self._position - len(self._kept)
        if offset_bytes < kept_start:
            raise ValueError(f"byte {offset_bytes} of {self.name} has gone by")
        begin = offset_bytes - kept_start
        data = self._kept[begin : begin + length_bytes]
        if len(data) < length_bytes:
            data += self._next(length_bytes - len(data))
        return data

    def close(self) -> None:
        """Nothing to give back: the file below is shared."""

    def check_end(self) -> None:
        """Reads to the end, where compressed files have their checksum."""
        while self._next(_SKIP_BYTES):
            pass

    def _skip_to(self, offset_bytes: int) -> None:
        while self._position < offset_bytes:
            if not self._next(min(_SKIP_BYTES, offset_bytes - self._position)):
                return

    def _next(self, length_bytes: int) -> bytes:
        parts = []
        while length_bytes > 0 and (part := self._read(length_bytes)):
            parts.append(part)
            length_bytes -= len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._position += len(data)
        self._kept = (
            (self._kept + data)[-_KEPT_BYTES:] if len(data) < _KEPT_BYTES else data[-_KEPT_BYTES:]
        )
        return data

    def _read(self, length_bytes: int) -> bytes:
        try:
            return self._stream.read(length_bytes)
        except _DAMAGED as error:
            raise InputError(
                f"{self.name} is damaged or truncated near byte {self._position:,} of its "
                f"uncompressed content ({error}); get the file again"
            ) from error
