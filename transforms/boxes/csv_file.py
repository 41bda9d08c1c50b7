"""The CSV of boxes that TensorFlow's inception made with `process_bounding_boxes.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from imagenet_beam.transforms.boxes.annotations import annotated_stem
from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import InputError

_CSV_LINE = re.compile(rb"[^,\0<]+(?:, *[-+.0-9eE]+){4}")


def is_boxes_csv(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a CSV of boxes, told by its first line."""
    line = head.lstrip(b"\xef\xbb\xbf").partition(b"\n")[0]
    return _CSV_LINE.fullmatch(line.strip()) is not None


def parse_boxes_csv(lines: Iterable[str], name: str) -> Iterator[tuple[str, BoundingBox]]:
    """Reads the CSV of `process_bounding_boxes.py`: stem and box of each line.

    Args:
        lines: Such as `n00007846_64193.JPEG,0.0060,0.2620,0.7545,0.9940`: the image,
            xmin, ymin, xmax, ymax.
        name: The file's name, for messages.

    Raises:
        InputError: A line is none, or its values are no fractions of the image.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        filename, *values = text.split(",")
        try:
            box = BoundingBox(*map(float, values))
        except (TypeError, ValueError):
            box = BoundingBox(math.nan, math.nan, math.nan, math.nan)
        in_order = 0 <= box.xmin <= box.xmax <= 1 and 0 <= box.ymin <= box.ymax <= 1
        if not in_order or not filename:
            raise InputError(
                f"`bounding_boxes`: line {number} of {name} is {text[:80]!r}; expected a file name"
                " and xmin, ymin, xmax, ymax as fractions of the image from 0 to 1, minima first"
            )
        yield annotated_stem(filename), box


def write_boxes_csv(rows: Iterable[tuple[str, BoundingBox]]) -> Iterator[str]:
    """Yields the lines that `process_bounding_boxes.py` would write, for stems and boxes."""
    for stem, box in rows:
        yield f"{stem}.JPEG,{box.xmin:.4f},{box.ymin:.4f},{box.xmax:.4f},{box.ymax:.4f}\n"
