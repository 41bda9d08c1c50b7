"""Files read once from front to back: gzip, bzip2 and xz told by content, each read bounded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from imagenet_beam.transforms.archives.ranges import RangedFile
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.pixel_budget import MAX_IMAGE_BYTES
from imagenet_beam.transforms.storage.files import Storage

HEAD_BYTES = 512
"""How much of a file `describe_content` wants to see: one tar header."""

UNKNOWN_SIZE_BYTES = 1 << 62
"""The length of a stream, which is known only at its end; no archive is as long."""

_READ_BYTES = 1 << 20
_KEPT_BYTES = 4096
_TAR_MAGIC_AT = 257

_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"
_COMPRESSIONS: dict[bytes, tuple[str, Any]] = {
    b"\x1f\x8b": ("a gzip file", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    _BZIP2: ("a bzip2 file", lambda file: _Decompressed(file, _BZIP2, bz2.BZ2Decompressor)),
    _XZ: ("an xz file", lambda file: _Decompressed(file, _XZ, lzma.LZMADecompressor)),
}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)


class ByteStream(Protocol):
    """The one method that is asked of a file that is read from front to back."""

    def read(self, size: int, /) -> bytes:
        """Gives up to `size` bytes; b"" only at the end."""


def is_compressed(head: bytes) -> bool:
    """Whether a file that starts like this is compressed with gzip, bzip2 or xz."""
    return any(head.startswith(magic) for magic in _COMPRESSIONS)


def describe_content(head: bytes) -> str:
    """Says in words what a file's first bytes look like, for error messages.

    A wrong download is most often an error or login page, a gzip that a browser
    has unpacked on the way, or nothing at all.
    """
    start = head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "an empty file"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")):
        return "an HTML or XML page, perhaps an error or login page saved under this name"
    for magic, (title, _) in _COMPRESSIONS.items():
        if head.startswith(magic):
            return title
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return "a tar archive"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    return f"a file that starts with the bytes {head[:8].hex(' ')}"


def is_markup(head: bytes) -> bool:
    """Whether a file is a web page, whatever its name says."""
    return describe_content(head).startswith("an HTML")


def read_forward(storage: Storage, path: str) -> RangedFile:
    """The bytes of a file as a stream, as they are stored."""
    reader = storage.open_ranges(path)
    return RangedFile(reader, 0, reader.size_bytes, _READ_BYTES)


def open_stream(stream: ByteStream, name: str) -> StreamReader:
    """The content of a file, decompressed if it is compressed with gzip, bzip2 or xz.

    The caller closes the stream; `name` is for messages.

    Whoever reads it to its end has read it to the end mark, where the checksum is; zeros
    may follow there, and more of the same compression, and nothing else.

    Raises:
        InputError: If its beginning cannot be read.
    """
    stored = StreamReader(stream, name)
    head = stored.read(0, HEAD_BYTES)
    for magic, (title, decompress) in _COMPRESSIONS.items():
        if head.startswith(magic):
            file = RangedFile(stored, 0, UNKNOWN_SIZE_BYTES, _READ_BYTES)
            return StreamReader(decompress(file), name, title)
    return stored


class StreamReader:
    """A stream with the interface of a file that is read by ranges, from front to back.

    So the code that walks archives in place, with all that it checks, walks
    streams as well. The last few kilobytes are kept, since a reader of headers
    looks back a little; going back further is a mistake of the program.

    Attributes:
        name: What to call it in messages.
        compression: What the file is that this is the content of: "a gzip file"; or "".
        size_bytes: `UNKNOWN_SIZE_BYTES`; reads beyond the end give what is left.
    """

    def __init__(self, stream: ByteStream, name: str, compression: str = "") -> None:
        self.name = name
        self.compression = compression
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
        while self._position < offset_bytes:
            if not self._next(min(_READ_BYTES, offset_bytes - self._position)):
                return b""
        kept_start = self._position - len(self._kept)
        if offset_bytes < kept_start:
            raise ValueError(f"byte {offset_bytes} of {self.name} has gone by")
        begin = offset_bytes - kept_start
        data = self._kept[begin : begin + length_bytes]
        if len(data) < length_bytes:
            data += self._next(length_bytes - len(data))
        return data

    def _next(self, length_bytes: int) -> bytes:
        parts = []
        while length_bytes > 0 and (part := self._read(min(length_bytes, _READ_BYTES))):
            parts.append(part)
            length_bytes -= len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._position += len(data)
        self._kept = (self._kept + data if len(data) < _KEPT_BYTES else data)[-_KEPT_BYTES:]
        return data

    def _read(self, length_bytes: int) -> bytes:
        try:
            return self._stream.read(length_bytes)
        except _DAMAGED as error:
            if isinstance(error, OSError) and error.errno:  # of the system, not of the content
                raise InputError(f"{self.name} cannot be read: {error.strerror}") from error
            raise InputError(
                f"{self.name} is damaged or truncated near byte {self._position:,} of its "
                f"uncompressed content ({error}); get the file again"
            ) from error


class _Decompressed:
    """The content of bzip2 and xz files. Python's own classes take what follows for the end.

    Args:
        file: The file, from its start.
        magic: What each stream in it begins with.
        new_decompressor: Makes what reads one stream, as long as there is one.
    """

    def __init__(self, file: ByteStream, magic: bytes, new_decompressor: Callable[[], Any]) -> None:
        self._file = file
        self._magic = magic
        self._new_decompressor = new_decompressor
        self._decompressor = new_decompressor()
        self._data = b""

    def read(self, size: int, /) -> bytes:
        """Gives up to `size` bytes; b"" only at the end."""
        content = b""
        while not content and not (self._decompressor.eof and self._is_over()):
            if not self._data and self._decompressor.needs_input:
                self._data = self._file.read(_READ_BYTES)
                if not self._data:
                    raise EOFError("its end mark is missing")
            content = self._decompressor.decompress(self._data, size)
            self._data = b""
        return content

    def _is_over(self) -> bool:
        """Whether no other stream follows the one that has ended."""
        rest = self._decompressor.unused_data.lstrip(b"\0")
        while len(rest) < len(self._magic) and (more := self._file.read(_READ_BYTES)):
            rest = (rest + more).lstrip(b"\0")
        if rest and not rest.startswith(self._magic):
            raise OSError("something else follows its end mark")
        if rest:
            self._decompressor, self._data = self._new_decompressor(), rest
        return not rest
