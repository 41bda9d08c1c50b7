"""`imagenet-beam report`: one page about an output folder."""

from __future__ import annotations

import argparse

from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.flags import GCS, GCS_READ, GCS_WRITE, add_flags
from imagenet_beam.runners.request import storage_from_flags
from imagenet_beam.transforms.storage.files import Storage

_DESCRIPTION = """\
Writes one HTML page about an output folder, which opens without a network: what was
converted from what, all counts, classes, sizes, repairs and rejects with pictures,
and images of each class.

example:
  imagenet-beam report tfrecords
"""


def add_report_parser(commands: argparse._SubParsersAction[SentenceParser]) -> None:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "report", help="write a page about an output folder", description=_DESCRIPTION
    )
    parser.add_argument("path", metavar="DIR")
    parser.add_argument(
        "--output", metavar="PATH", default="", help="the page (default: report.html in DIR)"
    )
    add_flags(parser, GCS, (*GCS_READ, GCS_WRITE))


def run_report(args: argparse.Namespace) -> int:
    """Writes the page and prints its path."""
    print(write_report(args.path, storage_from_flags(args, "output"), args.output))
    return 0


def write_report(directory: str, storage: Storage, output: str = "") -> str:
    """Writes the page; returns its path."""
    from imagenet_beam.pipeline.output import REPORT
    from imagenet_beam.pipeline.reading.page import make_page
    from imagenet_beam.transforms.storage.files import join

    path = output or join(directory, REPORT)
    storage.publish_bytes(path, make_page(directory, storage).encode())
    return path
