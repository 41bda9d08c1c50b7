"""ImageNet, ILSVRC 2012 classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.transforms.errors import InputError


class OfficialSplit(NamedTuple):
    """What is known of an official archive; sizes as TFDS and torchvision know them.

    Attributes:
        label_from: How an image's class is told.
        images: How many images it has.
        size_bytes: How long it is; 0 if that is not known for sure.
        shards: How many shards it becomes by default.
    """

    label_from: str
    images: int
    size_bytes: int
    shards: int


SPLITS = {
    "train": OfficialSplit("place", 1_281_167, 147_897_477_120, 1024),
    "validation": OfficialSplit("number", 50_000, 6_744_924_160, 128),
    "test": OfficialSplit("none", 100_000, 0, 128),
}

TRAIN_SHARDS = SPLITS["train"].shards
VALIDATION_SHARDS = SPLITS["validation"].shards
TEST_SHARDS = SPLITS["test"].shards


def split(
    name: str, archives: Sequence[str], num_shards: int | None = None, is_folder: bool = False
) -> SplitConfig:
    """One split.

    Args:
        name: `train`, `validation` or `test`.
        archives: Its archives in any form, or its folder.
        num_shards: How many shards it becomes; by default the usual number.
        is_folder: Whether `archives` is an extracted folder.

    Raises:
        InputError: If the number of shards is out of range.
    """
    official = SPLITS[name]
    return SplitConfig(
        name=name,
        parameter=f"{name}_{'directory' if is_folder else 'archive'}",
        archives=tuple(archives),
        num_shards=official.shards if num_shards is None else num_shards,
        label_from=official.label_from,
        official_images=official.images,
        kind="folder" if is_folder else "",
    )


def splits(
    train_archive: str = "",
    validation_archive: str = "",
    train_shards: int = TRAIN_SHARDS,
    validation_shards: int = VALIDATION_SHARDS,
    test_archive: str = "",
    test_shards: int = TEST_SHARDS,
) -> tuple[SplitConfig, ...]:
    """The splits of the archives that are given.

    Args:
        train_archive: `ILSVRC2012_img_train.tar`, a tar of class tars, or another form.
        validation_archive: `ILSVRC2012_img_val.tar`, a flat tar, or another form.
        train_shards: How many shards the training split becomes.
        validation_shards: The same of the validation split.
        test_archive: `ILSVRC2012_img_test_v10102019.tar`.
        test_shards: How many shards the test split becomes.

    Raises:
        InputError: If no archive is given or a number of shards is out of range.
    """
    given = {
        "train": (train_archive, train_shards),
        "validation": (validation_archive, validation_shards),
        "test": (test_archive, test_shards),
    }
    found = tuple(
        split(name, (archive,), shards) for name, (archive, shards) in given.items() if archive
    )
    if not found:
        raise InputError(
            "nothing to convert; give `train_archive`, `validation_archive` or `test_archive`"
        )
    return found
