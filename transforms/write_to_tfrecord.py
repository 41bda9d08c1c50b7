"""Sharded TFRecords whose bytes do not depend on the runner."""

from __future__ import annotations

from typing import Any, TypeVar

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.transforms.window import GlobalWindows

from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.encode_images import ExampleEncoder, RecordEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plan_shards import PlanShards
from imagenet_beam.transforms.records.shard_writer import ShardTarget
from imagenet_beam.transforms.records.shards import (
    SHUFFLES,
    ShardLayout,
    shard_path_format,
)
from imagenet_beam.transforms.storage.files import Storage
from imagenet_beam.transforms.write_shards import WriteShards

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
        if type(num_shards) is not int:
            raise ValueError(f"num_shards={num_shards!r} is not accepted; give a whole number")
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
