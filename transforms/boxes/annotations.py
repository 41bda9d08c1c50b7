"""Files of boxes: PASCAL-VOC annotations, an XML file an image; and the CSV of inception."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from imagenet_beam.transforms.archives.names import class_in_path, image_name
from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import InputError

MAX_XML_BYTES = 1 << 20
"""An annotation is about a kilobyte; what is larger than this is none."""

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SUFFIX = re.compile(r"\.[A-Za-z]+$")
_OFFICIAL = re.compile(r"(ILSVRC[0-9]{4}_(?:val|test)_[0-9]{8}|n[0-9]{8}_[0-9]+)(?:_n[0-9]{8})?")
_CSV_LINE = re.compile(rb"[^,\0<]+(?:, *[-+.0-9eE]+){4}")
_NO_CLASS_FOLDERS = ("annotations", "annotation")


class Annotation(NamedTuple):
    """The boxes of one image, as fractions of the size that its XML states.

    Attributes:
        stem: The image, as `image_stem` names it.
        boxes: The usable boxes in the order of the file.
        clamped: How many of them reached beyond the image and were cut to it.
        swapped: How many of them had a minimum above its maximum.
        dropped: How many further boxes had no area left, or no image size to relate them to.
    """

    stem: str
    boxes: tuple[BoundingBox, ...]
    clamped: int = 0
    swapped: int = 0
    dropped: int = 0


def image_stem(filename: str) -> str:
    """Returns the name by which an image and its boxes find each other.

    It is the image's name in its record without the suffix. Official names stand
    alone, without the wnid that Hugging Face appends: `n01440764_10026` for
    `n01440764_10026_n01440764.JPEG`. Other names are unique in their class only,
    which stands before them: `daisy/1` for `daisy/1.jpg`.
    """
    stem = _SUFFIX.sub("", filename)
    official = _OFFICIAL.fullmatch(stem.rpartition("/")[2])
    return official[1] if official else stem


def annotated_stem(path: str) -> str:
    """Returns the same for the image that a file or a row at this path annotates.

    The nearest folder is the class, unless it is PASCAL-VOC's `Annotations`; without
    one the file name alone is the key.
    """
    *folders, name = path.split("/")
    if folders and folders[-1].lower() in _NO_CLASS_FOLDERS:
        path = name
    return image_stem(image_name(path, class_in_path(path)))


def parse_annotation_xml(data: bytes, path_name: str, stem: str = "") -> Annotation:
    """Reads one annotation.

    The path is the key, since `<filename>` is "%s" in some files and `<name>` a
    word instead of a wnid. Coordinates relate to the size in the XML, which is
    not always the JPEG's. A file that states no usable size loses its boxes, as
    dropped ones, because nothing can relate them to the image.

    Raises:
        InputError: It is no annotation, or a coordinate is missing or no number.
    """
    stem = stem or annotated_stem(path_name)
    root = _parse(data, path_name)
    width = _size(root.findtext("size/width"))
    height = _size(root.findtext("size/height"))
    corners = [_corners(box, path_name) for box in root.iterfind("object/bndbox")]
    if not width or not height:
        return Annotation(stem, (), dropped=len(corners))
    boxes, clamped, swapped = [], 0, 0
    for x1, y1, x2, y2 in corners:
        scaled = (x1 / width, y1 / height, x2 / width, y2 / height)
        xs, ys = sorted(map(_clamp, scaled[::2])), sorted(map(_clamp, scaled[1::2]))
        box = BoundingBox(xs[0], ys[0], xs[1], ys[1])
        if box.xmin < box.xmax and box.ymin < box.ymax:
            boxes.append(box)
            clamped += any(_clamp(value) != value for value in scaled)
            swapped += x1 > x2 or y1 > y2
    dropped = len(corners) - len(boxes)
    return Annotation(stem, tuple(boxes), clamped, swapped, dropped)


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses document types: annotations have none, and entities can be made to explode."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a document type (<!DOCTYPE>)")


def check_xml_bytes(size_bytes: int, path_name: str) -> None:
    """Refuses what is longer than any annotation.

    Raises:
        InputError: If it has more than `MAX_XML_BYTES`.
    """
    if size_bytes > MAX_XML_BYTES:
        raise InputError(
            f"`bounding_boxes`: {path_name} has {size_bytes:,} bytes, more than the"
            f" {MAX_XML_BYTES:,} that an annotation can have"
        )


def _parse(data: bytes, path_name: str) -> ElementTree.Element:
    check_xml_bytes(len(data), path_name)
    # Without document types the standard parser has nothing left to be attacked with.
    parser = ElementTree.XMLParser(target=_NoDoctype())  # noqa: S314
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(
            f"`bounding_boxes`: {path_name} cannot be read as an XML annotation: {error}"
        ) from error
    if root.tag != "annotation":
        raise InputError(
            f"`bounding_boxes`: {path_name} is no annotation: its outer element is <{root.tag}>,"
            " not <annotation>"
        )
    return root


def _size(text: str | None) -> float:
    """Returns a width or height, or 0 where there is none that can be used."""
    try:
        value = float(text or "")
    except ValueError:
        return 0.0
    return value if 0 < value < math.inf else 0.0


def _corners(box: ElementTree.Element, path_name: str) -> tuple[float, ...]:
    texts = {child.tag: child.text for child in box}
    try:
        values = tuple(float(texts[corner] or "") for corner in _CORNERS)
    except (KeyError, ValueError):
        values = (math.nan,)
    if not all(map(math.isfinite, values)):
        raise InputError(
            f"`bounding_boxes`: {path_name} has a <bndbox> whose xmin, ymin, xmax and ymax are"
            " not four numbers"
        )
    return values


def _clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def is_boxes_csv(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a CSV of boxes, told by its first line."""
    line = head.lstrip(b"\xef\xbb\xbf").partition(b"\n")[0]
    return _CSV_LINE.fullmatch(line.strip()) is not None


def parse_boxes_csv(lines: Iterable[str], name: str) -> Iterator[tuple[str, BoundingBox]]:
    """Reads the CSV of inception's `process_bounding_boxes.py`: stem and box of each line.

    A line is `n00007846_64193.JPEG,0.0060,0.2620,0.7545,0.9940`: the image, xmin, ymin, xmax,
    ymax. Raises `InputError` for one that is none, or has no fractions of the image.
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
