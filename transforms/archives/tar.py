"""Walking tar headers: what lies where, without reading what lies there.

The headers themselves (POSIX ustar, GNU long names, PAX) are parsed by the
standard library, but for the plainest; this module adds what it leaves out: members are checked
against the bounds of the archive, headers are bounded in length, must be well formed and lead
forward, and an archive that stops in the middle, or goes on after its end mark, is
an error instead of a shorter archive.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from imagenet_beam.transforms.archives.names import is_image_name, is_tar_name
from imagenet_beam.transforms.archives.passed import FOLDER, NO_FILE, PassedTally
from imagenet_beam.transforms.archives.ranges import DEFAULT_BLOCK_BYTES, RangedFile, Readable
from imagenet_beam.transforms.archives.streams import describe_content, is_compressed
from imagenet_beam.transforms.archives.tar_header import (
    HEADER_BYTES,
    is_sound_long_name,
    is_sound_pax,
    parse_plain_header,
)
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import clean_name

BLOCK_BYTES = HEADER_BYTES
MAX_HEADER_BYTES = 1 << 20
"""What one member's headers may take, long names and PAX records included. Their
lengths are the archive's own claim, and tarfile reads as much as they say."""

MAX_PADDING_BYTES = 1 << 20
"""Zeros after the end mark: 10 KiB are usual, tapes have up to 1 MiB. More of them is
what downloads leave that reserve the file's length first and then stop."""

RECORD_BYTES = 10_240
"""What tar fills up with zeros, unless it is told another blocking factor than 20."""

END_BYTES = RECORD_BYTES + BLOCK_BYTES
"""How many zeros that makes at most: two blocks end an archive, and one may begin a record."""

WITHOUT_BYTES = {
    "link": "a link, which has no bytes of its own; make the archive with tar --dereference "
    "--hard-dereference",
    "sparse": "a sparse file, which cannot be read in place; make the archive without tar --sparse",
}
"""What is said of members without bytes that could be read as a range, by their fault."""

