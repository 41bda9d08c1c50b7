"""`imagenet-beam inspect`: what files and folders are, before anything is converted."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.flags import GCS, GCS_READ, add_flags, flag_of, with_flags
from imagenet_beam.runners.request import storage_from_flags
from imagenet_beam.transforms.plain_text import shown
from imagenet_beam.transforms.storage.files import Storage

_DESCRIPTION = """\
Says in seconds what each file or folder is, whatever its name: training,
validation or test images, the devkit, bounding boxes, labels, Kaggle's or Hugging
Face's copy, TFRecords, an output folder, or the wrong archive.

example:
  imagenet-beam inspect ILSVRC2012_img_train.tar downloads/*.tar.gz

exit status: 0 if all can be used, 2 if something cannot.
"""
_THREADS = 4
_WRONG = 2


def add_inspect_parser(commands: argparse._SubParsersAction[SentenceParser]) -> None:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "inspect", help="say what archives and folders are", description=_DESCRIPTION
    )
    parser.add_argument("paths", metavar="ARCHIVE_OR_DIRECTORY", nargs="+")
    parser.add_argument(
        "--checksum",
        action="store_true",
        help="compare md5 and sha256 with those of the published archives",
    )
    parser.add_argument(
        "--exact", action="store_true", help="count all images, however long it takes"
    )
    add_flags(parser, GCS, GCS_READ)


def run_inspect(args: argparse.Namespace) -> int:
    """Prints a paragraph for each path; the exit status is 2 if something is of no use."""
    from imagenet_beam.pipeline.inspect import QUICK_SECONDS, inspect_path

    storage = storage_from_flags(args)
    seconds = 0.0 if args.exact else QUICK_SECONDS
    with ThreadPoolExecutor(_THREADS) as pool:
        findings = list(pool.map(lambda path: inspect_path(path, storage, seconds), args.paths))
    sums = _checksums(args.paths, storage) if args.checksum else {}
    for finding in findings:
        print(shown(f"{finding.path}: {finding.title}"))
        for fact in (*finding.facts, *sums.get(finding.path, ())):
            print(f"  {shown(with_flags(fact))}")
        if finding.parameters:
            print(f"  convert with {', '.join(map(flag_of, finding.parameters))}")
    return _WRONG if any(finding.is_wrong for finding in findings) else 0


def _checksums(paths: list[str], storage: Storage) -> dict[str, list[str]]:
    """The checksums of all files, several at once, with one bar for all bytes."""
    from imagenet_beam.pipeline.inspect import checksums
    from imagenet_beam.pipeline.progress import ShownProgress
    from imagenet_beam.transforms.errors import InputError

    files = []
    for path in paths:
        try:
            files.append((path, storage.stat(path).size_bytes))
        except InputError:
            continue  # a folder, or one that the findings say is missing
    with ShownProgress(sys.stderr) as progress, ThreadPoolExecutor(_THREADS) as pool:
        progress.start("checksums", sum(size_bytes for _, size_bytes in files))
        names = [path for path, _ in files]
        found = pool.map(lambda path: checksums(path, storage, progress.advance), names)
        return dict(zip(names, found, strict=True))
