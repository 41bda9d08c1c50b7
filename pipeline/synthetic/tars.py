"""Uncompressed tars written in one pass, with the same bytes each time."""

import gzip
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Literal

FORMATS: Mapping[str, Literal[0, 1, 2]] = MappingProxyType(
    {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}
)
# 2012-06-14, about when the real archives were made.
_MTIME_SECONDS = 1_339_632_000
_FILE_MODE = 0o644
_FOLDER_MODE = 0o755


class TarStream:
    """Writes members at the current position of a file.

    The standard library's `TarFile` wants to know a member's size beforehand;
    here a tar can be nested in a tar without being built in memory or aside:
    its header is written last, into the gap left for it.

    Args:
        file: Where to write; must be seekable if `nested` is used.
        tar_format: `gnu`, `pax` or `ustar`. With `pax` each file gets an extended
            header, as tars written by macOS and by Python have.
    """

    def __init__(self, file: BinaryIO, tar_format: str = "gnu") -> None:
        self._file = file
        self._format = tar_format
        self._size_bytes = 0

    def add(self, name: str, data: bytes) -> None:
        """Writes one file."""
        self._write(self._header(name, len(data)))
        self._write(data)
        self._pad(tarfile.BLOCKSIZE)

    def add_folder(self, name: str) -> None:
        """Writes the entry of a folder."""
        self._write(self._header(name, 0, tarfile.DIRTYPE))

    @contextmanager
    def nested(self, name: str) -> Iterator["TarStream"]:
        """Writes one member that is a tar itself, streaming."""
        header_offset_bytes = self._file.tell()
        header_size_bytes = len(self._header(name, 0))
        self._write(bytes(header_size_bytes))
        inner = TarStream(self._file, self._format)
        yield inner
        inner.finish()
        self._size_bytes += inner._size_bytes
        header = self._header(name, inner._size_bytes)
        if len(header) != header_size_bytes:
            raise ValueError(f"{name}: a nested tar of {inner._size_bytes:,} bytes is too large")
        self._file.seek(header_offset_bytes)
        self._file.write(header)
        self._file.seek(0, io.SEEK_END)

    def finish(self) -> None:
        """Writes the end mark: two empty blocks, filled up to a whole record."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._pad(tarfile.RECORDSIZE)

    def _header(self, name: str, size_bytes: int, kind: bytes = tarfile.REGTYPE) -> bytes:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.size = size_bytes
        info.mode = _FOLDER_MODE if kind == tarfile.DIRTYPE else _FILE_MODE
        info.mtime = _MTIME_SECONDS
        if self._format == "pax" and kind == tarfile.REGTYPE:
            info.pax_headers = {"mtime": f"{_MTIME_SECONDS}.25"}
        return info.tobuf(FORMATS[self._format])

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._size_bytes += len(data)

    def _pad(self, multiple_bytes: int) -> None:
        self._write(bytes(-self._size_bytes % multiple_bytes))


@contextmanager
def published(path: Path) -> Iterator[BinaryIO]:
    """Opens a file under another name and gives it its own when all is written."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def tar_file(path: Path, tar_format: str = "gnu") -> Iterator[TarStream]:
    """Opens a tar for writing; it appears under its name when it is complete."""
    with published(path) as file:
        tar = TarStream(file, tar_format)
        yield tar
        tar.finish()


@contextmanager
def gzipped_tar_file(path: Path, tar_format: str = "gnu") -> Iterator[TarStream]:
    """The same as `tar_file`, compressed as a whole."""
    with published(path) as file, gzip_stream(file) as packed:
        tar = TarStream(packed, tar_format)
        yield tar
        tar.finish()


@contextmanager
def gzip_stream(file: BinaryIO) -> Iterator[BinaryIO]:
    """Compresses into `file`; name and time stay out of the header."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        yield packed  # type: ignore[misc]
