"""Damage to tar archives: ustar, GNU, PAX, of class tars; and to what compresses them."""

from __future__ import annotations

import bz2
import dataclasses
import functools
import gzip
import io
import itertools
import lzma
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mutations import Mutation, mutate
from plain_conversion import Converted
from promises import EXACT, Allowed, Damaged, plain_attack
from true_inputs import labels, made_of, net_inputs

NONE: frozenset[str] = frozenset()

_BLOCK = 512
_PADDING_BYTES = 10_240 + _BLOCK
"""Up to so many zeros tar writes at the end of what becomes a class tar."""

_FOLDERS = "a_long_way_to_the_images/" * 6
"""Longer than the 100 characters of a name; ustar divides it where it can."""

_FORMATS = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": functools.partial(gzip.compress, compresslevel=6, mtime=net_inputs.TIME),
    "bz2": bz2.compress,
    "xz": functools.partial(lzma.compress, preset=1),
}
_TYPES = b"\x000123456789ALKSNDMVxgX~"


class Region(NamedTuple):
    """A part of an archive, and the images that depend on it.

    `kind` is `header`, which has a checksum, `extension` (a long name, or PAX records), which
    has none, `data`, `padding` or `end`. `archive_end` is the end of the innermost archive.
    """

    start: int
    end: int
    kind: str
    images: frozenset[str]
    archive_end: int


class TrueTar(NamedTuple):
    """An undamaged archive, what it gives, and what lies where in it."""

    data: bytes
    regions: tuple[Region, ...]
    made: Converted


def write_tar(files: Mapping[str, bytes], tar_format: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), net_inputs.TIME
            if tar_format == tarfile.PAX_FORMAT:
                info.pax_headers = {"comment": "kept as it is", "mtime": f"{net_inputs.TIME}.5"}
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def regions(data: bytes, offset: int = 0) -> Iterator[Region]:
    """What lies where in a sound archive."""

    def region(start: int, end: int, kind: str, images: frozenset[str] = NONE) -> Region:
        return Region(offset + start, offset + end, kind, images, offset + len(data))

    end = 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            start, content, last = (
                member.offset,
                member.offset_data,
                member.offset_data + member.size,
            )
            inner: tuple[Region, ...] = ()
            images = frozenset((f"train/{member.name.rpartition('/')[2]}",))
            if member.name.endswith(".tar"):
                inner = tuple(regions(data[content:last], offset + content))
                images = NONE.union(*(region.images for region in inner))
            if content - start > _BLOCK:
                yield region(start, start + _BLOCK, "header", images)
                yield region(start + _BLOCK, content - _BLOCK, "extension", images)
            yield region(content - _BLOCK, content, "header", images)
            yield from inner or (region(content, last, "data", images),)
            end = last + -last % _BLOCK
            yield region(last, end, "padding")
    yield region(end, len(data), "end")


@functools.cache
def true_tar(name: str) -> TrueTar:
    """The undamaged archive of an attack."""
    if name == "class-tars":
        wnids = net_inputs.WNIDS[:2]
        images = {f"{wnids[n % 2]}_{n}.JPEG": net_inputs.picture(n) for n in range(24)}
        data = net_inputs.tar(net_inputs.class_tars(images, wnids))
    else:
        files = {
            f"{_FOLDERS}{'é' * (name == 'pax')}/{path}" if number % 2 else path: image
            for number, (path, image) in enumerate(net_inputs.IN_FOLDERS.items())
        }
        data = write_tar(files, _FORMATS[name])
    made = made_of({"train.tar": data}, lambda folder: flags(folder / "train.tar"))
    return TrueTar(data, tuple(regions(data)), made)


def flags(path: Path, expect: str = "any") -> list[str]:
    """Without what is expected, so that whatever is missing shows."""
    conversion = [f"--train_archive={path}", "--train_shards=1", "--resize=none"]
    return [*conversion, *labels(), f"--expect={expect}"]


def damaged_tar(name: str, rng: random.Random, folder: Path) -> Damaged:
    """Damages an archive in one place, or gives lying headers; perhaps compressed after that."""
    true = true_tar(name)
    if rng.random() < 0.5:
        mutation = mutate(rng, true.data, _BLOCK)
        data, allowed = mutation.data, allowed_in_tar(mutation, true)
    else:
        data, allowed = edit_headers(rng, true)
    compress = rng.choice((bytes, bytes, *_COMPRESS.values()))
    if compress is bytes:
        zeros = len(data) - len(data.rstrip(b"\0"))
        padding_bytes = _PADDING_BYTES * (1 + (name == "class-tars"))  # the last one has its own
        allowed = dataclasses.replace(allowed, told=zeros > padding_bytes)
    path = folder / "train.tar"
    path.write_bytes(compress(data))
    return Damaged(flags(path), true.made, allowed)


