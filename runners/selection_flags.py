"""The flags that leave images out, or carve a split from the training images."""

from __future__ import annotations

import argparse
import dataclasses
from typing import NamedTuple

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.pipeline.datasets.base import Holdout
from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.runners.input_flags import comma_separated
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.selection import Selection

HOLDOUT_SPLITS = ("test", "validation")


def add_selection_flags(parser: SentenceParser) -> None:
    """Adds the flags; each choice follows from names and seed alone."""
    group = parser.add_argument_group("subsets and held-out images")
    group.add_argument(
        "--holdout",
        metavar="N",
        type=whole_number,
        default=None,
        help="so many training images become a split of their own: 350 by default for flowers, "
        "none for the others; --holdout=5000",
    )
    group.add_argument(
        "--holdout_per_class",
        metavar="N",
        type=whole_number,
        default=0,
        help="the same, so many of each class; --holdout_per_class=50",
    )
    group.add_argument(
        "--holdout_split",
        choices=HOLDOUT_SPLITS,
        default="",
        help="what that split is called: test by default for imagenet2012, validation for the "
        "others; --holdout_split=validation",
    )
    group.add_argument(
        "--fraction",
        metavar="F",
        type=_fraction,
        default=1.0,
        help="take so much of each split, for a dry run; --fraction=0.01",
    )
    group.add_argument(
        "--classes",
        metavar="WNIDS",
        default="",
        help="take images of these classes only; labels stay the same; "
        "--classes=n01440764,n01443537",
    )
    group.add_argument(
        "--max_images_per_class",
        metavar="N",
        type=whole_number,
        help="take at most so many images of each class; --max_images_per_class=100",
    )
    group.add_argument(
        "--only_files",
        metavar="PATH",
        default="",
        help="take the training images that a file lists, one name a line; "
        "--only_files=1percent.txt",
    )
    group.add_argument(
        "--selection_seed",
        metavar="N",
        type=whole_number,
        default=0,
        help="another seed holds out and takes other images; --selection_seed=7",
    )


IMAGENET_HOLDOUT = Holdout("test")


def with_selections(
    splits: tuple[SplitConfig, ...],
    args: argparse.Namespace,
    default: Holdout = IMAGENET_HOLDOUT,
) -> tuple[SplitConfig, ...]:
    """The splits with what the flags leave out, and the held-out split, if there is one.

    Args:
        splits: What there is.
        args: What the flags say.
        default: What is held out where they say nothing.

    Raises:
        InputError: If a flag needs training images and there are none, or a
            held-out split has the name of one that is given.
    """
    if args.max_images_per_class == 0:
        raise InputError("--max_images_per_class=0 takes no image; accepted is a number from 1")
    by_name = {split.name: split for split in splits}
    for flag in ("holdout", "holdout_per_class", "only_files"):
        if getattr(args, flag) and "train" not in by_name:
            raise InputError(
                f"--{flag} is about training images; give --train_archive or --train_directory"
            )
    holdout = _holdout_flags(args, default)
    if holdout.holds_out and holdout.split in by_name:
        raise InputError(
            f"--holdout_split={holdout.split} is given as "
            f"`{by_name[holdout.split].parameter}` too; give another name or leave one out"
        )
    found = [
        dataclasses.replace(split, selection=_selection(split, args, holdout)) for split in splits
    ]
    if holdout.holds_out:
        found.append(_holdout(found[0], holdout))
    return tuple(found)


class _HoldoutFlags(NamedTuple):
    """What the flags and the data set say together."""

    split: str
    images: int
    per_class: int
    shards: int

    @property
    def holds_out(self) -> bool:
        return bool(self.images or self.per_class)


def _holdout_flags(args: argparse.Namespace, default: Holdout) -> _HoldoutFlags:
    if args.holdout and args.holdout_per_class:
        raise InputError("--holdout and --holdout_per_class exclude each other; give one of them")
    images = default.images if args.holdout is None else args.holdout
    split = args.holdout_split or default.split
    shards = getattr(args, f"{split}_shards")
    if shards is None:
        is_imagenet = default is IMAGENET_HOLDOUT
        shards = imagenet2012.SPLITS[split].shards if is_imagenet else default.shards
    per_class = args.holdout_per_class
    return _HoldoutFlags(split, 0 if per_class else images, per_class, shards)


def _holdout(train: SplitConfig, holdout: _HoldoutFlags) -> SplitConfig:
    return dataclasses.replace(
        train,
        name=holdout.split,
        source_split="train",
        num_shards=holdout.shards,
        official_images=0,
        selection=dataclasses.replace(train.selection, is_holdout=True),
    )


def _selection(split: SplitConfig, args: argparse.Namespace, holdout: _HoldoutFlags) -> Selection:
    is_train = split.name == "train"
    has_classes = split.label_from != "none"
    return Selection(
        fraction=args.fraction,
        classes=comma_separated(args.classes) if has_classes else (),
        only_files=args.only_files if is_train else "",
        max_per_class=(args.max_images_per_class or 0) if has_classes else 0,
        holdout=holdout.images if is_train else 0,
        holdout_per_class=holdout.per_class if is_train else 0,
        seed=args.selection_seed,
    )


def _fraction(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; give a number above 0 and up to 1, such as 0.01"
        ) from error
