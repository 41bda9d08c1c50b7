"""What travels through the shuffle of `WriteToTFRecord`: packed references, or encoded records.

Runners spend a fixed amount of memory and time on each element of a `GroupByKey`,
several times the hundred bytes of a reference. References of one shard resemble each
other, so packed together they also compress to a sixth. Sources that are slow, or cannot
be read, in random order are encoded before the shuffle instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam import coders
from apache_beam.transforms.userstate import BagStateSpec
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.batches import Columns, in_global_window
from imagenet_beam.transforms.coders import ElementCoder
from imagenet_beam.transforms.elements import LabeledImage, Record, Reject
from imagenet_beam.transforms.encode_images import RecordEncoder
from imagenet_beam.transforms.plan_shards import check_unique, key_of
from imagenet_beam.transforms.records.shards import ShardLayout
from imagenet_beam.transforms.tally import tally
from imagenet_beam.transforms.threads.ordered import OrderedPool

V = TypeVar("V")
Keyed = tuple[bytes, V]
"""A value with its place in its shard."""

Assigned = tuple[int, Keyed[V]]
"""A shard's number, and what goes into it."""

OUTCOMES = ElementCoder(Record | Reject)

CHUNK_BYTES = 16 << 20
"""Neighbours in an archive that are encoded together."""

MAX_PACKED_VALUES = 1 << 16
"""References that wait in a worker to be packed: some 20 MB of them."""

_BUFFERED_BYTES = 16 << 20
_BUFFERED_VALUES = 256


def one_value(element: V) -> Iterable[V]:
    """The values of an element that is one."""
    return (element,)


@dataclass(frozen=True)
class ShardAssigner:
    """Tells values their shards; those of shards that are done are left out.

    Attributes:
        encoder: Knows the values' names.
        seed: As for `PlanShards`.
        done: Numbers of shards that are there already.
        values_of: The values that an element brings along.
    """

    encoder: RecordEncoder[Any]
    seed: int = 0
    done: frozenset[int] = frozenset()
    values_of: Callable[[Any], Iterable[Any]] = one_value

    def assigned(self, element: Any, layout: ShardLayout) -> Iterator[Assigned[Any]]:
        """The shard of each value, with its place there; `InputError` as by `check_unique`."""
        for value in self.values_of(element):
            key = key_of(value, self.encoder, self.seed)
            check_unique(value, key, layout, self.encoder)
            shard = layout.shard_of(key)
            if shard not in self.done:
                yield shard, (key, value)


class PackFn(beam.DoFn):
    """Gathers what goes to the same shard: elements → `(shard, packed)`.

    Keys are left out, as whoever has the value can compute its key.
    """

    def __init__(
        self, assigner: ShardAssigner, columns: Columns, max_values: int = MAX_PACKED_VALUES
    ) -> None:
        self._assigner = assigner
        self._columns = columns
        self._max_values = max_values

    def start_bundle(self) -> None:
        """Starts with empty buffers."""
        tally.assigning()
        self._empty()

    def _empty(self) -> None:
        self._buffers: dict[int, list[Any]] = {}
        self._buffered = 0

    def process(self, element: Any, layout: ShardLayout) -> Iterator[tuple[int, bytes]]:
        """Buffers the values; yields all buffers when they have become many."""
        for shard, (_, value) in self._assigner.assigned(element, layout):
            self._buffers.setdefault(shard, []).append(value)
            self._buffered += 1
            if self._buffered >= self._max_values:
                yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yields what is left."""
        yield from in_global_window(self._flush())

    def _flush(self) -> Iterator[tuple[int, bytes]]:
        buffers = self._buffers
        self._empty()
        for shard, values in buffers.items():
            yield shard, self._columns.encode(values)


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

    @property
    def are_short(self) -> bool:
        """Whether `encode` works, as of now, in the thread that asks for the outcomes."""
        return self._pool is not None and self._pool.are_short

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
        yield from in_global_window(self._flush())

    def _flush(self) -> Iterator[Assigned[bytes]]:
        buffer = self._buffer
        self.start_bundle()
        tally.encoded += len(buffer)
        outcomes = self.encode(value for _, (_, value) in buffer)
        for (shard, (key, _)), outcome in zip(buffer, outcomes, strict=True):
            yield shard, (key, OUTCOMES.encode(outcome))
