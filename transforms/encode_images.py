"""Encoding before grouping: for sources that are slow, or cannot be read, in random order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

import apache_beam as beam
from apache_beam import coders
from apache_beam.transforms.userstate import BagStateSpec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.coders import OutcomeCoder
from imagenet_beam.transforms.elements import LabeledImage, Record, Reject
from imagenet_beam.transforms.encoders import RecordEncoder
from imagenet_beam.transforms.image_steps import ImageBytes
from imagenet_beam.transforms.threads.ordered import OrderedPool

V = TypeVar("V")

CHUNK_BYTES = 16 << 20
"""Neighbours in an archive that are encoded together."""

_BUFFERED_BYTES = 16 << 20
_BUFFERED_VALUES = 256

Assigned = tuple[int, tuple[bytes, V]]
"""A shard's number, and a value with its place in that shard."""


class EncodeImages(beam.PTransform):
    """Encodes values chunk by chunk: PCollection[Assigned[V]] → PCollection[Assigned[bytes]].

    Flink keeps all that a bundle yields on a TaskManager's heap until the bundle has
    ended, and makes one bundle of everything that a subtask has to do. Only for a
    DoFn with state it makes one bundle a key; so this one has a state, which it does
    not use, and keys that stand for 16 MiB of an archive each.

    Args:
        encoder: Makes the records.
        threads: Values encoded at once by a worker.
        read_threads: Values fetched at once by a worker; 0 fetches in the encoding
            threads.
    """

    def __init__(self, encoder: RecordEncoder[Any], threads: int, read_threads: int) -> None:
        super().__init__()
        self._fn = _EncodeFn(encoder, threads, read_threads)

    def expand(self, pcoll: beam.PCollection[Assigned[V]]) -> beam.PCollection[Assigned[bytes]]:
        """Brings neighbours together, then encodes."""
        return (
            pcoll
            | "Chunk"
            >> beam.Map(lambda assigned: (chunk_of(assigned), assigned)).with_output_types(
                tuple[bytes, pcoll.element_type]
            )
            | "Encode" >> beam.ParDo(self._fn).with_output_types(tuple[int, tuple[bytes, bytes]])
        )


def chunk_of(assigned: Assigned[Any]) -> bytes:
    """A name for a value and its neighbours: in the archive, so that reads stay in order.

    It depends on the value alone, since a runner may do a step again after a loss.
    Values that lie in no archive make 256 chunks: nothing is known of their sizes.
    """
    key, value = assigned[1]
    image = value.image if isinstance(value, ImageBytes) else value
    if isinstance(image, LabeledImage):
        ref = image.ref
        return f"{ref.archive}\n{ref.offset_bytes // CHUNK_BYTES}".encode()
    return key[:1]


class PooledFn(beam.DoFn):
    """A DoFn with threads that live as long as it does."""

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

    def teardown(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class _EncodeFn(PooledFn):
    """Encodes values before they are grouped, a bufferful at a time."""

    _coder = OutcomeCoder()
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
        window = GlobalWindow()
        for encoded in self._flush():
            yield WindowedValue(encoded, window.max_timestamp(), [window])

    def _flush(self) -> Iterator[Assigned[bytes]]:
        assert self._pool is not None  # noqa: S101 - setup() ran
        buffer = self._buffer
        self.start_bundle()
        outcomes = self._pool.map(value for _, (_, value) in buffer)
        for (shard, (key, _)), outcome in zip(buffer, outcomes, strict=True):
            yield shard, (key, self._coder.encode(outcome))


class EncodedEncoder:
    """Takes back what `EncodeImages` encoded."""

    _coder = OutcomeCoder()

    takes_references: ClassVar[bool] = False

    def check(self) -> None:
        """Nothing to check."""

    def name(self, value: bytes) -> str:
        """Encoded values have no name."""
        return ""

    def size_bytes(self, value: bytes) -> int:
        """The value's own length."""
        return len(value)

    def load(self, value: bytes) -> bytes:
        """The value itself."""
        return value

    def finish(self, value: bytes, data: bytes) -> Record | Reject:
        """The record or reject that was encoded."""
        return self._coder.decode(data)
