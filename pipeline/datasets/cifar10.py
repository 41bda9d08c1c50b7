"""CIFAR-10: 32 by 32 pixels, from the python or the binary archive."""

from imagenet_beam.pipeline.datasets.base import KnownSplit, SmallDataset
from imagenet_beam.pipeline.download.sources import SOURCES

CIFAR10 = SmallDataset(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    splits={"train": KnownSplit(50_000, shards=5), "test": KnownSplit(10_000, shards=1)},
    kind="cifar10",
    archives=("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
    downloads=SOURCES["cifar10"],
)
