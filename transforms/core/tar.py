"""Walking tar headers: what lies where, without reading what lies there.

The headers themselves (POSIX ustar, GNU long names, PAX) are parsed by the
standard library; this module adds what it leaves out: members are checked
against the bounds of the archive, and an archive that stops in the middle is an
error instead of a shorter archive.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.ranges import DEFAULT_BLOCK_BYTES, RangedFile, Readable

BLOCK_BYTES = tarfile.BLOCKSIZE  # 512, POSIX.1-1988
_ZEROS = bytes(BLOCK_BYTES)


class TarMember(NamedTuple):
    """One regular file of a tar archive.

    Attributes:
        name: As stored, with folders; never to be used as a path.
        offset_bytes: Where its bytes start in the file that holds the archive.
        size_bytes: Its length.
    """

    name: str
    offset_bytes: int
    size_bytes: int


def walk_tar(
    reader: Readable,
    offset_bytes: int = 0,
    size_bytes: int | None = None,
    name: str = "",
    block_bytes: int = DEFAULT_BLOCK_BYTES,
) -> Iterator[TarMember]:
    """Yields the regular files of an uncompressed tar archive, in its order.

    Directories, links, devices and sparse files are passed over: they hold no
    bytes of an image that could be read as a range.

    Args:
        reader: The file that holds the archive.
        offset_bytes: Where the archive starts in it: 0, or the place of a class tar.
        size_bytes: How long the archive is; by default, up to the end of the file.
        name: What to call the archive in messages; by default, the file's name.
        block_bytes: How much is read at once while looking for headers.

    Raises:
        InputError: If this is no tar archive, if a header is damaged, or if the
            archive ends before its members or before its end mark.
    """
    name = name or reader.name
    size = reader.size_bytes - offset_bytes if size_bytes is None else size_bytes
    archive = _open(RangedFile(reader, offset_bytes, size, block_bytes), name)
    while (member := _next(archive, name)) is not None:
        archive.members.clear()  # type: ignore[attr-defined] # it remembers all it has seen
        if member.isreg() and not member.issparse():
            if member.offset_data + member.size > size:
                raise InputError(
                    f"{name} is truncated: its member {member.name!r} ends at byte "
                    f"{member.offset_data + member.size:,} of {size:,}; get the file again"
                )
            yield TarMember(member.name, offset_bytes + member.offset_data, member.size)
    _check_end(archive, name)


def _open(file: RangedFile, name: str) -> tarfile.TarFile:
    if file.seek(0, 2) == 0:
        raise InputError(f"{name} is empty: 0 bytes; get the file again")
    file.seek(0)
    try:
        return tarfile.TarFile(fileobj=file, mode="r", encoding="utf-8")
    except tarfile.TarError as error:
        file.seek(0)
        raise InputError(f"{name} {_what_it_is(file.read(BLOCK_BYTES))}") from error


def _next(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except tarfile.TarError as error:
        raise InputError(
            f"{name} is truncated or damaged at byte {archive.offset:,} ({error}); "
            "get the file again"
        ) from error
    except (ValueError, OverflowError) as error:  # PAX numbers that are none
        raise InputError(
            f"{name} has a damaged header at byte {archive.offset:,} ({error}); get the file again"
        ) from error


def _check_end(archive: tarfile.TarFile, name: str) -> None:
    """Tells the end mark from a damaged header or a missing rest; tarfile does not."""
    file = archive.fileobj
    assert file is not None  # noqa: S101 - it was opened with one
    file.seek(archive.offset)
    block = file.read(BLOCK_BYTES)
    if block == _ZEROS:
        return
    if len(block) < BLOCK_BYTES:
        raise InputError(
            f"{name} is truncated: it ends at byte {archive.offset + len(block):,} without the "
            "blocks of zeros that end a tar archive; get the file again"
        )
    raise InputError(f"{name} has a damaged header at byte {archive.offset:,}; get the file again")


def _what_it_is(head: bytes) -> str:
    """Says what a file is that should have been a tar archive."""
    text = head.lstrip().lower()
    if head.startswith(b"\x1f\x8b"):
        return "is compressed with gzip, not a plain tar archive; decompress it first (gunzip)"
    if head.startswith(b"PK\x03\x04"):
        return "is a zip archive, not a tar archive"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return (
            "is a web page, not a tar archive: the download gave an error or login page; "
            "get the file again"
        )
    if head == _ZEROS:
        return "is an empty tar archive: it has no members; get the file again"
    return "is not a tar archive; give the archive as it was downloaded"