def allowed_in_tar(mutation: Mutation, true: TrueTar) -> Allowed:
    """What damage in one place may have done to a tar archive.

    One changed bit of a header is noticed by its checksum. More of them may add up to the same
    sum, and the header of another member is as good as any.
    """
    touched = [one for one in true.regions if mutation.touches(one.start, one.end)]
    images = NONE.union(*(region.images for region in touched))
    if len(mutation.data) == len(true.data) and not any(mutation.data[mutation.start :]):
        return Allowed(changed=images, gone=behind_the_end(mutation.start, true))
    if mutation.kind in ("flip", "zeros", "cut"):
        extended = (region.images for region in touched if region.kind == "extension")
        return Allowed(changed=images, renamed=NONE.union(*extended))
    if mutation.kind in ("insert", "duplicate", "append"):
        return Allowed(changed=images)
    in_headers = NONE.union(*(one.images for one in touched if one.kind != "data"))
    renamed = in_headers | following(touched, true)
    return Allowed(changed=images | renamed, renamed=renamed, gone=in_headers)


def following(touched: Sequence[Region], true: TrueTar) -> frozenset[str]:
    """Images behind damaged headers: a long name, or PAX records, are about the next member."""
    headers = [one for one in true.regions if one.kind == "header"]
    return NONE.union(*(b.images for a, b in itertools.pairwise(headers) if a in touched))


def behind_the_end(start: int, true: TrueTar) -> frozenset[str]:
    """Images that are gone without a trace where zeros from there on look like padding."""
    headers = [one for one in true.regions if one.kind == "header" and one.start >= start]
    padding_bytes = {one.archive_end: one.archive_end - one.start for one in reversed(headers)}
    padding_bytes[len(true.data)] = 0  # the outermost archive may have as many as it likes
    padded = [one for one in headers if padding_bytes[one.archive_end] <= _PADDING_BYTES]
    return NONE.union(*(one.images for one in padded))


def edit_headers(rng: random.Random, true: TrueTar) -> tuple[bytes, Allowed]:
    """Gives a header or two other values and the checksums that belong to them."""
    data = bytearray(true.data)
    touched = rng.sample(
        [one for one in true.regions if one.kind == "header"], rng.choice((1, 1, 2))
    )
    for region in touched:
        header = data[region.start : region.end]
        _edit(rng, header)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data[region.start : region.end] = header
        print(f"header at {region.start:,}: {bytes(header)!r}")
    images = NONE.union(*(region.images for region in touched))
    return bytes(data), Allowed(images, renamed=images | following(touched, true), gone=images)


def _edit(rng: random.Random, header: bytearray) -> None:
    field = rng.choice(("size", "size", "type", "name", "link", "magic", "prefix", "any"))
    if field == "size":
        size = int(header[124:135], 8)
        other = rng.choice((size + 1, size - 1, size + _BLOCK, size - _BLOCK, 0, 1 << 32, 2 * size))
        header[124:136] = rng.choice(
            (
                b"%011o\0" % max(0, other),
                b"\x80" + bytes(3) + max(0, other).to_bytes(8, "big"),
                b"\xff" * 12,
                b"\x80" + b"\x7f" * 11,
                b"           \0",
                b"-0000000001\0",
            )
        )
    elif field == "type":
        header[156] = rng.choice(_TYPES)
    elif field == "link":
        header[157:257] = header[:100]
    else:
        start, end = {"name": (0, 100), "magic": (257, 265), "prefix": (345, 500), "any": (0, 512)}[
            field
        ]
        for _ in range(rng.randint(1, 4)):
            header[rng.randrange(start, end)] = rng.choice(
                (0, 0x2F, 0x2E, 0x0A, 0x1B, rng.randrange(256))
            )


def damaged_stream(suffix: str, rng: random.Random, folder: Path) -> Damaged:
    """Damages what is compressed: it has a checksum, so that nothing else may come out."""
    true = true_tar(rng.choice(("gnu", "class-tars")))
    mutation = mutate(rng, _COMPRESS[suffix](true.data))
    path = folder / f"train.tar.{suffix}"
    path.write_bytes(mutation.data)
    return Damaged(flags(path), true.made, EXACT)


DAMAGE = {
    **{f"tar-{name}": functools.partial(damaged_tar, name) for name in (*_FORMATS, "class-tars")},
    **{f"tar-{name}": functools.partial(damaged_stream, name) for name in _COMPRESS},
}
ATTACKS = tuple(plain_attack(name, damage) for name, damage in DAMAGE.items())
