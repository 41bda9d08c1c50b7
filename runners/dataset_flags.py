"""The flags of the small data sets: which one, where its files are, where they are kept."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.datasets import registry
from imagenet_beam.pipeline.datasets.base import SmallDataset
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.storage.files import Storage

_OF_IMAGENET = (
    "train_archive",
    "train_directory",
    "validation_archive",
    "validation_directory",
    "test_archive",
    "test_directory",
    "allow_any_class_names",
    "devkit",
    "labels_file",
    "validation_labels",
    "class_names",
    "bounding_boxes",
    "label_order",
)
_OF_SMALL_ONES = ("input", "download_dir")


def add_dataset_flags(parser: SentenceParser) -> None:
    """Adds the flags that choose a data set and say where a small one is."""
    group = parser.add_argument_group("data set")
    group.add_argument(
        "--dataset",
        choices=registry.names(),
        default=registry.IMAGENET,
        help=f"what is converted, {registry.IMAGENET} by default; --dataset=mnist",
    )
    group.add_argument(
        "--input",
        metavar="PATH",
        default="",
        help="flowers: flower_photos.tgz or its extracted folder; cifar10: "
        "cifar-10-python.tar.gz or cifar-10-binary.tar.gz; mnist: the folder with the four files "
        "(*-ubyte.gz); for each also the folder that has them; without it they are downloaded; "
        "--input=flower_photos.tgz",
    )
    group.add_argument(
        "--download_dir",
        metavar="DIR",
        default="",
        help="where downloaded data sets are kept, $IMAGENET_BEAM_CACHE or "
        "~/.cache/imagenet-beam by default; --download_dir=/data/cache",
    )


def small_dataset(args: argparse.Namespace) -> SmallDataset | None:
    """The small data set that is asked for; None for ImageNet.

    Raises:
        InputError: If a flag is given that belongs to another data set.
    """
    dataset = registry.SMALL_DATASETS.get(args.dataset)
    for name in _OF_IMAGENET if dataset else _OF_SMALL_ONES:
        if getattr(args, name):
            raise InputError(f"--{name} is not for --dataset={args.dataset}; {_hint(dataset)}")
    return dataset


def _hint(dataset: SmallDataset | None) -> str:
    if dataset:
        return "its files are given as --input"
    return "its archives are given as --train_archive and so on, see --help"


def small_splits(
    dataset: SmallDataset, args: argparse.Namespace, storage: Storage
) -> tuple[SplitConfig, ...]:
    """The splits of a small data set, from the files that are given or will be downloaded."""
    shards = {name: getattr(args, f"{name}_shards") for name in dataset.splits}
    return dataset.split_configs(args.input or _cached(dataset, args), shards, storage)


def small_labels(dataset: SmallDataset, args: argparse.Namespace) -> LabelSource:
    """The fixed list of classes, from 0 unless another base is asked for."""
    return dataclasses.replace(dataset.labels, base=args.label_base or 0)


def _cached(dataset: SmallDataset, args: argparse.Namespace) -> str:
    if not dataset.downloads:
        raise InputError(f"--input is missing; give the files of {dataset.name}")
    # Imported here, as below: who downloads nothing need not wait for requests.
    from imagenet_beam.pipeline.download.cache import cache_dir

    return dataset.downloaded_path(cache_dir(args.download_dir) / dataset.name)


def download_if_asked(args: argparse.Namespace) -> None:
    """Gets the files of a small data set for which no path is given; they are checked each time.

    Raises:
        DownloadError: If they could not be had.
    """
    dataset = registry.SMALL_DATASETS.get(args.dataset)
    if dataset is None or args.input:
        return
    from imagenet_beam.pipeline.download.cache import cache_dir, ensure_downloaded
    from imagenet_beam.pipeline.progress import ShownProgress

    cache, sources = cache_dir(args.download_dir), registry.downloads()
    with ShownProgress(sys.stderr) as progress:
        ensure_downloaded(dataset.name, cache, sources, progress=progress)
