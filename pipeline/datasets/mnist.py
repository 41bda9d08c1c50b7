"""MNIST: 28 by 28 pixels, handwritten digits."""

from imagenet_beam.pipeline.datasets.base import Dataset, KnownSplit
from imagenet_beam.pipeline.download.sources import SOURCES

MNIST = Dataset(
    name="mnist",
    splits={
        "train": KnownSplit(60_000, shards=2, label_from="index"),
        "test": KnownSplit(10_000, shards=1, label_from="index"),
    },
    classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    kind="idx",
    channels=1,
    downloads=SOURCES["mnist"],
)
