"""All data sets by name; docs/adding-a-dataset.md shows how to add one."""

from __future__ import annotations

from imagenet_beam.pipeline.datasets.base import SmallDataset
from imagenet_beam.pipeline.datasets.cifar10 import CIFAR10
from imagenet_beam.pipeline.datasets.flowers import FLOWERS
from imagenet_beam.pipeline.datasets.mnist import MNIST
from imagenet_beam.pipeline.download.sources import SourceFile

IMAGENET = "imagenet2012"
"""The one with archives, labels and flags of its own."""

SMALL_DATASETS: dict[str, SmallDataset] = {
    dataset.name: dataset for dataset in (FLOWERS, CIFAR10, MNIST)
}


def names() -> tuple[str, ...]:
    """The names of all, the default first."""
    return (IMAGENET, *SMALL_DATASETS)


def downloads() -> dict[str, tuple[SourceFile, ...]]:
    """The files of each data set that anybody may download."""
    return {
        name: dataset.downloads for name, dataset in SMALL_DATASETS.items() if dataset.downloads
    }
