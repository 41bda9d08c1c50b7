"""`imagenet-beam bounding_boxes`: annotations in, the CSV of inception's script out."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence, Set

from imagenet_beam.runners.arguments import SentenceParser, comma_separated
from imagenet_beam.runners.flags import GCS, GCS_READ, GCS_WRITE, add_flags
from imagenet_beam.runners.request import storage_from_flags
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import shown
from imagenet_beam.transforms.storage.files import MAX_TEXT_BYTES, Storage

_DESCRIPTION = """\
Writes the CSV of TensorFlow's process_bounding_boxes.py: file name, xmin, ymin,
xmax, ymax as fractions of the image. `convert --bounding_boxes` takes the
annotations themselves; the CSV is for other programs.

example:
  imagenet-beam bounding_boxes \\
    --annotations=ILSVRC2012_bbox_train_v2.tar.gz --output=boxes.csv
"""
_WRITE_LINES = 20_000


def add_bounding_boxes_parser(commands: argparse._SubParsersAction[SentenceParser]) -> None:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "bounding_boxes",
        help="write the annotations of objects as CSV",
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "--annotations",
        metavar="PATHS",
        required=True,
        help="archives or folders of XML files, several by commas",
    )
    parser.add_argument("--output", metavar="PATH", required=True, help="the CSV to write")
    parser.add_argument(
        "--synsets",
        metavar="PATH",
        default="",
        help="a list of classes, one wnid a line: others are left out, validation images too",
    )
    add_flags(parser, GCS, (*GCS_READ, GCS_WRITE))


def run_bounding_boxes(args: argparse.Namespace) -> int:
    """Writes the CSV and says what was read."""
    from imagenet_beam.transforms.labels.label_files import read_class_list

    storage = storage_from_flags(args, "output")
    synsets: frozenset[str] = frozenset()
    if args.synsets:
        listed = storage.read_bytes(args.synsets, MAX_TEXT_BYTES)
        synsets = frozenset(read_class_list(listed, args.synsets))
    counts: Counter[str] = Counter()
    lines = _lines(comma_separated(args.annotations), storage, synsets, counts)
    file = storage.create(args.output)
    try:
        while block := "".join(itertools.islice(lines, _WRITE_LINES)):
            file.write(block.encode())
        if not counts["boxes"]:
            raise InputError(f"--annotations={args.annotations} has no box of these classes")
        file.publish()
    finally:
        file.discard()
    print(
        f"{shown(args.output)}: {counts['boxes']:,} boxes of {counts['files']:,} images; "
        f"{counts['clamped']:,} cut to the image, {counts['swapped']:,} with corners exchanged, "
        f"{counts['dropped']:,} empty ones left out",
        file=sys.stderr,
    )
    return 0


def _lines(
    paths: Sequence[str], storage: Storage, synsets: Set[str], counts: Counter[str]
) -> Iterator[str]:
    from imagenet_beam.transforms.boxes.annotations import write_boxes_csv
    from imagenet_beam.transforms.boxes.read import iter_annotations

    for path in paths:
        for annotation in iter_annotations(path, storage):
            if synsets and re.split("[_/]", annotation.stem)[0] not in synsets:
                continue
            counts["files"] += 1
            counts["boxes"] += len(annotation.boxes)
            for fix in ("clamped", "swapped", "dropped"):
                counts[fix] += getattr(annotation, fix)
            yield from write_boxes_csv((annotation.stem, box) for box in annotation.boxes)
