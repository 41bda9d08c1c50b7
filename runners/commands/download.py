"""The command `imagenet-beam download`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagenet_beam.pipeline.datasets.registry import DATASETS, IMAGENET
from imagenet_beam.pipeline.download.sources import (
    IMAGENET_2012,
    DownloadError,
    SourceFile,
    cache_dir,
)
from imagenet_beam.runners.arguments import whole_number
from imagenet_beam.runners.flags import with_flags
from imagenet_beam.runners.steps import say_prose
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import shown

_INTERRUPTED = 128 + 2
"""As shells say it of a program that Ctrl-C (signal 2) ended."""

_EXAMPLES = """\
examples:
  imagenet-beam download --dataset=mnist --output_dir=data/mnist
  imagenet-beam download --dataset=imagenet2012                       explains how to get it
  imagenet-beam download --dataset=imagenet2012 --output_dir=data --url=https://…/ILSVRC2012_img_val.tar
  imagenet-beam download --dataset=imagenet2012 --from_dir=data       checks what is there
"""


def add_download_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the command to what `ArgumentParser.add_subparsers` gave."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "download",
        help="get a data set, or check archives that you have",
        description="Downloads a data set, continues what was interrupted, checks checksums.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dataset", required=True, choices=DATASETS, metavar="NAME", help="one of %(choices)s"
    )
    for flag, text in (
        ("--output_dir", "where the files go; default: the cache, see --download_dir"),
        ("--download_dir", "the cache; default: $IMAGENET_BEAM_CACHE or ~/.cache/imagenet-beam"),
    ):
        parser.add_argument(flag, default="", metavar="DIR", help=text)
    parser.add_argument(
        "--connections",
        type=whole_number,
        default=4,
        metavar="N",
        help="connections at once for a big file, 1 to 32; default: 4",
    )
    imagenet = parser.add_argument_group("ImageNet")
    imagenet.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="LINK",
        help="a link that image-net.org gave you; repeat for each archive",
    )
    imagenet.add_argument(
        "--from_dir",
        default="",
        metavar="DIR",
        help="check the archives in this folder instead of downloading",
    )
    imagenet.add_argument(
        "--torrent_hint", action="store_true", help="say how to get the archives by BitTorrent"
    )
    return parser


def run_download(
    args: argparse.Namespace,
    sources: Mapping[str, tuple[SourceFile, ...]] | None = None,
    imagenet: tuple[SourceFile, ...] = IMAGENET_2012,
) -> int:
    """Runs the command.

    Args:
        args: What the parser of `add_download_parser` gave.
        sources: The data sets that anybody may download; by default what it says itself.
        imagenet: ImageNet's archives.

    Returns:
        The exit status: 0 done; 1 failed; 2 flags or files are wrong; 130 Ctrl-C ended it.
    """
    try:
        return _run(args, sources or {args.dataset: DATASETS[args.dataset].downloads}, imagenet)
    except InputError as error:
        say_prose(f"imagenet-beam: {shown(with_flags(error))}")
        return 2
    except DownloadError as error:
        say_prose(f"imagenet-beam: {error}")
        return 1
    except KeyboardInterrupt:
        print("\nimagenet-beam: interrupted; the same command continues", file=sys.stderr)
        return _INTERRUPTED


def _run(
    args: argparse.Namespace,
    sources: Mapping[str, tuple[SourceFile, ...]],
    known: tuple[SourceFile, ...],
) -> int:
    # Imported here: the other commands need not wait for requests.
    from imagenet_beam.pipeline.download import imagenet
    from imagenet_beam.pipeline.download.client import TransferOptions
    from imagenet_beam.pipeline.download.transfer import download_dataset
    from imagenet_beam.pipeline.progress import ShownProgress

    _check_flags(args)
    if args.torrent_hint:
        print(imagenet.TORRENT_HINT, end="")
        return 0
    directory = Path(
        args.from_dir or args.output_dir or cache_dir(args.download_dir) / args.dataset
    )
    if args.dataset != IMAGENET and not sources[args.dataset]:
        raise InputError(
            f"--dataset={args.dataset} cannot be downloaded; get its files, and give them to "
            "convert as --input"
        )
    options = TransferOptions(connections=args.connections)
    if args.dataset == IMAGENET:
        is_there = any((directory / file.name).exists() for file in known)
        if not (args.url or args.from_dir or is_there):
            print(imagenet.REQUEST_HINT, end="", file=sys.stderr)
            return 2
        options = replace(options, credentials=imagenet.credentials_from())
    with ShownProgress(sys.stderr) as progress:
        if args.dataset != IMAGENET:
            paths = download_dataset(args.dataset, directory, sources, options, progress)
        elif args.url:
            paths = imagenet.download_urls(args.url, directory, options, progress, known)
        else:
            paths = imagenet.check_folder(directory, progress, known)
    for path in paths.values():
        print(path)
    return 0


def _check_flags(args: argparse.Namespace) -> None:
    own = {"--url": args.url, "--from_dir": args.from_dir, "--torrent_hint": args.torrent_hint}
    given = [flag for flag, value in own.items() if value]
    if given and args.dataset != IMAGENET:
        raise InputError(f"{given[0]} is for --dataset={IMAGENET}, not for {args.dataset}")
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} exclude each other; accepted is one of them")
    for flag in ("output_dir", "from_dir"):
        path = getattr(args, flag)
        if "://" in path:
            raise InputError(f"--{flag}={path} is not on this machine; accepted is a local folder")
        if path and Path(path).exists() and not Path(path).is_dir():
            raise InputError(f"--{flag}={path} is not a folder")
