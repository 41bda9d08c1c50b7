"""Tar headers that tarfile does not see, or not yet: plain ones, and what PAX headers say.

Plain are those of nearly every image of an archive.

`tarfile` takes 20 µs for a header, most of them for fields that nothing here needs. What
is read here is read as it would read it; everything else is left to it.
"""

from __future__ import annotations

import re
import zlib

HEADER_BYTES = 512
"""POSIX.1-1988."""

_CHECKSUM = slice(148, 156)
_CHECKSUM_AS_SPACES = 8 * ord(" ")
_LOW_BITS = 0xFFFF  # of an Adler-32 that starts at 0: the sum of the bytes, if below 65,521

# From the end of the name on: mode, uid, gid, size, mtime, checksum, type, link name, magic
# and version of ustar or GNU, user, group, device numbers; neither a prefix nor what GNU has
# in its place. Numbers are written as by GNU, BSD and Python: in octal, all digits there.
_FIELDS = re.compile(
    rb"(?:[0-7]{7}[\0 ]|[0-7]{6} \0){3}([0-7]{11})[\0 ][0-7]{11}[\0 ]([0-7]{6})\0 [0\0]\0{100}"
    rb"ustar(?:\x0000|  \0).{64}(?:[0-7]{7}[\0 ]|[0-7]{6} \0|\0{8}){2}\0{167}",
    re.DOTALL,
)

_MAX_DIGITS = 255
"""Of a number in a PAX header; and no file has a longer name."""

_PAX_LENGTH = re.compile(rb"([0-9]{1,20}) ")
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (_MAX_DIGITS + 1))


def parse_plain_header(header: bytes) -> tuple[str, int] | None:
    """The name and the size in bytes of a regular file; None of any other or unusual header.

    Bytes of the name that are not UTF-8 become surrogates, as with `tarfile`.

    Args:
        header: 512 bytes, or fewer at the end of an archive.
    """
    fields = _FIELDS.fullmatch(header, 100)
    name = header[:100].rstrip(b"\0")
    if fields is None or not name or name.endswith(b"/") or b"\0" in name:
        return None
    # All bytes but the name's and 64 others are digits or letters: the sum is below 50,000.
    total = zlib.adler32(header, 0) & _LOW_BITS
    if total - sum(header[_CHECKSUM]) + _CHECKSUM_AS_SPACES != int(fields[2], 8):
        return None
    return name.decode("utf-8", "surrogateescape"), int(fields[1], 8)


def is_sound_long_name(body: bytes) -> bool:
    """Whether what GNU tar takes for a long name is one: with zeros at its end, and no other.

    A header whose type is damaged makes of a member's content such a name for the next one.
    """
    name = body.rstrip(b"\0")
    return bool(name) and b"\0" not in name


def is_sound_pax(body: bytes) -> bool:
    """Whether a PAX header is a sequence of lines `length key=value`, as POSIX.1-2001 says.

    Before 3.11.10, and in other releases of its time, Python searches the body in a time
    that grows with the square of the digits in a row (CVE-2024-6232), also if it is sound.
    """
    at = 0
    while at < len(body) and body[at]:  # GNU tar, too, takes a zero for the end
        length = _PAX_LENGTH.match(body, at)
        end = at + int(length[1]) if length else 0
        if not length or end > len(body) or body[end - 1 : end] != b"\n":
            return False
        if body.find(b"=", length.end(), end) <= length.end():
            return False
        at = end
    return not body[at:].strip(b"\0") and not _LONG_NUMBER.search(body)
