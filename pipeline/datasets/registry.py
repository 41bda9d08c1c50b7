"""All data sets by name; docs/adding-a-dataset.md shows how to add one."""

from __future__ import annotations

from imagenet_beam.pipeline.datasets.base import Dataset
from imagenet_beam.pipeline.datasets.cifar10 import CIFAR10
from imagenet_beam.pipeline.datasets.flowers import FLOWERS
from imagenet_beam.pipeline.datasets.imagenet2012 import IMAGENET2012
from imagenet_beam.pipeline.datasets.mnist import MNIST
from imagenet_beam.transforms.extensions import Extensions

_OWN = (
    IMAGENET2012,
    FLOWERS,
    CIFAR10,
    MNIST,
)
BUILT_IN = {dataset.name: dataset for dataset in _OWN}

DATASETS = Extensions("imagenet_beam.datasets", Dataset, BUILT_IN)
"""The built-in ones, and those of other distributions."""

IMAGENET = IMAGENET2012.name
"""The default."""