_MAX_SIZE_BYTES = 1 << 62
_ZEROS = bytes(BLOCK_BYTES)
_SOUND = {
    tarfile.XHDTYPE: ("PAX header", is_sound_pax),
    tarfile.XGLTYPE: ("PAX header", is_sound_pax),
    tarfile.SOLARIS_XHDTYPE: ("PAX header", is_sound_pax),
    tarfile.GNUTYPE_LONGNAME: ("long name", is_sound_long_name),
    tarfile.GNUTYPE_LONGLINK: ("long link", is_sound_long_name),
}
_ONCE = (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

# What tarfile lets through when a header's numbers are none.
_DAMAGE = (ValueError, OverflowError, IndexError, RecursionError)


class TarMember(NamedTuple):
    """One regular file of a tar archive.

    Attributes:
        name: As stored, with folders; never to be used as a path. Bytes that are not
            UTF-8, and control characters, are written as escapes.
        offset_bytes: Where its bytes start in the file that holds the archive.
        size_bytes: Its length.
        fault: Why it has no bytes that could be read, as in `WITHOUT_BYTES`; "" as a rule.
    """

    name: str
    offset_bytes: int
    size_bytes: int
    fault: str = ""


def walk_tar(
    reader: Readable,
    offset_bytes: int = 0,
    size_bytes: int | None = None,
    name: str = "",
    block_bytes: int = DEFAULT_BLOCK_BYTES,
    max_block_bytes: int = 0,
    needs_bytes: Callable[[str], bool] = is_tar_name,
    passed: PassedTally | None = None,
) -> Iterator[TarMember]:
    """Yields the regular files of an uncompressed tar archive, in its order.

    Directories and devices are passed over. Links and sparse files hold no bytes that could
    be read as a range: those that are called like images come with their `fault`, others
    are passed over, too.

    The end of a stream is read, too, where compressed files have their checksum. Of a
    stream, the caller may read a member before it asks for the next one.

    Args:
        reader: The file that holds the archive, or the stream.
        offset_bytes: Where the archive starts in it: 0, or the place of a class tar.
        size_bytes: How long the archive is; by default, up to the end of the file.
        name: What to call the archive in messages; by default, the file's name.
        block_bytes: How much is read at once while looking for headers.
        max_block_bytes: What blocks may grow to while members are small; see `RangedFile`.
        needs_bytes: Tells by their names the members that may be no links or sparse files.
        passed: Counts what is passed over.

    Raises:
        InputError: If this is no tar archive, if a header is damaged, if a member that
            needs bytes has none, or if the archive ends before its members or before its
            end mark.
    """
    name = name or reader.name
    size = reader.size_bytes - offset_bytes if size_bytes is None else size_bytes
    file = _HeaderFile(reader, offset_bytes, size, block_bytes, max_block_bytes)
    archive = _open(file, name)
    while True:
        found = _next_plain(archive, file)
        if found is None:
            member = _next(archive, file, name)
            if member is None:
                break
            archive.members.clear()  # type: ignore[attr-defined] # it remembers all it has seen
            if not member.isreg() or member.issparse():
                fault = _fault(member)
                if fault and needs_bytes(member.name):
                    shown = clean_name(member.name)
                    raise InputError(f"{name} holds {shown!r} as {WITHOUT_BYTES[fault]}")
                if fault and is_image_name(member.name):
                    start = offset_bytes + member.offset_data
                    yield TarMember(clean_name(member.name), start, 0, fault)
                elif passed:
                    passed.count(FOLDER if member.isdir() else NO_FILE)
                continue
            found = TarMember(member.name, member.offset_data, member.size)
        path, start, length = clean_name(found.name), found.offset_bytes, found.size_bytes
        if start + length > size:
            raise InputError(
                f"{name} is truncated: its member {path!r} ends at byte "
                f"{start + length:,} of {size:,}; get the file again"
            )
        yield TarMember(path, offset_bytes + start, length)
    padding_bytes = _check_end(archive, file, name)
    if offset_bytes and not _is_tar_padding(padding_bytes, size):
        raise InputError(
            f"{name} is incomplete: it ends with {padding_bytes + BLOCK_BYTES:,} bytes of zeros, "
            f"and tar ends an archive with up to {END_BYTES:,}; get the file again, or make the "
            "class tar with tar --blocking-factor=20"
        )


def read_member(reader: Readable, member: TarMember) -> bytes:
    """Reads a member that `walk_tar` has just given.

    Raises:
        InputError: If the archive ends before the member does.
    """
    data = reader.read(member.offset_bytes, member.size_bytes)
    if len(data) < member.size_bytes:
        raise InputError(f"{reader.name} is truncated in {member.name!r}; get the file again")
    return data


def _fault(member: tarfile.TarInfo) -> str:
    if member.issparse():
        return "sparse"
    return "link" if member.islnk() or member.issym() else ""


class _HeaderFile(RangedFile):
    """Gives out as many bytes as the headers of one member may have."""

    left_bytes = MAX_HEADER_BYTES
    types = b""
    """Those of the headers before the member's own."""

    def read(self, size: int | None = -1) -> bytes:
        """Refuses what is too much; without a size, tarfile has met a negative one."""
        self.left_bytes -= MAX_HEADER_BYTES if size is None or size < 0 else size
        if self.left_bytes < 0:
            raise tarfile.ReadError(f"a header of more than {MAX_HEADER_BYTES:,} bytes")
        return super().read(size)


class _Member(tarfile.TarInfo):
    """A member whose own headers are looked at before `tarfile` reads them.

    They must be well formed. Of two headers that bring a name `tarfile` takes the first,
    which is that of a member between them that is lost.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        file = archive.fileobj
        assert isinstance(file, _HeaderFile)  # noqa: S101 - `_open` gives it
        if self.type in _ONCE:
            if self.type in file.types:
                raise tarfile.ReadError("two headers of one kind, and no member between them")
            file.types += self.type
        if self.type in _SOUND:
            start, left_bytes = file.tell(), file.left_bytes
            what, is_sound = _SOUND[self.type]
            if not is_sound(file.read(self.size)):
                raise tarfile.ReadError(f"its {what} is not well formed")
            file.seek(start)
            file.left_bytes = left_bytes
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _open(file: _HeaderFile, name: str) -> tarfile.TarFile:
    head = file.read(BLOCK_BYTES)
    file.seek(0)
    if not head:
        raise InputError(f"{name} is empty: 0 bytes; get the file again")
    if head == _ZEROS:
        raise InputError(
            f"{name} is an empty tar archive: it begins with its end mark; get the file again"
        )
    try:
        return tarfile.TarFile(fileobj=file, mode="r", tarinfo=_Member, encoding="utf-8")
    except InputError:
        raise
    except (tarfile.TarError, *_DAMAGE) as error:
        if head[257:262] == b"ustar":
            raise InputError(
                f"{name} is truncated or damaged at byte 0 ({error}); get the file again"
            ) from error
        advice = (
            "decompress it first"
            if is_compressed(head)
            else "give the archive as it was downloaded"
        )
        raise InputError(
            f"{name} holds {describe_content(head)}, not a tar archive; {advice}"
        ) from error


def _next_plain(archive: tarfile.TarFile, file: _HeaderFile) -> TarMember | None:
    """The next member, its name as `tarfile` has it, where that need not be asked.

    It is asked for the first member, which it has read already, and after a global header,
    which may say another name or size of each member. As it does, this reads the byte
    before the header: it is missing where the member before is truncated.
    """
    start = archive.offset
    if archive.firstmember is not None or archive.pax_headers:  # type: ignore[attr-defined]
        return None
    file.left_bytes = MAX_HEADER_BYTES
    file.seek(start - 1)
    found = file.read(1 + HEADER_BYTES)
    plain = parse_plain_header(found[1:])
    if plain is None:
        if found:  # `tarfile` then goes on from here; of a stream, the byte before may be gone
            file.seek(start)
        return None
    start += HEADER_BYTES
    archive.offset = start + plain[1] + -plain[1] % BLOCK_BYTES
    return TarMember(plain[0], start, plain[1])


def _next(archive: tarfile.TarFile, file: _HeaderFile, name: str) -> tarfile.TarInfo | None:
    """The next member; tarfile follows headers that lead backwards, for ever."""
    before = 0 if archive.firstmember is not None else archive.offset  # type: ignore[attr-defined]
    file.left_bytes, file.types = MAX_HEADER_BYTES, b""
    try:
        member = archive.next()
    except InputError:
        raise
    except (tarfile.TarError, *_DAMAGE) as error:
        raise InputError(
            f"{name} is truncated or damaged at byte {before:,} ({error}); get the file again"
        ) from error
    if member and not (0 <= member.size < _MAX_SIZE_BYTES and archive.offset > before):
        raise InputError(
            f"{name} has a damaged header at byte {before:,}: it says a size that cannot be; "
            "get the file again"
        )
    return member


def _check_end(archive: tarfile.TarFile, file: _HeaderFile, name: str) -> int:
    """Tells the end mark from a damaged header or a missing rest; tarfile does not.

    Returns:
        How many zeros follow the first block of them.
    """
    file.left_bytes = BLOCK_BYTES + MAX_PADDING_BYTES + 1
    file.seek(archive.offset)
    block = file.read(BLOCK_BYTES)
    if len(block) < BLOCK_BYTES:
        raise InputError(
            f"{name} is truncated: it ends at byte {archive.offset + len(block):,} without the "
            "blocks of zeros that end a tar archive; get the file again"
        )
    if block != _ZEROS:
        raise InputError(
            f"{name} has a damaged header at byte {archive.offset:,}; get the file again"
        )
    rest = file.read(MAX_PADDING_BYTES + 1)
    if len(rest) > MAX_PADDING_BYTES or rest.count(0) < len(rest):
        raise InputError(
            f"{name} is incomplete or damaged: it goes on after the blocks of zeros at byte "
            f"{archive.offset:,}, which end a tar archive; get the file again"
        )
    return len(rest)


def _is_tar_padding(padding_bytes: int, size_bytes: int) -> bool:
    """Whether tar fills up an archive with that: of some records, the last is not empty.

    Records longer than usual are powers of two, as of tapes.
    """
    return padding_bytes <= RECORD_BYTES or not size_bytes % (1 << (padding_bytes - 1).bit_length())
