"""ImageNet, ILSVRC 2012 classification."""

from __future__ import annotations

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.datasets.base import (
    LABEL_INPUTS,
    SPLIT_INPUTS,
    Dataset,
    Holdout,
    KnownSplit,
)
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.storage.files import Storage

SPLITS = {
    "train": KnownSplit(1_281_167, shards=1024, label_from="place"),
    "validation": KnownSplit(50_000, shards=128, label_from="number"),
    "test": KnownSplit(100_000, shards=128, label_from="none"),
}

IMAGENET2012 = Dataset(
    name="imagenet2012",
    splits=SPLITS,
    parameters=SPLIT_INPUTS + LABEL_INPUTS,
    image=ImageOptions(),
    label_base=LabelSource.base,
    holdout=Holdout("test", shards=SPLITS["test"].shards),
    name_prefix="",
    fits_in_memory=False,
)


def splits(
    train_archive: str = "",
    validation_archive: str = "",
    train_shards: int = SPLITS["train"].shards,
    validation_shards: int = SPLITS["validation"].shards,
    test_archive: str = "",
    test_shards: int = SPLITS["test"].shards,
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
    archives = {
        "train_archive": train_archive,
        "validation_archive": validation_archive,
        "test_archive": test_archive,
    }
    return IMAGENET2012.split_configs(
        {parameter: (path,) for parameter, path in archives.items() if path},
        {"train": train_shards, "validation": validation_shards, "test": test_shards},
        Storage(),
    )
