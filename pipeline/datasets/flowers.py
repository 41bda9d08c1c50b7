"""Flowers: photographs in five class folders, without a split of their own.

The 350 validation images are as many as in TensorFlow's slim, which drew them by
chance too; which ones they are follows from their names and the seed of the selection.
"""

from imagenet_beam.pipeline.datasets.base import Holdout, KnownSplit, SmallDataset
from imagenet_beam.pipeline.download.sources import SOURCES

FLOWERS = SmallDataset(
    name="flowers",
    classes=("daisy", "dandelion", "roses", "sunflowers", "tulips"),
    splits={"train": KnownSplit(3_670, shards=5)},
    kind="",
    label_from="place",
    archives=("flower_photos.tgz",),
    folder_kind="folder",
    output_format="JPEG",
    holdout=Holdout("validation", images=350, shards=1),
    downloads=SOURCES["flowers"],
)
