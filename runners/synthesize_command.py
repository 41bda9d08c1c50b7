"""`imagenet-beam synthesize`: archives to try things with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.transforms.core.errors import InputError

_DESCRIPTION = """\
Writes a small synthetic ImageNet: the archives, names, devkit, boxes and label
files have the shapes of the real ones, and the pictures can be told apart.

example:
  imagenet-beam synthesize --output_dir=synthetic --classes=10
"""
_NUMBERS = {
    "classes": "how many classes; --classes=10",
    "train_per_class": "training images of each class; --train_per_class=20",
    "validation_per_class": "validation images of each class; --validation_per_class=5",
    "test_images": "images without labels; --test_images=10",
    "image_width": "about how wide the pictures are; --image_width=500",
    "image_height": "about how high they are; --image_height=375",
    "seed": "another number gives other pictures; --seed=1",
}


def add_synthesize_parser(commands: argparse._SubParsersAction[SentenceParser]) -> SentenceParser:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "synthesize",
        help="write a small synthetic ImageNet to try things with",
        description=_DESCRIPTION,
        usage="imagenet-beam synthesize --output_dir=... [flags]",
    )
    parser.add_argument(
        "--output_dir", metavar="DIR", default="", help="where to write; --output_dir=synthetic"
    )
    for name, text in _NUMBERS.items():
        default = getattr(SyntheticImageNet, name)
        parser.add_argument(
            f"--{name}",
            metavar="N",
            type=whole_number,
            default=default,
            help=f"{text} (default {default})",
        )
    parser.add_argument(
        "--bad_images",
        action="store_true",
        help="also put in images that must be rejected; --bad_images",
    )
    return parser


def run_synthesize(args: argparse.Namespace) -> int:
    """Writes the archives; returns the exit status 0.

    Raises:
        InputError: If a flag's value is not accepted.
    """
    if not args.output_dir:
        raise InputError("--output_dir is missing; give the folder for the archives")
    numbers = {name: getattr(args, name) for name in _NUMBERS}
    spec = SyntheticImageNet(**numbers, bad_images=args.bad_images)
    columns = (TextColumn("drawing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("drawing")
        write_imagenet(
            Path(args.output_dir),
            spec,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    print(f"wrote {args.output_dir}", file=sys.stderr)
    return 0
