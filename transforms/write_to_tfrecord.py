"""Sharded TFRecords whose bytes do not depend on the runner."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsSingleton
from apache_beam.transforms.window import GlobalWindows

from imagenet_beam.transforms.encode_images import EncodedEncoder, EncodeImages, PooledFn
from imagenet_beam.transforms.encoders import ExampleEncoder, RecordEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.packing import Packer, PackFn
from imagenet_beam.transforms.records.receipts import ShardReceipt
from imagenet_beam.transforms.records.shard_writer import ShardTarget
from imagenet_beam.transforms.records.shards import SHUFFLES, ShardPlan, fingerprint, plan_shards
from imagenet_beam.transforms.storage.files import FileStat, Storage

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
        receipts_dir: Where a receipt of each shard is kept, for resuming.
        plan: Fingerprint of all that decides the bytes; kept in the receipts.
        done_shards: Numbers of shards that are there already and not written again.
        made_from: The state of the files that the elements are read from; once one of
            them has changed, no shard is published any more.
        shard_plan: The result of `PlanShards` over elements with the same names, for
            elements that are too large to be looked at twice.
        threads: Elements encoded at once by a worker; 0 is the number of cores.
        read_threads: Elements fetched at once by a worker; 0 fetches in the
            encoding threads.
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
        receipts_dir: str = "",
        plan: str = "",
        done_shards: frozenset[int] = frozenset(),
        made_from: tuple[FileStat, ...] = (),
        shard_plan: beam.PCollection[ShardPlan] | None = None,
        threads: int = 0,
        read_threads: int = 0,
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
        self._num_shards = 1 if shard_name_template == "" else max(1, num_shards)
        self._prefix = file_path_prefix
        self._encoder = encode or ExampleEncoder(coder)
        self._noun = "images" if encode else "records"
        self._seed = seed
        self._shuffle = shuffle
        self._done_shards = done_shards
        self._plan = shard_plan
        self._threads = (threads, read_threads)
        self._target: ShardTarget[Any] = ShardTarget(
            path_format=self._path_format(file_path_prefix, file_name_suffix),
            num_shards=self._num_shards,
            storage=storage or Storage(),
            receipts_dir=receipts_dir,
            plan=plan,
            compression=_compression(file_path_prefix + file_name_suffix, compression_type),
            made_from=made_from,
        )

    def _path_format(self, prefix: str, suffix: str) -> str:
        template: str = self._sink.shard_name_format
        return prefix.replace("%", "%%") + template + suffix.replace("%", "%%")

    def expand(self, pcoll: beam.PCollection[V]) -> beam.PCollection[ShardReceipt]:
        """Plans the shards, groups the elements by shard, writes."""
        if not pcoll.is_bounded:
            raise ValueError("WriteToTFRecord needs a bounded PCollection: it sorts within shards")
        _check_windows(pcoll)
        plan = self._plan
        if plan is None:
            plan = (
                pcoll
                | "PlanShards" >> PlanShards(self._num_shards, self._encoder, self._seed)
                | "CheckPlan"
                >> beam.Map(check_plan, self._prefix, self._noun).with_output_types(ShardPlan)
            )
        value_type = pcoll.element_type
        assigned = (  # (shard, (key, value))
            pcoll
            | "AssignShards"
            >> beam.ParDo(
                _AssignShardFn(self._encoder, self._seed, self._done_shards, self._noun),
                AsSingleton(plan),
            ).with_output_types(tuple[int, tuple[bytes, value_type]])  # type: ignore[valid-type]
        )
        encoder = self._encoder
        if self._shuffle == "images":
            assigned = assigned | "EncodeImages" >> EncodeImages(encoder, *self._threads)
            encoder = EncodedEncoder()
        packer = None
        if encoder.takes_references:
            packer = Packer(coders.registry.get_coder(value_type))
            assigned = assigned | "PackReferences" >> beam.ParDo(PackFn(packer)).with_output_types(
                tuple[int, bytes]
            )
        write = _WriteShardFn(self._target, encoder, packer, *self._threads)
        return (
            assigned
            | "GroupByShard" >> beam.GroupByKey()
            | "WriteShards" >> beam.ParDo(write).with_output_types(ShardReceipt)
        )


class PlanShards(beam.PTransform):
    """Decides which element goes to which shard: one `ShardPlan`.

    Args:
        num_shards: How many shards there are.
        encode: Knows the elements' names.
        seed: Another seed gives another order.
    """

    def __init__(self, num_shards: int, encode: RecordEncoder[Any], seed: int = 0) -> None:
        super().__init__()
        self._encoder = encode
        self._seed = seed
        self._combine = _PlanShardsFn(num_shards)

    def expand(self, pcoll: beam.PCollection[V]) -> beam.PCollection[ShardPlan]:
        """Gathers 16 bytes an element in one place and sorts them."""
        return (
            pcoll
            | "Fingerprint" >> beam.Map(key_of, self._encoder, self._seed).with_output_types(bytes)
            | "CutShards" >> beam.CombineGlobally(self._combine).with_output_types(ShardPlan)
        )


def key_of(value: Any, encoder: RecordEncoder[Any], seed: int) -> bytes:
    """A value's place: by its name, or by its content where it has none."""
    name = encoder.name(value)
    if name:
        return fingerprint(name, seed)
    outcome = encoder.finish(value, encoder.load(value))
    return fingerprint(repr(outcome), seed)


