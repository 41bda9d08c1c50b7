"""Zip archives: where their members lie, so that images are read in place.

A zip compresses each member by itself and lists all of them at its end, so it can
be read in any order, unlike a compressed tar. The standard library keeps an object
for each member, a gigabyte for ImageNet's 1.4 million; here the list is walked.

Source of the layout: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from imagenet_beam.transforms.archives.forms import Form, Span
from imagenet_beam.transforms.archives.names import is_image_name, make_ref
from imagenet_beam.transforms.archives.passed import FOLDER, PassedTally
from imagenet_beam.transforms.archives.ranges import RangedFile, Readable
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.plain_text import clean_name
from imagenet_beam.transforms.storage.files import Storage

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_MAX_COMMENT_BYTES = 0xFFFF
_COUNT_MODULUS = 1 << 16  # what is left of the count when a program writes no zip64
_WALK_BYTES = 1 << 20
_HEAD_BYTES = 512
_COMPARED = ("compression method", "checksum", "length", "stored length")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED_FLAG, _LATER_FLAG, _UTF8_FLAG = 1, 1 << 3, 1 << 11
_ZIP64 = 1
_SLACK_BYTES = 64  # a local header's extra fields are a little longer than the central one's

_COMPARED_NAMES = 1024
"""Files that are no images whose names are compared, those beside images first: each is a read."""


class ZipEntry(NamedTuple):
    """How a member is stored.

    Attributes:
        method: 0 stored, 8 deflated.
        stored_bytes: Its length in the archive.
        header_bytes: About how long its local header is.
        crc32: Checksum of its content.
        name_crc32: Checksum of its name as stored.
    """

    method: int
    stored_bytes: int
    header_bytes: int
    crc32: int
    name_crc32: int

    def __str__(self) -> str:
        """As it stands in `ImageRef.zip_entry`."""
        return ":".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> ZipEntry | None:
        """Reads what `str` gives; None for "", of what is no member of a zip."""
        return cls(*map(int, text.split(":"))) if text else None


class ZipMember(NamedTuple):
    """One file of a zip archive.

    Attributes:
        name: As stored, with folders; never to be used as a path. As in tar archives,
            slashes stand between folders, and what cannot be shown is an escape.
        offset_bytes: Where its local header starts; its bytes follow that.
        size_bytes: Its length, uncompressed.
        entry: How it is stored.
    """

    name: str
    offset_bytes: int
    size_bytes: int
    entry: ZipEntry


class _ZipForm(Form):
    """Zip archives, such as Kaggle's. The list of members is short and is read in sequence."""

    name = "zip"

    def recognises(self, head: bytes) -> bool:
        return is_zip(head)

    def list(
        self, storage: Storage, span: Span, split: str, passed: PassedTally
    ) -> Iterator[ImageRef]:
        reader = storage.open_ranges(span.archive)
        others: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
        for name, offset_bytes, size_bytes, entry in walk_zip(reader, passed):
            if passed.takes(name, split):
                ref = make_ref(span.archive, name, offset_bytes, size_bytes)
                yield ref._replace(zip_entry=str(entry))
            elif not is_image_name(name):
                others[name.rpartition("/")[0]].extend((offset_bytes, entry.name_crc32))
        folders = sorted(others, key=passed.has_images, reverse=True)  # in the archive's order
        found = itertools.chain.from_iterable(_in_pairs(others[folder]) for folder in folders)
        for offset_bytes, name_crc32 in itertools.islice(found, _COMPARED_NAMES):
            check_zip_name(reader, offset_bytes, name_crc32)


FORMS = (_ZipForm(),)


