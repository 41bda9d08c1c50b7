"""`imagenet-beam verify`: whether records are still what was written."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.flags import GCS, GCS_READ, add_flags, with_flags
from imagenet_beam.runners.request import storage_from_flags
from imagenet_beam.transforms.plain_text import shown
from imagenet_beam.transforms.storage.files import Storage

if TYPE_CHECKING:
    from imagenet_beam.pipeline.reading.findings import Verification

_DESCRIPTION = """\
Compares an output folder with its manifest: names, sizes and checksums of all
shards, all counts, and the files beside. In gs:// the checksums are those that the
service keeps, and no shard is read. Without a manifest, verifies the checksums of
the records of any TFRecords: a folder, a file, or a pattern in quotes.

example:
  imagenet-beam verify tfrecords --deep

exit status: 0 all right, 1 something was found, 2 it cannot be read.
"""
RIGHT, FOUND = 0, 1


def add_verify_parser(commands: argparse._SubParsersAction[SentenceParser]) -> None:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "verify", help="tell whether records are what was written", description=_DESCRIPTION
    )
    parser.add_argument("path", metavar="DIR")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="look into each record: features, image, size, name, label",
    )
    add_flags(parser, GCS, GCS_READ)


def run_verify(args: argparse.Namespace) -> int:
    """Prints the findings and what was looked at."""
    return verify_and_say(args.path, storage_from_flags(args), args.deep)


def verify_and_say(path: str, storage: Storage, deep: bool = False) -> int:
    """Verifies, with a bar, and prints a line for each finding; returns the exit status."""
    from imagenet_beam.pipeline.progress import ShownProgress
    from imagenet_beam.pipeline.reading.verify import verify

    with ShownProgress(sys.stderr) as progress:
        result = verify(path, deep, storage, progress)
    for finding in result.findings:
        print(shown(with_flags(finding)))
    print(f"{shown(path)}: {_verdict(result)}")
    return FOUND if result.findings else RIGHT


def _verdict(result: Verification) -> str:
    from imagenet_beam.pipeline.progress import counted, in_units

    shards, records = counted(result.shards, "shard"), counted(result.records, "record")
    found = counted(len(result.findings), "finding") if result.findings else "all right"
    told = "" if result.has_manifest else ", without a manifest to compare with"
    return f"{found} in {shards} with {records}, {in_units(result.size_bytes)}{told}"
