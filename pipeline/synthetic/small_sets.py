"""The three small data sets in their real file formats."""

from imagenet_beam.pipeline.synthetic.cifar import (
    CIFAR10_BATCHES,
    CIFAR10_CLASSES,
    CifarBatch,
    CifarSet,
    write_cifar10,
)
from imagenet_beam.pipeline.synthetic.flowers import FLOWER_CLASSES, write_flowers
from imagenet_beam.pipeline.synthetic.mnist import MnistSet, MnistSplit, write_mnist

__all__ = [
    "CIFAR10_BATCHES",
    "CIFAR10_CLASSES",
    "FLOWER_CLASSES",
    "CifarBatch",
    "CifarSet",
    "MnistSet",
    "MnistSplit",
    "write_cifar10",
    "write_flowers",
    "write_mnist",
]