def is_zip(head: bytes) -> bool:
    """Whether a file that starts like this is a zip archive; an empty one is, too."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def walk_zip(reader: Readable, passed: PassedTally | None = None) -> Iterator[ZipMember]:
    """Yields the files of a zip archive in the order of its central directory.

    Its folders are counted in `passed`.

    Raises:
        InputError: If it is damaged or truncated, or if a member is encrypted or
            compressed in a way that is not supported.
    """
    start, size, count = _find_directory(reader)
    file = RangedFile(reader, start, size, _WALK_BYTES)
    walked = 0
    while file.tell() < size:
        member = _next_member(file, reader)
        walked += 1
        if member is not None:
            yield member
        elif passed:
            passed.count(FOLDER)
    if file.tell() != size or (walked - count) % _COUNT_MODULUS:
        raise _damaged(reader.name)


def read_zip_member(reader: Readable, offset_bytes: int, size_bytes: int, entry: ZipEntry) -> bytes:
    """Reads a member as it is stored, in one piece as a rule.

    Raises:
        InputError: If the archive has no member there, or if the header there says
            something else than the list of members.
    """
    guess = entry.header_bytes + entry.stored_bytes
    data = reader.read(offset_bytes, min(guess, reader.size_bytes - offset_bytes))
    fields = _local_header(data, offset_bytes, reader.name)
    start = _LOCAL.size + fields[9] + fields[10]
    missing = start + entry.stored_bytes - len(data)
    if missing > 0:
        data += reader.read(offset_bytes + len(data), missing)
    name_end = _LOCAL.size + fields[9]
    _check_name(data[_LOCAL.size : name_end], entry.name_crc32, offset_bytes, reader.name)
    said: tuple[int, ...] = (fields[3],)
    listed: tuple[int, ...] = (entry.method,)
    if not fields[2] & _LATER_FLAG:  # else they stand behind the content, or nowhere
        said += (
            fields[6],
            *_long_values((fields[8], fields[7]), data[name_end:start], reader.name),
        )
        listed += (entry.crc32, size_bytes, entry.stored_bytes)
    for what, one, other in zip(_COMPARED, said, listed, strict=False):
        if one != other:
            raise _differing(what, offset_bytes, reader.name)
    return data[start : start + entry.stored_bytes]


def check_zip_name(reader: Readable, offset_bytes: int, name_crc32: int) -> None:
    """Compares a member's name before its content with that in the list of members.

    Raises:
        InputError: If they differ.
    """
    data = reader.read(offset_bytes, min(_HEAD_BYTES, reader.size_bytes - offset_bytes))
    end = _LOCAL.size + _local_header(data, offset_bytes, reader.name)[9]
    if len(data) < end <= reader.size_bytes - offset_bytes:
        data = reader.read(offset_bytes, end)
    _check_name(data[_LOCAL.size : end], name_crc32, offset_bytes, reader.name)


def _local_header(data: bytes, offset_bytes: int, archive: str) -> tuple[Any, ...]:
    fields = _LOCAL.unpack_from(data) if len(data) >= _LOCAL.size else (b"",)
    if fields[0] != b"PK\x03\x04":
        raise InputError(
            f"{archive} is damaged at byte {offset_bytes:,}: its list of members names one "
            "there, and there is none; get the file again"
        )
    return fields


def _check_name(name: bytes, name_crc32: int, offset_bytes: int, archive: str) -> None:
    if zlib.crc32(name) != name_crc32:
        raise _differing("name", offset_bytes, archive)


def _differing(what: str, offset_bytes: int, archive: str) -> InputError:
    return InputError(
        f"{archive} is damaged: its list of members gives the member at byte {offset_bytes:,} "
        f"another {what} than the header there; get the file again"
    )


def unzip_member(stored: bytes, size_bytes: int, entry: ZipEntry) -> bytes:
    """Gives back a member's content.

    Raises:
        ImageRejected: If it is damaged.
    """
    try:
        data = stored
        if entry.method == _DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, size_bytes + 1)
    except zlib.error as error:
        raise ImageRejected("damaged_zip_member", f"the zip archive is damaged: {error}") from error
    if len(data) != size_bytes or zlib.crc32(data) != entry.crc32:
        raise ImageRejected(
            "damaged_zip_member",
            f"{len(data):,} bytes that do not agree with the length ({size_bytes:,}) and the "
            "checksum in the zip archive",
        )
    return data


def _find_directory(reader: Readable) -> tuple[int, int, int]:
    """Where the central directory starts, how long it is, and the count of its members."""
    tail_bytes = min(reader.size_bytes, _END.size + _MAX_COMMENT_BYTES + _END64_LOCATOR.size)
    tail = reader.read(reader.size_bytes - tail_bytes, tail_bytes)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise InputError(
            f"{reader.name} is a truncated zip archive: the list of its members, which stands at "
            "the end, is missing; get the file again"
        )
    _, _, _, _, count, size, start, _ = _END.unpack_from(tail, at)
    locator = tail[max(0, at - _END64_LOCATOR.size) : at]
    is_full = count == 0xFFFF or size == 0xFFFFFFFF or start == 0xFFFFFFFF
    if is_full and locator.startswith(b"PK\x06\x07"):  # else there are just so many
        start, size, count = _find_directory64(reader, locator)
    if start + size > reader.size_bytes:
        raise _damaged(reader.name)
    return start, size, count


def _find_directory64(reader: Readable, locator: bytes) -> tuple[int, int, int]:
    offset = _END64_LOCATOR.unpack(locator)[2]
    if offset + _END64.size > reader.size_bytes:
        raise _damaged(reader.name)
    fields = _END64.unpack(reader.read(offset, _END64.size))
    if fields[0] != b"PK\x06\x06":
        raise _damaged(reader.name)
    return fields[9], fields[8], fields[7]


def _next_member(file: RangedFile, reader: Readable) -> ZipMember | None:
    header = file.read(_CENTRAL.size)
    if len(header) < _CENTRAL.size or not header.startswith(b"PK\x01\x02"):
        raise _damaged(reader.name)
    fields = _CENTRAL.unpack(header)
    flags, method, crc32 = fields[3], fields[4], fields[7]
    name_bytes, extra_bytes, comment_bytes = fields[10:13]
    raw_name, extra = file.read(name_bytes), file.read(extra_bytes)
    file.seek(file.tell() + comment_bytes)
    name = _name(raw_name, flags)
    if name.endswith("/"):
        return None
    values = (fields[9], fields[8], fields[16])
    size, stored, offset = _long_values(values, extra, reader.name)
    _check_supported(flags, method, name, reader.name)
    _check_place(offset, stored, name, reader)
    header_bytes = _LOCAL.size + name_bytes + extra_bytes + _SLACK_BYTES
    entry = ZipEntry(method, stored, header_bytes, crc32, zlib.crc32(raw_name))
    return ZipMember(name, offset, size, entry)


def _name(raw_name: bytes, flags: int) -> str:
    """As tar archives give it; some programs on Windows write backslashes for slashes."""
    name = raw_name.decode("utf-8" if flags & _UTF8_FLAG else "cp437", "surrogateescape")
    return clean_name(name.replace("\\", "/"))


def _long_values(values: Sequence[int], extra: bytes, archive: str) -> Iterator[int]:
    """Length, stored length, offset; from the zip64 field where 32 bits are too few."""
    long_values = _zip64_field(extra)
    for value in values:
        if value == 0xFFFFFFFF:
            if len(long_values) < 8:
                raise _damaged(archive)
            value = int.from_bytes(long_values[:8], "little")
            long_values = long_values[8:]
        yield value


def _in_pairs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(values[::2], values[1::2], strict=True)


def _zip64_field(extra: bytes) -> bytes:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _ZIP64:
            return extra[4 : 4 + length]
        extra = extra[4 + length :]
    return b""


def _check_supported(flags: int, method: int, name: str, archive: str) -> None:
    if flags & _ENCRYPTED_FLAG:
        raise InputError(f"{archive} is encrypted ({name}); give one without a password")
    if method not in (_STORED, _DEFLATED):
        raise InputError(
            f"{archive} holds {name} with compression method {method}; accepted are 0 (stored) "
            "and 8 (deflated)"
        )


def _check_place(offset: int, stored: int, name: str, reader: Readable) -> None:
    end = offset + _LOCAL.size + stored
    if end > reader.size_bytes:
        raise InputError(
            f"{reader.name} is damaged: by its list, the member {name!r} ends at byte {end:,} of "
            f"{reader.size_bytes:,}; get the file again"
        )


def _damaged(archive: str) -> InputError:
    return InputError(
        f"{archive} is a damaged or truncated zip archive: the list of its members cannot be "
        "read; get the file again"
    )
