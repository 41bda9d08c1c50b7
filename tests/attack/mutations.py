"""Damage to bytes, drawn from a generator, with the place that it touches."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

_LONGEST = 4096


class Mutation(NamedTuple):
    """Bytes after some damage.

    Attributes:
        data: The bytes.
        kind: What was done.
        start: Where in the bytes as they were the damage begins.
        end: What was there up to here is changed or gone; behind it the old bytes go on.
    """

    data: bytes
    kind: str
    start: int
    end: int

    def touches(self, start: int, end: int) -> bool:
        """Whether any of the old bytes from start to end are changed, gone, or torn apart."""
        return self.start < end and start < max(self.end, self.start + 1)


def mutate(rng: random.Random, data: bytes, block_bytes: int = 1) -> Mutation:
    """Damages bytes in one place.

    Args:
        rng: The generator.
        data: The bytes; not empty.
        block_bytes: Half of the places and lengths are multiples of this, as of the blocks of
            a tar archive.
    """
    kind = rng.choice(tuple(_KINDS))
    start, end = _range(rng, len(data), block_bytes if rng.random() < 0.5 else 1)
    done = _KINDS[kind](rng, data, start, end)._replace(kind=kind)
    print(f"{kind} of bytes {done.start:,} to {done.end:,} of {len(data):,}")
    return done


def flip(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    """One bit."""
    return _put(data, start, bytes([data[start] ^ 1 << rng.randrange(8)]))


def _flips(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    part = bytearray(data[start : start + 32])
    for _ in range(rng.randint(2, 8)):
        part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
    return _put(data, start, bytes(part))


def _value(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    """A byte, or what may be a number, at one of its limits."""
    width = min(rng.choice((1, 2, 4, 8)), len(data) - start)
    return _put(data, start, rng.choice((b"\0", b"\xff", b"\x7f", b"0", b"\n")) * width)


def _zeros(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    return _put(data, start, bytes(end - start))


def _zeros_to_the_end(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    """What a download that reserves the length first, and then stops, leaves."""
    return _put(data, start, bytes(len(data) - start))


def _overwrite(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    return _put(data, start, _part(rng, data, end - start))


def _noise(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    return _put(data, start, rng.randbytes(end - start))


def _cut(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    return Mutation(data[:start], "", start, len(data))


def _delete(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    return Mutation(data[:start] + data[end:], "", start, end)


def _insert(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    length = end - start
    filling = rng.choice((bytes(length), rng.randbytes(length), _part(rng, data, length)))
    return Mutation(data[:start] + filling + data[start:], "", start, start)


def _duplicate(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    return Mutation(data[:end] + data[start:end] + data[end:], "", end, end)


def _append(rng: random.Random, data: bytes, start: int, end: int) -> Mutation:
    filling = rng.choice((bytes(end - start), rng.randbytes(end - start), data))
    return Mutation(data + filling, "", len(data), len(data))


_KINDS: dict[str, Callable[[random.Random, bytes, int, int], Mutation]] = {
    "flip": flip,
    "flips": _flips,
    "value": _value,
    "zeros": _zeros,
    "zeros-to-the-end": _zeros_to_the_end,
    "overwrite": _overwrite,
    "noise": _noise,
    "cut": _cut,
    "delete": _delete,
    "insert": _insert,
    "duplicate": _duplicate,
    "append": _append,
}


def _range(rng: random.Random, size: int, block_bytes: int) -> tuple[int, int]:
    """A range within bytes of that size, most often short."""
    start = rng.randrange(size) // block_bytes * block_bytes
    length = int(2 ** rng.uniform(0, _LONGEST.bit_length() - 1))
    return start, min(size, start + -(-length // block_bytes) * block_bytes)


def _part(rng: random.Random, data: bytes, length: int) -> bytes:
    start = rng.randrange(max(1, len(data) - length + 1))
    return data[start : start + length]


def _put(data: bytes, start: int, part: bytes) -> Mutation:
    return Mutation(data[:start] + part + data[start + len(part) :], "", start, start + len(part))
