"""CIFAR-10: 32 by 32 pixels, from the python or the binary archive."""

from imagenet_beam.pipeline.datasets.base import Dataset, KnownSplit
from imagenet_beam.pipeline.download.sources import SOURCES

CIFAR10 = Dataset(
    name="cifar10",
    splits={
        "train": KnownSplit(50_000, shards=5, label_from="index"),
        "test": KnownSplit(10_000, shards=1, label_from="index"),
    },
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
    kind="cifar10",
    archives=("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
    downloads=SOURCES["cifar10"],
)
