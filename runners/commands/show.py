"""`imagenet-beam show`: a contact sheet of records, or of rejects."""

from __future__ import annotations

import argparse
import io
import os
import sys

from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.runners.flags import GCS, GCS_READ, add_flags
from imagenet_beam.runners.request import storage_from_flags
from imagenet_beam.transforms.errors import InputError

_DESCRIPTION = """\
Draws the first images of a set or of a shard on one sheet, each with its label and
boxes. A terminal that can show pictures (sixel, kitty) shows the sheet.

example:
  imagenet-beam show tfrecords --class=tench
  imagenet-beam show tfrecords/validation-00000-of-00128 --output=sheet.png
"""
_SHEET = "sheet.png"
_MAX_COUNT = 1000


def add_show_parser(commands: argparse._SubParsersAction[SentenceParser]) -> None:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "show", help="draw a contact sheet of records", description=_DESCRIPTION
    )
    parser.add_argument("path", metavar="DIR|SHARD")
    parser.add_argument(
        "--class", metavar="NAME", default="", dest="wanted", help="a wnid, or a class name"
    )
    parser.add_argument(
        "--rejects", action="store_true", help="the images that did not become records"
    )
    parser.add_argument(
        "--count", metavar="N", type=whole_number, default=24, help="how many (default: 24)"
    )
    parser.add_argument(
        "--output", metavar="PATH", default="", help=f"the PNG to write (default: {_SHEET})"
    )
    add_flags(parser, GCS, GCS_READ)


def run_show(args: argparse.Namespace) -> int:
    """Writes the sheet and shows it, or says where it is."""
    from imagenet_beam.pipeline.config import check_range
    from imagenet_beam.pipeline.reading.pictures import contact_sheet
    from imagenet_beam.pipeline.reading.shown import record_tiles, reject_tiles

    check_range("count", args.count, 1, _MAX_COUNT)
    if args.output and not args.output.lower().endswith(".png"):
        raise InputError(f"`output`={args.output} is no PNG; accepted is a path ending with .png")
    storage = storage_from_flags(args)
    if args.rejects:
        tiles = reject_tiles(args.path, args.wanted, args.count, storage)
    else:
        tiles = record_tiles(args.path, args.wanted, args.count, storage)
    sheet = contact_sheet(tiles)
    shown = sys.stdout.isatty() and _show(sheet)
    if args.output or not shown:
        path = args.output or _SHEET
        storage.publish_bytes(path, sheet)
        print(path)
    return 0


def _show(sheet: bytes) -> bool:
    """Shows a picture in the terminal, and tells whether that can."""
    if not os.get_terminal_size(sys.stdout.fileno()).columns:
        return False
    from PIL import Image
    from rich.console import Console
    from textual_image import renderable

    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return False
    with Image.open(io.BytesIO(sheet)) as image:
        Console().print(renderable.Image(image))
    return True
