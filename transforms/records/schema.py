"""What a schema is: the features of records, and the files that stand beside their shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.records.example import FeatureValue

Features = dict[str, FeatureValue]


@dataclass(frozen=True)
class Schema:
    """Which features records have, and what a set of such records consists of.

    Attributes:
        name: What it is asked for by.
        features: Makes the features of a record.
        label_base: The label of the first class, unless another one is asked for; None is
            that of the data set.
        files: Names of the files that stand beside the shards.
    """

    name: str
    features: Callable[[LabeledImage, EncodedImage], Features]
    label_base: int | None = None
    files: tuple[str, ...] = ()

    def check(self, label_base: int, output_layout: str, has_boxes: bool) -> None:
        """Raises `InputError` where its readers could not take what is asked for."""

    def shard_prefix(self, dataset: str, split: str) -> str:
        """What the names of shards start with; "" for the usual names."""
        return ""

    def metadata(self, records: RecordSet) -> dict[str, bytes]:
        """The content of `files`, by name."""
        return {}


class SplitShards(NamedTuple):
    """The shards of one split.

    Attributes:
        name: `train`, `validation` or `test`.
        shard_lengths: How many records each shard has.
        size_bytes: The length of all shards.
    """

    name: str
    shard_lengths: Sequence[int]
    size_bytes: int


class RecordSet(NamedTuple):
    """What there is to say of a set of records, for the files beside its shards.

    Attributes:
        dataset: The data set, as the shards' names have it.
        classes: The wnids or names of the classes, in label order.
        channels: Channels of the images: 3, or 1 for gray ones.
        image_format: `jpeg` or `png`.
        splits: All splits.
    """

    dataset: str
    classes: Sequence[str]
    channels: int
    image_format: str
    splits: Sequence[SplitShards]
