"""Damage to zip archives, which say everything twice and have a checksum of each member."""

from __future__ import annotations

import functools
import io
import random
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mutations import mutate
from plain_conversion import Converted
from promises import Allowed, Damaged, plain_attack
from true_inputs import labels, made_of, net_inputs

_LOCAL_BYTES, _CENTRAL_BYTES = 30, 46

_FIELDS = {  # name: offset in the local header, offset in the list of members, bytes
    "version": (4, 6, 2),
    "flags": (6, 8, 2),
    "method": (8, 10, 2),
    "time": (10, 12, 4),
    "crc32": (14, 16, 4),
    "stored": (18, 20, 4),
    "size": (22, 24, 4),
    "name_bytes": (26, 28, 2),
    "extra_bytes": (28, 30, 2),
}


class _Member(NamedTuple):
    image: str
    local: int
    end: int  # of its data, and of what may follow that
    central: int
    central_end: int
    name_bytes: int


class _TrueZip(NamedTuple):
    data: bytes
    members: tuple[_Member, ...]
    made: Converted

    def touched(self, touches) -> frozenset[str]:
        return frozenset(
            one.image
            for one in self.members
            if touches(one.local, one.end) or touches(one.central, one.central_end)
        )


class _Forward(io.RawIOBase):
    """A file that cannot be gone back in: sizes and checksums then stand behind the content."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += data
        return len(data)


def _write(files: dict[str, bytes], is_streamed: bool) -> bytes:
    buffer = _Forward() if is_streamed else io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (name, data) in enumerate(files.items()):
            info = zipfile.ZipInfo(name, (2012, 6, 18, 6, 13, 20))
            info.compress_type = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[number % 2]
            archive.writestr(info, data)
        archive.comment = b"as it was downloaded"
    return bytes(buffer.data) if isinstance(buffer, _Forward) else buffer.getvalue()


@functools.cache
def _true_zip(is_streamed: bool) -> _TrueZip:
    files = {
        f"{'ILSVRC/Data/é/' * (n % 3 == 0)}train/{path}": image
        for n, (path, image) in enumerate(net_inputs.IN_FOLDERS.items())
    }
    data = _write(files, is_streamed)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos, central = archive.infolist(), archive.start_dir
    ends = [*(info.header_offset for info in infos[1:]), central]
    members = []
    for info, end in zip(infos, ends, strict=True):
        lengths = struct.unpack_from("<3H", data, central + 28)
        central_end = central + _CENTRAL_BYTES + sum(lengths)
        image = f"train/{info.filename.rpartition('/')[2]}"
        members.append(_Member(image, info.header_offset, end, central, central_end, lengths[0]))
        central = central_end
    made = made_of({"train.zip": data}, lambda folder: flags(folder / "train.zip"))
    return _TrueZip(data, tuple(members), made)


def flags(path: Path) -> Sequence[str]:
    conversion = [f"--train_archive={path}", "--train_shards=1", "--resize=none"]
    return [*conversion, *labels(), "--expect=any"]


def damaged_zip(rng: random.Random, folder: Path) -> Damaged:
    """Damages any part: it may be rejected or refused, and no other picture may come of it."""
    true = _true_zip(rng.random() < 0.3)
    mutation = mutate(rng, true.data)
    touched = true.touched(mutation.touches)
    path = folder / "train.zip"
    path.write_bytes(mutation.data)
    allowed = Allowed(rejected=touched, passed_over=touched)
    return Damaged(flags(path), true.made, allowed)


def edited_zip(rng: random.Random, folder: Path) -> Damaged:
    """Gives a member other values, in one of its two headers or in both."""
    true = _true_zip(rng.random() < 0.3)
    data, member = bytearray(true.data), rng.choice(true.members)
    both = rng.random() < 0.5
    sides = (0, 1) if both else (rng.randrange(2),)
    edit = rng.choice(("name", "name", "remove", *_FIELDS))
    print(f"{edit} of {member} in {sides}")
    image = frozenset((member.image,))
    allowed = Allowed(rejected=image, passed_over=image)
    if edit == "remove":
        data = _without(data, member)
        allowed = Allowed(gone=image)
    elif edit == "name":
        at, value = rng.randrange(member.name_bytes), rng.choice(b"/.\\\0\nKXt0\xff")
        for side in sides:
            start = (member.local + _LOCAL_BYTES, member.central + _CENTRAL_BYTES)[side]
            data[start + at] = value
        allowed = Allowed(image, renamed=image) if both else allowed
    else:
        *offsets, width = _FIELDS[edit]
        for side in sides:
            start = (member.local, member.central)[side] + offsets[side]
            old = int.from_bytes(data[start : start + width], "little")
            value = _other(rng, old, width) if side == sides[0] else value
            data[start : start + width] = value.to_bytes(width, "little")
        if edit == "flags" and both:  # one of them says which letters the name is made of
            allowed = Allowed(rejected=image, renamed=image)
        if edit in ("name_bytes", "extra_bytes") and both:
            allowed = Allowed(rejected=image, renamed=image)
    path = folder / "train.zip"
    path.write_bytes(data)
    return Damaged(flags(path), true.made, allowed)


def _other(rng: random.Random, value: int, width: int) -> int:
    most = (1 << 8 * width) - 1
    values = (0, 1, most, most >> 1, value + 1, value - 1, value ^ 1 << rng.randrange(8 * width))
    return max(0, min(most, rng.choice(values)))


def _without(data: bytearray, member: _Member) -> bytearray:
    """The archive with a member taken out of the list, which is then one shorter."""
    kept = data[: member.central] + data[member.central_end :]
    end = kept.rfind(b"PK\x05\x06")
    count, size = struct.unpack_from("<HI", kept, end + 10)
    size -= member.central_end - member.central
    struct.pack_into("<2HI", kept, end + 8, count - 1, count - 1, size)
    return kept


DAMAGE = {"zip-damaged": damaged_zip, "zip-edited": edited_zip}
ATTACKS = tuple(plain_attack(name, damage) for name, damage in DAMAGE.items())
