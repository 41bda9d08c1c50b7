"""The conversion that the flags of `imagenet-beam convert` ask for."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig, check_split_name
from imagenet_beam.pipeline.datasets.base import SPLIT_INPUTS, Dataset
from imagenet_beam.pipeline.datasets.registry import DATASETS
from imagenet_beam.pipeline.download.sources import cache_dir
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.flags import (
    BEAM,
    BEAM_FLAGS,
    FLAGS,
    GROUPS,
    add_flags,
    given_fields,
    is_given,
)
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import Storage

_DESCRIPTION = """\
Converts image archives, as they were downloaded, to sharded TFRecords.

example:
  imagenet-beam convert \\
    --train_archive=ILSVRC2012_img_train.tar \\
    --validation_archive=ILSVRC2012_img_val.tar \\
    --devkit=ILSVRC2012_devkit_t12.tar.gz \\
    --output_dir=tfrecords

  imagenet-beam convert --dataset=mnist --output_dir=mnist

Run the same command again to resume an interrupted run.
exit status: 0 done, 1 the job failed or --verify found damage, 2 wrong flags or
inputs, 3 more images rejected than --max_rejects allows, 130 stopped by Ctrl-C.
"""


def add_convert_parser(commands: argparse._SubParsersAction[SentenceParser]) -> SentenceParser:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "convert",
        help="convert archives to TFRecords",
        description=_DESCRIPTION,
        usage="imagenet-beam convert --train_archive=... --output_dir=... [flags]",
        epilog=_beam_help(),
    )
    for title, flags in GROUPS.items():
        add_flags(parser, title, flags)
    return parser


def _beam_help() -> str:
    shown = SentenceParser(add_help=False, usage=argparse.SUPPRESS)
    add_flags(shown, BEAM, BEAM_FLAGS)
    return shown.format_help()


def config_from_flags(args: argparse.Namespace) -> ConvertConfig:
    """The conversion that the flags ask for.

    Raises:
        InputError: If a flag's value is not accepted, is missing, or belongs to another
            data set.
    """
    dataset = DATASETS[args.dataset]
    dataset.check_parameters(flag.field for flag in FLAGS if is_given(args, flag))
    storage = storage_from_flags(args, "output_dir")
    return ConvertConfig(
        splits=_with_selections(_splits(args, dataset, storage), args, dataset),
        labels=_labels(args, dataset),
        image=_image(args, dataset),
        name_prefix=dataset.prefix,
        channels=dataset.channels,
        storage=storage,
        **{"output_dir": "", **given_fields(args, "")},
    )


def storage_from_flags(args: argparse.Namespace, output: str = "") -> Storage:
    """The storage that the flags of a command describe.

    Args:
        args: What was typed.
        output: The flag that names what is written; "" where nothing is.

    Raises:
        InputError: If a flag's value is not accepted, or could have no effect.
    """
    storage = Storage(**given_fields(args, "storage"))
    path = getattr(args, output) if output else ""
    if storage.kms_key and path and not path.startswith("gs://"):
        raise InputError(
            f"--kms_key is for what is written to gs://, but --{output}={path} is not there; "
            "leave one of them out"
        )
    return storage


def download_if_asked(args: argparse.Namespace) -> None:
    """Gets the files of a data set for which no path is given; they are checked each time.

    Raises:
        DownloadError: If they could not be had.
    """
    dataset = DATASETS[args.dataset]
    if args.input or not dataset.downloads:
        return
    # Imported here, as below: who downloads nothing need not wait for requests.
    from imagenet_beam.pipeline.download.transfer import download_dataset
    from imagenet_beam.pipeline.progress import ShownProgress

    cache, sources = cache_dir(args.download_dir or ""), {dataset.name: dataset.downloads}
    with ShownProgress(sys.stderr) as progress:
        download_dataset(dataset.name, cache / dataset.name, sources, progress=progress)


def _splits(
    args: argparse.Namespace, dataset: Dataset, storage: Storage
) -> tuple[SplitConfig, ...]:
    """The splits whose files are given or will be downloaded."""
    given = {}
    for parameter in ("input", *SPLIT_INPUTS):
        paths = getattr(args, parameter)
        if paths:
            given[parameter] = (paths,) if isinstance(paths, str) else paths
    if not given and dataset.downloads:
        folder = cache_dir(args.download_dir or "") / dataset.name
        given = {"input": (dataset.downloaded_path(folder),)}
    shards = {name: getattr(args, f"{name}_shards", None) for name in dataset.splits}
    return dataset.split_configs(given, shards, storage)


def _labels(args: argparse.Namespace, dataset: Dataset) -> LabelSource:
    """Where labels come from.

    Raises:
        InputError: If an order is asked for that nothing gives.
    """
    given = given_fields(args, "labels")
    if args.labels_file:
        given.setdefault("order", "listed")
    elif args.label_order == "listed":
        raise InputError("--label_order=listed needs --labels_file, whose order is meant")
    base = find_schema(args.schema or ConvertConfig.schema).label_base
    if base is not None:
        given.setdefault("base", base)
    return dataclasses.replace(dataset.labels, **given)


def _image(args: argparse.Namespace, dataset: Dataset) -> ImageOptions:
    given = given_fields(args, "image")
    if args.resize:
        given["resize"] = Resize.parse(args.resize)
    return dataclasses.replace(dataset.image, **given)


def _with_selections(
    splits: tuple[SplitConfig, ...], args: argparse.Namespace, dataset: Dataset
) -> tuple[SplitConfig, ...]:
    """The splits with what the flags leave out, and the held-out split, if there is one.

    Raises:
        InputError: If a flag needs training images and there are none, or a
            held-out split has the name of one that is given.
    """
    if args.max_images_per_class == 0:
        raise InputError("--max_images_per_class=0 takes no image; accepted is a number from 1")
    given = {split.name: split for split in splits}
    for flag in ("holdout", "holdout_per_class", "only_files"):
        if getattr(args, flag) and "train" not in given:
            raise InputError(
                f"--{flag} is about training images; give --train_archive or --train_directory"
            )
    if args.holdout and args.holdout_per_class:
        raise InputError("--holdout and --holdout_per_class exclude each other; give one of them")
    asked = Selection(**given_fields(args, "selection"))
    if args.holdout is None and not args.holdout_per_class and "train" in given:
        asked = dataclasses.replace(asked, holdout=dataset.holdout.images)
    name = args.holdout_split or dataset.holdout.split
    check_split_name(name, "--holdout_split=")
    if not asked.holds_out and (args.holdout_split or args.holdout_shards is not None):
        raise InputError(
            "--holdout_split and --holdout_shards are of held-out images; give --holdout_per_class "
            "or --holdout, how many these are"
        )
    if asked.holds_out and name in given:
        raise InputError(
            f"--holdout_split={name} is given as `{given[name].parameter}` too; give another name "
            "or leave one out"
        )
    found = [dataclasses.replace(split, selection=_selection(split, asked)) for split in splits]
    if asked.holds_out:
        found.append(_held_out(found[0], name, args, dataset))
    return tuple(found)


def _selection(split: SplitConfig, asked: Selection) -> Selection:
    """What of the selection is about a split: images are held out of the training images."""
    if split.name != "train":
        asked = dataclasses.replace(asked, only_files="", holdout=0, holdout_per_class=0)
    return asked


def _held_out(
    train: SplitConfig, name: str, args: argparse.Namespace, dataset: Dataset
) -> SplitConfig:
    """The split of the images that are held out of the training images."""
    own = getattr(args, f"{name}_shards", None)
    if own is not None and args.holdout_shards is not None:
        raise InputError(f"--{name}_shards and --holdout_shards are one number; give one of them")
    asked = args.holdout_shards if own is None else own
    num_shards, images_per_shard = dataset.shards_of(name, asked)
    return dataclasses.replace(
        train,
        name=name,
        source_split="train",
        num_shards=num_shards,
        images_per_shard=images_per_shard,
        official_images=0,
        selection=dataclasses.replace(train.selection, is_holdout=True),
    )