def check_plan(plan: ShardPlan, what: str, noun: str = "records") -> ShardPlan:
    """Gives the plan back if every shard has something in it.

    Args:
        plan: The plan.
        what: The output, for the message.
        noun: What is written, for the message.

    Raises:
        InputError: If a shard would be empty.
    """
    if all(plan.counts):
        return plan
    total = sum(plan.counts)
    if total >= plan.num_shards:
        raise InputError(
            f"some of the {plan.num_shards:,} shards of {what} would be empty, because many of "
            f"the {total:,} {noun} are equal and equal ones go to the same shard; give "
            "(name, value) pairs with unique names"
        )
    raise InputError(
        f"{total:,} {noun} are too few for {plan.num_shards:,} shards of {what}: "
        "some would be empty; ask for fewer shards"
    )


def _check_windows(pcoll: beam.PCollection) -> None:
    windows = pcoll.windowing.windowfn
    if not isinstance(windows, GlobalWindows):
        raise ValueError(
            f"WriteToTFRecord writes each shard once, and {type(windows).__name__} would divide "
            "it; put beam.WindowInto(beam.window.GlobalWindows()) before it"
        )


def _compression(path: str, compression_type: str) -> str:
    if compression_type == CompressionTypes.AUTO:
        compression_type = CompressionTypes.detect_compression_type(path)
    if compression_type not in _COMPRESSION:
        raise ValueError(
            f"compression_type={compression_type!r} is not what TFRecord readers take; "
            f"accepted are {sorted(_COMPRESSION)}"
        )
    return _COMPRESSION[compression_type]


class _PlanShardsFn(beam.CombineFn):
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

    def extract_output(self, packed: bytes | bytearray) -> ShardPlan:
        return plan_shards(bytes(packed), self._num_shards)


class _AssignShardFn(beam.DoFn):
    """Tells each value its shard; values of shards that are done are left out."""

    def __init__(
        self, encoder: RecordEncoder[Any], seed: int, done: frozenset[int], noun: str
    ) -> None:
        self._encoder = encoder
        self._noun = noun
        self._seed = seed
        self._done = done

    def process(self, value: Any, plan: ShardPlan) -> Iterator[tuple[int, tuple[bytes, Any]]]:
        key = key_of(value, self._encoder, self._seed)
        if key in plan.duplicates and (name := self._encoder.name(value)):
            raise InputError(
                f"two {self._noun} are called {name}: names must be unique in a split; "
                "remove one of them"
            )
        shard = plan.shard_of(key)
        if shard not in self._done:
            yield shard, (key, value)


class _WriteShardFn(PooledFn):
    """Writes each group as one shard."""

    _images = Metrics.counter("WriteToTFRecord", "in-images")
    _records = Metrics.counter("WriteToTFRecord", "out-records")
    _rejects = Metrics.counter("WriteToTFRecord", "out-rejects")
    _bytes = Metrics.counter("WriteToTFRecord", "out-bytes")
    _shards = Metrics.counter("WriteToTFRecord", "out-shards")

    def __init__(
        self,
        target: ShardTarget[Any],
        encoder: RecordEncoder[Any],
        packer: Packer | None,
        threads: int,
        read_threads: int,
    ) -> None:
        super().__init__(encoder, threads, read_threads)
        self._target = target
        self._packer = packer

    def process(self, group: tuple[int, Iterable[Any]]) -> Iterator[ShardReceipt]:
        assert self._pool is not None  # noqa: S101 - setup() ran
        shard, values = group
        if self._packer is not None:
            values = itertools.chain.from_iterable(map(self._packer.unpack, values))
        receipt = self._target.write(shard, values, self._pool)
        self._images.inc(receipt.images)
        self._records.inc(receipt.records)
        self._rejects.inc(len(receipt.rejects))
        self._bytes.inc(receipt.size_bytes)
        self._shards.inc()
        yield receipt
