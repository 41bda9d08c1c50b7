"""MNIST: 28 by 28 pixels, handwritten digits."""

from imagenet_beam.pipeline.datasets.base import KnownSplit, SmallDataset
from imagenet_beam.pipeline.download.sources import SOURCES

MNIST = SmallDataset(
    name="mnist",
    classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    splits={"train": KnownSplit(60_000, shards=2), "test": KnownSplit(10_000, shards=1)},
    kind="idx",
    channels=1,
    downloads=SOURCES["mnist"],
)
