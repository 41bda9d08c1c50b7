"""Sharded TFRecords whose bytes do not depend on the runner."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsSingleton
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.batches import Columns, in_global_window
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.encode_images import ExampleEncoder, RecordEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.rule import with_class, without_class
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.shard_writer import ShardTarget
from imagenet_beam.transforms.records.shards import (
    SHUFFLES,
    ShardLayout,
    cut_shards,
    fingerprint,
    shard_path_format,
)
from imagenet_beam.transforms.shuffle import (
    OUTCOMES,
    Assigned,
    EncodeImages,
    Keyed,
    PackFn,
    PooledFn,
)
from imagenet_beam.transforms.storage.files import Storage

V = TypeVar("V")

_COMPRESSION = {
    CompressionTypes.UNCOMPRESSED: "none",
    CompressionTypes.GZIP: "gzip",
    CompressionTypes.DEFLATE: "zlib",
}


class WriteToTFRecord(beam.io.WriteToTFRecord):
    """Writes elements to sharded TFRecord files, in one order on every runner.

    It takes the arguments of Beam's own transform and names files in the same way.
    It differs in what is promised:

    * Which record is where depends on the records' names and the seed alone, so the
      files are the same, byte for byte, on every runner.
    * Shards differ by at most one value in length.
    * A shard is published in one step as soon as it is complete. A job that fails
      leaves whole shards behind, and nothing else.
    * The result is a PCollection of `ShardReceipt`, one for each shard written.

    Elements are `(name, value)` pairs with unique names, values being bytes or
    `Record`s; or any elements that `encode` has a name for, such as
    `LabeledImage`s with an `ImageEncoder`; or, as for Beam's, plain elements for
    the coder, which are then placed by a fingerprint of their content.

    Args:
        file_path_prefix: Path that the shards' names start with.
        coder: Encodes plain elements; ignored with `encode`.
        file_name_suffix: What the shards' names end with.
        num_shards: How many shards there are; 0 makes one.
        shard_name_template: As for Beam's transform.
        compression_type: AUTO, UNCOMPRESSED, GZIP or DEFLATE.
        encode: The last step from element to record; run in threads.
        seed: Another seed gives another order and other shards.
        shuffle: `references` groups the elements and encodes them while their shard
            is written, which moves and holds little; `images` encodes first and
            groups the records, for sources that cannot be read in any order.
        storage: How to reach the output.
    """

    def __init__(
        self,
        file_path_prefix: str,
        coder: coders.Coder = coders.BytesCoder(),  # noqa: B008 - Beam's own signature
        file_name_suffix: str = "",
        num_shards: int = 0,
        shard_name_template: str | None = None,
        compression_type: str = CompressionTypes.AUTO,
        *,
        encode: RecordEncoder[Any] | None = None,
        seed: int = 0,
        shuffle: str = "references",
        storage: Storage | None = None,
    ) -> None:
        super().__init__(
            file_path_prefix,
            coder,
            file_name_suffix,
            num_shards,
            shard_name_template,
            compression_type,
        )
        if shuffle not in SHUFFLES:
            raise ValueError(f"shuffle={shuffle!r} is not known; accepted are {SHUFFLES}")
        if compression_type == CompressionTypes.AUTO:
            path = file_path_prefix + file_name_suffix
            compression_type = CompressionTypes.detect_compression_type(path)
        if compression_type not in _COMPRESSION:
            raise ValueError(
                f"compression_type={compression_type!r} is not what TFRecord readers take; "
                f"accepted are {sorted(_COMPRESSION)}"
            )
        self._prefix = file_path_prefix
        self._encoder = encode or ExampleEncoder(coder)
        self._seed = seed
        self._shuffle = shuffle
        self._target = ShardTarget(
            shard_path_format(file_path_prefix, file_name_suffix, self._sink.shard_name_format),
            num_shards=1 if shard_name_template == "" else max(1, num_shards),
            storage=storage or Storage(),
            compression=_COMPRESSION[compression_type],
        )

    def expand(self, pcoll: beam.PCollection[V]) -> beam.PCollection[ShardReceipt]:
        """Lays out the shards, groups the elements by shard, writes."""
        if not pcoll.is_bounded:
            raise ValueError("WriteToTFRecord needs a bounded PCollection: it sorts within shards")
        windows = pcoll.windowing.windowfn
        if not isinstance(windows, GlobalWindows):
            raise ValueError(
                f"WriteToTFRecord writes each shard once, and {type(windows).__name__} would "
                "divide it; put beam.WindowInto(beam.window.GlobalWindows()) before it"
            )
        encoder, seed, target = self._encoder, self._seed, self._target
        layout = (
            pcoll
            | "PlanShards" >> PlanShards(target.num_shards, encoder, seed)
            | "CheckPlan"
            >> beam.Map(check_layout, self._prefix, encoder.noun).with_output_types(ShardLayout)
        )
        return pcoll | "WriteShards" >> WriteShards(target, encoder, layout, seed, self._shuffle)


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
        labels: Where elements are `LabeledImage`s, the labels that they were joined with:
            the words of classes then do not travel with each image.
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

    def expand(self, values: beam.PCollection[V]) -> beam.PCollection[ShardReceipt]:
        """Assigns, groups and writes, with references packed or images encoded in between."""
        pool = (self.encode, self.threads, self.read_threads)
        value_type = values.element_type
        assign = _AssignShardFn(self.encode, self.seed, self.done_shards)
        assigned = (  # (shard, (key, value))
            values
            | "AssignShards"
            >> beam.ParDo(assign, AsSingleton(self.layout)).with_output_types(
                tuple[int, tuple[bytes, value_type]]  # type: ignore[valid-type]
            )
        )
        write: beam.DoFn = _WriteShardFn(self.target, *pool)
        sides: list[AsSingleton] = []
        if self.shuffle == "images":
            assigned = assigned | "EncodeImages" >> EncodeImages(*pool)
            write = _WriteEncodedFn(self.target)
        elif self.encode.packed_type is not None:
            columns = Columns(self.encode.packed_type)
            pack = PackFn(columns, without_class if self.labels else None)
            sides = [AsSingleton(self.labels)] if self.labels else []
            assigned = assigned | "PackReferences" >> beam.ParDo(pack).with_output_types(
                tuple[int, bytes]
            )
            write = _WritePackedFn(self.target, columns, self.seed, *pool)
        return (
            assigned
            | "GroupByShard" >> beam.GroupByKey()
            | "WriteShards" >> beam.ParDo(write, *sides).with_output_types(ShardReceipt)
        )


@dataclass(eq=False)
class PlanShards(beam.PTransform):
    """Decides which element goes to which shard: one `ShardLayout`.

    `encode` knows the elements' names; another seed gives another order.
    """

    num_shards: int
    encode: RecordEncoder[Any]
    seed: int = 0

    def expand(self, pcoll: beam.PCollection[V]) -> beam.PCollection[ShardLayout]:
        """Gathers 16 bytes an element in one place and sorts them."""
        keys = pcoll | "Fingerprint" >> beam.Map(key_of, self.encode, self.seed).with_output_types(
            bytes
        )
        return keys | "CutShards" >> CutShards(self.num_shards)


def CutShards(num_shards: int) -> beam.PTransform:
    """From keys, one or more an element, to the shards that they are cut into."""
    return beam.CombineGlobally(_CutShardsFn(num_shards)).with_output_types(ShardLayout)


class _CutShardsFn(beam.CombineFn):
    """Gathers all keys, 16 bytes each, and cuts them into shards."""

    def __init__(self, num_shards: int) -> None:
        self._num_shards = num_shards

    def create_accumulator(self) -> bytes | bytearray:
        return bytearray()

    def add_input(self, packed: bytes | bytearray, key: bytes) -> bytes | bytearray:
        if isinstance(packed, bytes):
            packed = bytearray(packed)
        packed += key
        return packed

    def merge_accumulators(self, parts: Iterable[bytes | bytearray]) -> bytes | bytearray:
        return b"".join(parts)

    def compact(self, packed: bytes | bytearray) -> bytes:
        return bytes(packed)

    def extract_output(self, packed: bytes | bytearray) -> ShardLayout:
        return cut_shards(bytes(packed), self._num_shards)


def key_of(value: Any, encoder: RecordEncoder[Any], seed: int) -> bytes:
    """A value's place: by its name, or by its content where it has none."""
    name = encoder.name(value)
    if name:
        return fingerprint(name, seed)
    outcome = encoder.finish(value, encoder.load(value))
    return fingerprint(repr(outcome), seed)


