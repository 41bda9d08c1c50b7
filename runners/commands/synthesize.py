"""`imagenet-beam synthesize`: archives to try things with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagenet_beam.pipeline.datasets.registry import IMAGENET
from imagenet_beam.pipeline.progress import ShownProgress
from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.pipeline.synthetic.small_sets import write_cifar10, write_flowers, write_mnist
from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.transforms.errors import InputError

_DESCRIPTION = """\
Writes a small synthetic data set: the archives, names, devkit, boxes and label
files have the shapes of the real ones, and the pictures can be told apart.

example:
  imagenet-beam synthesize --output_dir=synthetic --classes=10
  imagenet-beam synthesize --dataset=mnist --output_dir=mnist
"""
_NUMBERS = {
    "classes": "how many classes; --classes=10",
    "train_per_class": "training images of each class; --train_per_class=20",
    "validation_per_class": "validation images of each class; --validation_per_class=5",
    "test_images": "images without labels; --test_images=10",
    "image_width": "about how wide the pictures are; --image_width=500",
    "image_height": "about how high they are; --image_height=375",
}
_SMALL_SETS: dict[str, Callable[..., object]] = {
    "flowers": write_flowers,
    "cifar10": write_cifar10,
    "mnist": write_mnist,
}
_SMALL_NUMBERS = {
    "flowers": {"images_per_class": (100, "images of each class of flowers")},
    "cifar10": {"images_per_batch": (1000, "images in each of the six batches of cifar10")},
    "mnist": {"train": (6000, "training images of mnist"), "test": (1000, "test images of mnist")},
}
"""By data set and flag: the default, far below the real numbers for the sake of time."""


def add_synthesize_parser(commands: argparse._SubParsersAction[SentenceParser]) -> SentenceParser:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "synthesize",
        help="write a small synthetic data set to try things with",
        description=_DESCRIPTION,
        usage="imagenet-beam synthesize --output_dir=... [flags]",
    )
    parser.add_argument(
        "--dataset",
        choices=(IMAGENET, *_SMALL_SETS),
        default=IMAGENET,
        help=f"which one, {IMAGENET} by default; --dataset=mnist",
    )
    parser.add_argument(
        "--output_dir", metavar="DIR", default="", help="where to write; --output_dir=synthetic"
    )
    seed = SyntheticImageNet.seed
    _add_number(parser, "seed", f"another number gives other pictures; --seed=1 (default {seed})")
    for name, text in _NUMBERS.items():
        default = getattr(SyntheticImageNet, name)
        _add_number(parser, name, f"{text} (default {default})")
    parser.add_argument(
        "--bad_images",
        action="store_true",
        help="also put in images that must be rejected; --bad_images",
    )
    for numbers in _SMALL_NUMBERS.values():
        for name, (default, text) in numbers.items():
            _add_number(parser, name, f"{text}; --{name}={default} (default {default})")
    return parser


def _add_number(parser: SentenceParser, name: str, text: str) -> None:
    parser.add_argument(f"--{name}", metavar="N", type=whole_number, default=None, help=text)


def run_synthesize(args: argparse.Namespace) -> int:
    """Writes the archives; returns the exit status 0."""
    if not args.output_dir:
        raise InputError("--output_dir is missing; give the folder for the archives")
    _check_flags(args)
    if args.dataset == IMAGENET:
        _write_imagenet(args)
    else:
        numbers = {name: default for name, (default, _) in _SMALL_NUMBERS[args.dataset].items()}
        given = _given(args, (*numbers, "seed"))
        _SMALL_SETS[args.dataset](Path(args.output_dir), **{**numbers, **given})
    print(f"wrote {args.output_dir}", file=sys.stderr)
    return 0


def _write_imagenet(args: argparse.Namespace) -> None:
    spec = SyntheticImageNet(**_given(args, (*_NUMBERS, "seed")), bad_images=args.bad_images)
    with ShownProgress(sys.stderr, lambda amount: f"{amount:,.0f}") as progress:
        progress.start("images drawn", spec.images)
        write_imagenet(Path(args.output_dir), spec, lambda: progress.advance(1))


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _check_flags(args: argparse.Namespace) -> None:
    """Refuses flags of another data set."""
    owners = dict.fromkeys((*_NUMBERS, "bad_images"), IMAGENET)
    owners |= {name: dataset for dataset, numbers in _SMALL_NUMBERS.items() for name in numbers}
    for name, owner in owners.items():
        value = getattr(args, name)
        if value not in (None, False) and owner != args.dataset:
            raise InputError(f"--{name} is for --dataset={owner}, not for {args.dataset}")
