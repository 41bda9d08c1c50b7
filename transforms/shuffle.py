"""What travels through the shuffle of `WriteToTFRecord`: packed references, or encoded records.

Runners spend a fixed amount of memory and time on each element of a `GroupByKey`,
several times the hundred bytes of a reference. References of one shard resemble each
other, so packed together they also compress to a third. Sources that are slow, or cannot
be read, in random order are encoded before the shuffle instead.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam import coders
from apache_beam.transforms.userstate import BagStateSpec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.coders import ElementCoder
from imagenet_beam.transforms.elements import LabeledImage, Record, Reject
from imagenet_beam.transforms.encode_images import RecordEncoder
from imagenet_beam.transforms.threads.ordered import OrderedPool

V = TypeVar("V")
Keyed = tuple[bytes, V]
"""A value with its place in its shard."""

Assigned = tuple[int, Keyed[V]]
"""A shard's number, and what goes into it."""

OUTCOMES = ElementCoder(Record | Reject)

CHUNK_BYTES = 16 << 20
"""Neighbours in an archive that are encoded together."""

MAX_PACKED_BYTES = 16 << 20
"""Encoded values that wait in a worker to be packed: some 130,000 references."""

_BUFFERED_BYTES = 16 << 20
_BUFFERED_VALUES = 256
_LEVEL = 1  # of zlib, the fastest; higher levels save little on so few bytes


class Packer:
    """Packs `(key, value)` pairs into bytes and back."""

    def __init__(self, value_coder: coders.Coder) -> None:
        self._pair = coders.TupleCoder((coders.BytesCoder(), value_coder))
        self._many = coders.TupleSequenceCoder(coders.BytesCoder())

    def encode(self, pair: Keyed[Any]) -> bytes:
        """One pair, to be packed."""
        data: bytes = self._pair.encode(pair)
        return data

    def pack(self, encoded: Iterable[bytes]) -> bytes:
        """Encoded pairs as one string of bytes."""
        return zlib.compress(self._many.encode(tuple(encoded)), _LEVEL)

    def unpack(self, packed: bytes) -> Iterator[Keyed[Any]]:
        """The pairs, in the order in which they were packed."""
        for data in self._many.decode(zlib.decompress(packed)):
            yield self._pair.decode(data)


class PackFn(beam.DoFn):
    """Gathers what goes to the same shard: `(shard, (key, value))` → `(shard, packed)`."""

    def __init__(self, packer: Packer, max_buffered_bytes: int = MAX_PACKED_BYTES) -> None:
        self._packer = packer
        self._max_buffered_bytes = max_buffered_bytes

    def start_bundle(self) -> None:
        """Starts with empty buffers."""
        self._buffers: dict[int, list[bytes]] = {}
        self._buffered_bytes = 0

    def process(self, element: Assigned[Any]) -> Iterator[tuple[int, bytes]]:
        """Buffers a pair; yields all buffers when they have become large."""
        shard, pair = element
        encoded = self._packer.encode(pair)
        self._buffers.setdefault(shard, []).append(encoded)
        self._buffered_bytes += len(encoded)
        if self._buffered_bytes >= self._max_buffered_bytes:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yields what is left."""
        yield from _in_global_window(self._flush())

    def _flush(self) -> Iterator[tuple[int, bytes]]:
        buffers = self._buffers
        self.start_bundle()
        for shard, encoded in buffers.items():
            yield shard, self._packer.pack(encoded)


@dataclass(eq=False)
class EncodeImages(beam.PTransform):
    """Encodes values chunk by chunk: PCollection[Assigned[V]] → PCollection[Assigned[bytes]].

    The bytes are those of `OUTCOMES`.

    Flink keeps all that a bundle yields on a TaskManager's heap until the bundle has
    ended, and makes one bundle of everything that a subtask has to do. Only for a
    DoFn with state it makes one bundle a key; so this one has a state, which it does
    not use, and keys that stand for 16 MiB of an archive each.

    Args are those of `PooledFn`.
    """

    encoder: RecordEncoder[Any]
    threads: int
    read_threads: int

    def expand(self, pcoll: beam.PCollection[Assigned[V]]) -> beam.PCollection[Assigned[bytes]]:
        """Brings neighbours together, then encodes."""
        encode = _EncodeFn(self.encoder, self.threads, self.read_threads)
        return (
            pcoll
            | "Chunk"
            >> beam.Map(lambda assigned: (chunk_of(assigned), assigned)).with_output_types(
                tuple[bytes, pcoll.element_type]
            )
            | "Encode" >> beam.ParDo(encode).with_output_types(tuple[int, tuple[bytes, bytes]])
        )


def chunk_of(assigned: Assigned[Any]) -> bytes:
    """A name for a value and its neighbours: in the archive, so that reads stay in order.

    It depends on the value alone, since a runner may do a step again after a loss.
    Values that lie in no archive make 256 chunks: nothing is known of their sizes.
    """
    key, value = assigned[1]
    if isinstance(value, LabeledImage):
        return f"{value.ref.archive}\n{value.ref.offset_bytes // CHUNK_BYTES}".encode()
    return key[:1]


class PooledFn(beam.DoFn):
    """A DoFn that encodes values in threads, which live as long as it does.

    Args:
        encoder: Makes the records.
        threads: Values encoded at once by a worker; 0 is the number of cores.
        read_threads: Values fetched at once by a worker; 0 fetches in the encoding
            threads.
    """

    def __init__(self, encoder: RecordEncoder[Any], threads: int, read_threads: int) -> None:
        self._encoder = encoder
        self._threads = threads
        self._read_threads = read_threads
        self._pool: OrderedPool[Any, bytes, Record | Reject] | None = None

    def setup(self) -> None:
        """Checks the worker, starts the threads."""
        self._encoder.check()
        self._pool = OrderedPool(
            self._encoder.load,
            self._encoder.finish,
            self._encoder.size_bytes,
            self._threads or os.cpu_count() or 1,  # of the worker, not of the launcher
            self._read_threads,
        )

    def encode(self, values: Iterable[Any]) -> Iterator[Record | Reject]:
        """One outcome of each value, in their order."""
        assert self._pool is not None  # noqa: S101 - setup() ran
        return self._pool.map(values)

    def teardown(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class _EncodeFn(PooledFn):
    """Encodes values before they are grouped, a bufferful at a time."""

    _unused = BagStateSpec("unused", coders.VarIntCoder())

    def start_bundle(self) -> None:
        self._buffer: list[Assigned[Any]] = []
        self._buffered_bytes = 0

    def process(
        self,
        element: tuple[bytes, Assigned[Any]],
        unused: Any = beam.DoFn.StateParam(_unused),  # noqa: B008 - Beam's way to ask
    ) -> Iterator[Assigned[bytes]]:
        assigned = element[1]
        self._buffer.append(assigned)
        self._buffered_bytes += self._encoder.size_bytes(assigned[1][1])
        if self._buffered_bytes >= _BUFFERED_BYTES or len(self._buffer) >= _BUFFERED_VALUES:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from _in_global_window(self._flush())

    def _flush(self) -> Iterator[Assigned[bytes]]:
        buffer = self._buffer
        self.start_bundle()
        outcomes = self.encode(value for _, (_, value) in buffer)
        for (shard, (key, _)), outcome in zip(buffer, outcomes, strict=True):
            yield shard, (key, OUTCOMES.encode(outcome))


def _in_global_window(values: Iterable[Any]) -> Iterator[WindowedValue]:
    window = GlobalWindow()
    return (WindowedValue(value, window.max_timestamp(), [window]) for value in values)
