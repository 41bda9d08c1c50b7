"""The flags that say where images and labels are."""

from __future__ import annotations

import argparse

from imagenet_beam.pipeline.config import EXPECTATIONS, SplitConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import LABEL_ORDERS
from imagenet_beam.transforms.labels.source import LabelSource

_SPLITS = {
    "train": ("the tar of class tars", "ILSVRC2012_img_train.tar", "class folders"),
    "validation": (
        "the tar of validation images",
        "ILSVRC2012_img_val.tar",
        "images, flat or in class folders",
    ),
    "test": (
        "the tar of test images, which have no labels",
        "ILSVRC2012_img_test_v10102019.tar",
        "images",
    ),
}


def add_input_flags(parser: SentenceParser) -> None:
    """Adds the flags of archives and folders, and how they are checked."""
    group = parser.add_argument_group(
        "inputs (local paths or URLs; archives may be tar, compressed tar or zip, several by "
        "commas or wildcards)"
    )
    for split, (archive, example, folder) in _SPLITS.items():
        group.add_argument(
            f"--{split}_archive",
            metavar="PATHS",
            default="",
            help=f"{archive}; --{split}_archive={example}",
        )
        group.add_argument(
            f"--{split}_directory",
            metavar="DIR",
            default="",
            help=f"an extracted folder of {folder}; --{split}_directory=imagenet/{split}",
        )
    group.add_argument(
        "--allow_any_class_names",
        action="store_true",
        help="class folders may be called other than by wnids; --allow_any_class_names",
    )
    group.add_argument(
        "--expect",
        choices=EXPECTATIONS,
        default="consistent",
        help="what is checked before anything is written: that classes and labels agree "
        "(consistent, the default), also the official counts (official), or nothing (any); "
        "--expect=official",
    )


def add_label_flags(parser: SentenceParser) -> None:
    """Adds the flags of label files; what a file is, its content tells."""
    group = parser.add_argument_group(
        "labels (without a list of classes, the classes are those of the archives)"
    )
    group.add_argument(
        "--devkit",
        metavar="PATH",
        default="",
        help="classes and validation labels, archive or extracted folder; "
        "--devkit=ILSVRC2012_devkit_t12.tar.gz",
    )
    group.add_argument(
        "--labels_file",
        metavar="PATH",
        default="",
        help="the list of classes, whose order is that of the labels, or the classes.csv of an "
        "earlier run; --labels_file=imagenet_lsvrc_2015_synsets.txt",
    )
    group.add_argument(
        "--validation_labels",
        metavar="PATHS",
        default="",
        help="imagenet_2012_validation_synset_labels.txt, Caffe's val.txt (with its synsets.txt "
        "as --labels_file) or LOC_val_solution.csv; --validation_labels=LOC_val_solution.csv",
    )
    group.add_argument(
        "--class_names",
        metavar="PATHS",
        default="",
        help="the words of classes: imagenet_metadata.txt, synset_words.txt, "
        "LOC_synset_mapping.txt or map_clsloc.txt; --class_names=synset_words.txt",
    )
    add_box_flag(group)
    group.add_argument(
        "--label_base",
        metavar="N",
        type=whole_number,
        default=None,
        help="the first label: 1 (default, 0 is the background) or 0 (default with "
        "--schema=tfds, and for all data sets but imagenet2012); --label_base=0",
    )
    group.add_argument(
        "--label_order",
        choices=LABEL_ORDERS,
        default=None,
        help="how classes are numbered: by wnid (default), ilsvrc2012_id, or as --labels_file "
        "lists them (default with that flag); --label_order=ilsvrc2012_id",
    )


def add_box_flag(group: argparse._ArgumentGroup) -> None:
    """Adds the flag of bounding boxes."""
    group.add_argument(
        "--bounding_boxes",
        metavar="PATHS",
        default="",
        help="annotations of objects: the archives, a folder of XML files or a CSV, several by "
        "commas; --bounding_boxes=ILSVRC2012_bbox_train_v2.tar.gz,ILSVRC2012_bbox_val_v3.tgz",
    )


def splits_from_flags(args: argparse.Namespace) -> tuple[SplitConfig, ...]:
    """The splits that the flags name.

    Raises:
        InputError: If there is none, or one is given twice.
    """
    found = [_split(args, name) for name in _SPLITS]
    splits = tuple(split for split in found if split)
    if not splits:
        raise InputError(
            "nothing to convert; give --train_archive, --validation_archive or --test_archive, or "
            "--train_directory and so on for folders, or a data set that can be downloaded, such "
            "as --dataset=mnist"
        )
    return splits


def _split(args: argparse.Namespace, name: str) -> SplitConfig | None:
    archives = comma_separated(getattr(args, f"{name}_archive"))
    directory = getattr(args, f"{name}_directory")
    if archives and directory:
        raise InputError(
            f"--{name}_archive and --{name}_directory are both given; give one of them"
        )
    if not archives and not directory:
        return None
    return imagenet2012.split(
        name, archives or (directory,), getattr(args, f"{name}_shards"), is_folder=bool(directory)
    )


def labels_from_flags(args: argparse.Namespace) -> LabelSource:
    """Where the flags say that labels come from.

    Raises:
        InputError: If an order is asked for that nothing gives.
    """
    if args.label_order == "listed" and not args.labels_file:
        raise InputError("--label_order=listed needs --labels_file, whose order is meant")
    base = args.label_base
    if base is None:
        base = 0 if args.schema == "tfds" else 1
    return LabelSource(
        devkit=args.devkit,
        base=base,
        order=args.label_order or ("listed" if args.labels_file else "wnid"),
        labels_file=args.labels_file,
        validation_labels=comma_separated(args.validation_labels),
        class_names=comma_separated(args.class_names),
        any_names=args.allow_any_class_names,
    )


def comma_separated(text: str) -> tuple[str, ...]:
    """The parts of a flag's value."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
