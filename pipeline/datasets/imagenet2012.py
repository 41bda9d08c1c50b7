"""ImageNet, ILSVRC 2012 classification."""

from __future__ import annotations

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.transforms.core.errors import InputError

TRAIN_SHARDS = 1024
VALIDATION_SHARDS = 128

# The official archives; sizes as TFDS and torchvision know them.
TRAIN_IMAGES, TRAIN_BYTES = 1_281_167, 147_897_477_120
VALIDATION_IMAGES, VALIDATION_BYTES = 50_000, 6_744_924_160


def splits(
    train_archive: str = "",
    validation_archive: str = "",
    train_shards: int = TRAIN_SHARDS,
    validation_shards: int = VALIDATION_SHARDS,
) -> tuple[SplitConfig, ...]:
    """The splits of the archives that are given.

    Args:
        train_archive: `ILSVRC2012_img_train.tar`, a tar of class tars.
        validation_archive: `ILSVRC2012_img_val.tar`, a flat tar.
        train_shards: How many shards the training split becomes.
        validation_shards: The same of the validation split.

    Raises:
        InputError: If no archive is given or a number of shards is out of range.
    """
    found = []
    if train_archive:
        found.append(
            SplitConfig(
                name="train",
                flag="train_archive",
                archives=(train_archive,),
                num_shards=train_shards,
                label_from="place",
                official_images=TRAIN_IMAGES,
                official_bytes=TRAIN_BYTES,
            )
        )
    if validation_archive:
        found.append(
            SplitConfig(
                name="validation",
                flag="validation_archive",
                archives=(validation_archive,),
                num_shards=validation_shards,
                label_from="number",
                official_images=VALIDATION_IMAGES,
                official_bytes=VALIDATION_BYTES,
            )
        )
    if not found:
        raise InputError("nothing to convert; give --train_archive, --validation_archive or both")
    return tuple(found)
