"""Downloaded files as streams: gzip told by content, and no read without a bound."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from imagenet_beam.transforms.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 512
"""How much of a file `describe_content` wants to see: one tar header."""

_SKIP_BYTES = 1 << 20
_TAR_MAGIC_AT = 257


class ByteStream(Protocol):
    """The one method that the readers ask of the file that the caller opened."""

    def read(self, size: int, /) -> bytes:
        """Gives up to `size` bytes; b"" only at the end."""


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
    if head.startswith(GZIP_MAGIC):
        return "a gzip file"
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return "a tar archive"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    return f"a file that starts with the bytes {head[:8].hex(' ')}"


def is_markup(head: bytes) -> bool:
    """Whether a file is a web page, whatever its name says."""
    return describe_content(head).startswith("an HTML")


class ForwardReader(io.RawIOBase):
    """A stream that is read once, forwards, and never more than a bound at a time.

    `tarfile` reads an extended header in one piece of the size that the archive
    claims, which a few kilobytes of gzip can make gigabytes; the bound turns
    that into an `InputError`.
    """

    def __init__(self, stream: ByteStream, name: str, max_read_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._max_read_bytes = max_read_bytes
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        """Reads until `size` bytes are there or the stream ends."""
        if not 0 <= size <= self._max_read_bytes:
            raise InputError(
                f"{self._name} asks for {size:,} bytes at once, more than the "
                f"{self._max_read_bytes:,} that any part of such a file has"
            )
        parts = []
        while size > 0 and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
            self._position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def tell(self) -> int:
        """The number of bytes read or skipped so far."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Skips forward; the stream cannot go back."""
        if whence != io.SEEK_SET or offset < self._position:
            raise io.UnsupportedOperation("this stream goes forward only")
        while self._position < offset:
            if not self.read(min(_SKIP_BYTES, offset - self._position, self._max_read_bytes)):
                break
        return self._position

    def readable(self) -> bool:
        """Always true; `tarfile` and `io` ask."""
        return True

    def seekable(self) -> bool:
        """True as far as `tarfile` needs: it only skips forward."""
        return True


class _Prepended:
    """A stream with the bytes put back that were read to sniff its kind."""

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._stream.read(size)
        part, self._head = self._head[:size], self._head[size:]
        return part


class OpenedStream:
    """A file's content behind its compression, and what its first bytes are.

    Attributes:
        head: The first bytes as stored.
        is_gzip: Whether they are a gzip file's.
        content: The uncompressed content.
    """

    def __init__(self, stream: ByteStream, name: str, max_read_bytes: int) -> None:
        self.head = ForwardReader(stream, name, HEAD_BYTES).read(HEAD_BYTES)
        self.is_gzip = self.head.startswith(GZIP_MAGIC)
        whole: ByteStream = _Prepended(self.head, stream)
        if self.is_gzip:
            whole = _gunzip(whole)
        self.content = ForwardReader(whole, name, max_read_bytes)


def _gunzip(stream: ByteStream) -> BinaryIO:
    # GzipFile needs no more than `read` of the file it unpacks.
    return gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[call-overload,no-any-return]


@contextmanager
def damaged_gzip_as_input_error(name: str) -> Iterator[None]:
    """Turns what the standard library says of a broken gzip into a sentence."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{name} is a damaged or truncated gzip file ({error}); download it again"
        ) from error
