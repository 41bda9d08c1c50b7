"""Many small values as one element, for the shuffle.

Runners spend a fixed amount of memory and time on each element of a `GroupByKey`,
several times the hundred bytes of a reference. References of one shard resemble each
other, so packed together they also compress to a third.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import coders
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

MAX_BUFFERED_BYTES = 16 << 20
"""Encoded values that wait in a worker to be packed: some 130,000 references."""

_LEVEL = 1  # the fastest; higher levels save little on so few bytes

Keyed = tuple[bytes, Any]


class Packer:
    """Packs `(key, value)` pairs into bytes and back.

    Args:
        value_coder: Encodes the values.
    """

    def __init__(self, value_coder: coders.Coder) -> None:
        self._pair = coders.TupleCoder((coders.BytesCoder(), value_coder))
        self._many = coders.TupleSequenceCoder(coders.BytesCoder())

    def encode(self, pair: Keyed) -> bytes:
        """One pair, to be packed."""
        data: bytes = self._pair.encode(pair)
        return data

    def pack(self, encoded: Iterable[bytes]) -> bytes:
        """Encoded pairs as one string of bytes."""
        return zlib.compress(self._many.encode(tuple(encoded)), _LEVEL)

    def unpack(self, packed: bytes) -> Iterator[Keyed]:
        """The pairs, in the order in which they were packed."""
        for data in self._many.decode(zlib.decompress(packed)):
            yield self._pair.decode(data)


class PackFn(beam.DoFn):
    """Gathers what goes to the same shard: `(shard, (key, value))` → `(shard, packed)`."""

    def __init__(self, packer: Packer, max_buffered_bytes: int = MAX_BUFFERED_BYTES) -> None:
        self._packer = packer
        self._max_buffered_bytes = max_buffered_bytes

    def start_bundle(self) -> None:
        """Begins with empty buffers."""
        self._buffers: dict[int, list[bytes]] = {}
        self._buffered_bytes = 0

    def process(self, element: tuple[int, Keyed]) -> Iterator[tuple[int, bytes]]:
        """Buffers a pair; yields all buffers when they have become large."""
        shard, pair = element
        encoded = self._packer.encode(pair)
        self._buffers.setdefault(shard, []).append(encoded)
        self._buffered_bytes += len(encoded)
        if self._buffered_bytes >= self._max_buffered_bytes:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yields what is left."""
        window = GlobalWindow()
        for packed in self._flush():
            yield WindowedValue(packed, window.max_timestamp(), [window])

    def _flush(self) -> Iterator[tuple[int, bytes]]:
        buffers = self._buffers
        self.start_bundle()
        for shard, encoded in buffers.items():
            yield shard, self._packer.pack(encoded)
