"""Flowers: photographs in five class folders, without a split of their own.

The 350 validation images are as many as in TensorFlow's slim, which drew them by
chance too; which ones they are follows from their names and the seed of the selection.
"""

from imagenet_beam.pipeline.datasets.base import Dataset, Holdout, KnownSplit
from imagenet_beam.pipeline.download.sources import SOURCES
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize

FLOWERS = Dataset(
    name="flowers",
    splits={"train": KnownSplit(3_670, shards=5)},
    classes=("daisy", "dandelion", "roses", "sunflowers", "tulips"),
    archives=("flower_photos.tgz",),
    folder_kind="folder",
    image=ImageOptions(resize=Resize("none")),
    holdout=Holdout("validation", images=350),
    downloads=SOURCES["flowers"],
)