def check_layout(layout: ShardLayout, prefix: str, noun: str) -> ShardLayout:
    """Gives the layout back if every shard has something in it.

    Raises:
        InputError: If a shard would be empty.
    """
    total = sum(layout.counts)
    if total < layout.num_shards:
        raise InputError(
            f"{total:,} {noun} are too few for {layout.num_shards:,} shards of {prefix}: "
            "some would be empty; ask for fewer shards"
        )
    if not all(layout.counts):
        raise InputError(
            f"some of the {layout.num_shards:,} shards of {prefix} would be empty, because many of "
            f"the {total:,} {noun} are equal and equal ones go to the same shard; give "
            "(name, value) pairs with unique names"
        )
    return layout


class _AssignShardFn(beam.DoFn):
    """Tells each value its shard; values of shards that are done are left out."""

    def __init__(self, encoder: RecordEncoder[Any], seed: int, done: frozenset[int]) -> None:
        self._encoder = encoder
        self._seed = seed
        self._done = done

    def process(self, value: Any, layout: ShardLayout) -> Iterator[Assigned[Any]]:
        key = key_of(value, self._encoder, self._seed)
        if key in layout.duplicates and (name := self._encoder.name(value)):
            raise InputError(
                f"two {self._encoder.noun} are called {name}: names must be unique in a split; "
                "remove one of them"
            )
        shard = layout.shard_of(key)
        if shard not in self._done:
            yield shard, (key, value)


class _WriteShardFn(PooledFn):
    """Encodes each group of values and writes it as one shard.

    While the last values of a shard are encoded, and while it goes to the disk, those of the
    next one are begun: two shards at most are under way. A bundle has ended, or failed, when
    both of them have.
    """

    _writers: ThreadPoolExecutor | None = None

    def __init__(self, target: ShardTarget, *pool: Any) -> None:
        super().__init__(*pool)
        self._target = target

    def start_bundle(self) -> None:
        self._begun: collections.deque[Future[ShardReceipt]] = collections.deque()
        self._writers = self._writers or ThreadPoolExecutor(2, thread_name_prefix="write")

    def process(
        self, group: tuple[int, Iterable[Any]], labels: Labels | None = None
    ) -> Iterator[ShardReceipt]:
        assert self._writers is not None  # noqa: S101 - start_bundle() ran
        try:
            shard, values = group
            keyed = list(
                self.keyed(values, labels)
            )  # which a runner may not give to another thread
            self._begun.append(self._writers.submit(self._target.write, shard, keyed, self.encode))
            while len(self._begun) > 1:
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

    def process(self, group: tuple[int, Iterable[Any]]) -> Iterator[ShardReceipt]:
        yield _counted(self._target.write(*group, lambda data: map(OUTCOMES.decode, data)))


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
