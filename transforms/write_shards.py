"""Elements to shards: assigned, grouped, encoded in threads, written with receipts."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsSingleton
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.batches import Columns, in_global_window
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.encode_images import RecordEncoder
from imagenet_beam.transforms.labels.rule import CLASS_FIELDS, with_class
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.plan_shards import key_of
from imagenet_beam.transforms.records.shard_writer import ShardTarget
from imagenet_beam.transforms.records.shards import ShardLayout
from imagenet_beam.transforms.shuffle import (
    OUTCOMES,
    Assigned,
    EncodeImages,
    Keyed,
    PackFn,
    PooledFn,
    ShardAssigner,
    one_value,
)
from imagenet_beam.transforms.tally import tally

_PUBLISHED_AT_ONCE = 3
"""Shards of a bundle that go to the disk, or to a bucket, at once."""


@dataclass(eq=False)
class WriteShards(beam.PTransform):
    """Writes elements to their shards: PCollection[V] → PCollection[ShardReceipt].

    What `WriteToTFRecord` does once the layout is known, with what only a whole conversion
    needs: receipts, shards that are there already, threads.

    Args:
        target: Where the shards go.
        encode: The last step from element to record; run in threads.
        layout: The result of `PlanShards` over elements with the same names.
        seed: As for `PlanShards`.
        shuffle: As for `WriteToTFRecord`.
        done_shards: Numbers of shards that are there already and not written again.
        threads: Elements encoded at once by a worker; 0 is the number of cores.
        read_threads: Elements fetched at once by a worker; 0 fetches in the
            encoding threads.
        labels: Where values are `LabeledImage`s, the labels that they were joined with:
            the words of classes then do not travel with each image.
        values_of: The values that an element brings along: by default, it is one.
        value_type: What these are; by default, what the elements are.

    Raises:
        TypeError: If only `values_of` is given.
    """

    target: ShardTarget
    encode: RecordEncoder[Any]
    layout: beam.PCollection[ShardLayout]
    seed: int = 0
    shuffle: str = "references"
    done_shards: frozenset[int] = frozenset()
    threads: int = 0
    read_threads: int = 0
    labels: beam.PCollection[Labels] | None = None
    values_of: Callable[[Any], Iterable[Any]] = one_value
    value_type: Any = None

    def __post_init__(self) -> None:
        if self.values_of is not one_value and self.value_type is None:
            raise TypeError("values_of needs value_type: the coder of the values follows from it")

    def expand(self, elements: beam.PCollection[Any]) -> beam.PCollection[ShardReceipt]:
        """Assigns, groups and writes, with references packed or images encoded in between."""
        pool = (self.encode, self.threads, self.read_threads)
        assigner = ShardAssigner(self.encode, self.seed, self.done_shards, self.values_of)
        assign: beam.DoFn = _AssignShardFn(assigner)
        value_type: Any = self.value_type or elements.element_type
        assigned_type: Any = tuple[int, tuple[bytes, value_type]]  # (shard, (key, value))
        write: beam.DoFn = _WriteShardFn(self.target, *pool)
        sides = [AsSingleton(self.layout)]
        if self.shuffle == "images":
            write = _WriteEncodedFn(self.target)
        elif self.encode.packed_type is not None:
            columns = Columns(self.encode.packed_type, CLASS_FIELDS if self.labels else ())
            assign, assigned_type = PackFn(assigner, columns), tuple[int, bytes]
            sides += [AsSingleton(self.labels)] if self.labels else []
            write = _WritePackedFn(self.target, columns, self.seed, *pool)
        assigned = elements | "AssignShards" >> beam.ParDo(
            assign, AsSingleton(self.layout)
        ).with_output_types(assigned_type)
        if self.shuffle == "images":
            assigned = assigned | "EncodeImages" >> EncodeImages(*pool)
        return (
            assigned
            | "GroupByShard" >> beam.GroupByKey()
            | "WriteShards" >> beam.ParDo(write, *sides).with_output_types(ShardReceipt)
        )


class _AssignShardFn(beam.DoFn):
    """Tells each value its shard."""

    def __init__(self, assigner: ShardAssigner) -> None:
        self._assigner = assigner

    def start_bundle(self) -> None:
        tally.assigning()

    def process(self, element: Any, layout: ShardLayout) -> Iterator[Assigned[Any]]:
        return self._assigner.assigned(element, layout)


class _WriteShardFn(PooledFn):
    """Encodes each group of values and writes it as one shard.

    While the last values of a shard are encoded, and while it goes to the disk, those of the
    next one are begun: two shards at most are under way. Where values are short, they are encoded
    and written in this thread, as others would only take turns with it, and up to three shards
    before that one go to the disk. A bundle has ended, or failed, when all of them have.
    """

    _writers: ThreadPoolExecutor | None = None

    def __init__(self, target: ShardTarget, *pool: Any) -> None:
        super().__init__(*pool)
        self._target = target

    def start_bundle(self) -> None:
        self._begun: collections.deque[Future[ShardReceipt]] = collections.deque()
        self._writers = self._writers or ThreadPoolExecutor(
            _PUBLISHED_AT_ONCE, thread_name_prefix="write"
        )

    def process(
        self, group: tuple[int, Iterable[Any]], layout: ShardLayout, labels: Labels | None = None
    ) -> Iterator[ShardReceipt]:
        assert self._writers is not None  # noqa: S101 - start_bundle() ran
        try:
            shard, values = group
            keyed = list(
                self.keyed(values, labels)
            )  # which a runner may not give to another thread
            target = self._target.laid_out(layout)
            if self.are_short:
                most = _PUBLISHED_AT_ONCE
                filled = target.fill(shard, keyed, self.encode)
                begun = self._writers.submit(target.publish, filled)
            else:
                most = 1
                begun = self._writers.submit(target.write, shard, keyed, self.encode)
            self._begun.append(begun)
            while len(self._begun) > most:
                yield _counted(self._begun.popleft().result())
        except BaseException:
            wait(self._begun)
            raise

    def finish_bundle(self) -> Iterator[WindowedValue]:
        try:
            while self._begun:
                yield from in_global_window([_counted(self._begun.popleft().result())])
        finally:
            wait(self._begun)

    def teardown(self) -> None:
        super().teardown()
        if self._writers is not None:
            self._writers.shutdown()
            self._writers = None

    def keyed(self, values: Iterable[Any], labels: Labels | None) -> Iterable[Keyed[Any]]:
        """The values with their keys."""
        return values


class _WritePackedFn(_WriteShardFn):
    """The same with what `PackFn` has packed."""

    def __init__(self, target: ShardTarget, columns: Columns, seed: int, *pool: Any) -> None:
        super().__init__(target, *pool)
        self._columns = columns
        self._seed = seed

    def keyed(self, values: Iterable[bytes], labels: Labels | None) -> Iterator[Keyed[Any]]:
        for packed in values:
            for value in self._columns.decode(packed):
                value = with_class(value, labels) if labels else value
                yield key_of(value, self._encoder, self._seed), value


class _WriteEncodedFn(beam.DoFn):
    """Writes each group of what `EncodeImages` made as one shard."""

    def __init__(self, target: ShardTarget) -> None:
        self._target = target

    def process(
        self, group: tuple[int, Iterable[Any]], layout: ShardLayout
    ) -> Iterator[ShardReceipt]:
        target = self._target.laid_out(layout)
        yield _counted(target.write(*group, lambda data: map(OUTCOMES.decode, data)))


def _counted(receipt: ShardReceipt) -> ShardReceipt:
    """Adds a shard to Beam's counters."""
    counts = {
        "in-images": receipt.images,
        "out-records": receipt.records,
        "out-rejects": len(receipt.rejects),
        "out-bytes": receipt.size_bytes,
        "out-shards": 1,
    }
    for name, count in counts.items():
        Metrics.counter("WriteToTFRecord", name).inc(count)
    return receipt
