"""Bounding boxes in PASCAL-VOC XML, with the quirks of the real ones."""

from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.archives import Member, publish_tar
from imagenet_beam.pipeline.synthetic.pictures import Box
from imagenet_beam.pipeline.synthetic.plan import Plan, PlannedImage
from imagenet_beam.pipeline.synthetic.variation import numbers
from imagenet_beam.transforms.elements import BoundingBox

TRAIN_BOXES_NAME = "ILSVRC2012_bbox_train_v2.tar.gz"
VALIDATION_BOXES_NAME = "ILSVRC2012_bbox_val_v3.tgz"
# The real archive has boxes for 544,546 of 1,281,167 training images.
_TRAIN_SHARE_PERCENT = 42
# A class that is annotated in the real archive and not among the thousand.
_STRANGER_WNID = "n00007846"


class Quirk(Enum):
    """What is odd about an annotation; the boxes in the picture are the same."""

    NONE = auto()
    PLACEHOLDER_FILENAME = auto()  # the filename is %s
    WORD_AS_NAME = auto()  # the object's name is a word instead of a wnid
    OTHER_SIZE = auto()  # size and boxes are those of a picture twice as large
    SWAPPED = auto()  # xmin is larger than xmax, ymin than ymax
    OUTSIDE = auto()  # a second box reaches out of the picture
    EMPTY_BOX = auto()  # a second box has no area


class Annotation(NamedTuple):
    """The annotation of one image.

    Attributes:
        size: Width and height that it claims.
        pixel_boxes: Left, top, right, bottom of each object, as written.
        quirk: What is odd about it.
        boxes: What a reader should make of it.
    """

    size: tuple[int, int]
    pixel_boxes: tuple[Box, ...]
    quirk: Quirk
    boxes: tuple[BoundingBox, ...]


def annotate(plan: Plan, image: PlannedImage) -> Annotation | None:
    """The annotation of an image; None for the training images that have none."""
    draw, choice = numbers(2, plan.spec.seed, "boxes", image.filename)
    if image.split == "train" and draw % 100 >= _TRAIN_SHARE_PERCENT:
        return None
    layout = plan.layout(image)
    width, height, box = layout.width, layout.height, layout.box
    if image.kind == "exif_orientation_6":
        # Annotators, too, saw the pixels as they are stored: lying on their side.
        left, top, right, bottom = box
        width, height, box = height, width, (top, width - right, bottom, width - left)
    return _annotation(width, height, box, list(Quirk)[choice % len(Quirk)])


def _annotation(width: int, height: int, box: Box, quirk: Quirk) -> Annotation:
    left, top, right, bottom = box
    size, pixel_boxes, inside = (width, height), [box], [box]
    if quirk is Quirk.OTHER_SIZE:
        size = (2 * width, 2 * height)
        pixel_boxes = [(2 * left, 2 * top, 2 * right, 2 * bottom)]
    elif quirk is Quirk.SWAPPED:
        pixel_boxes = [(right, bottom, left, top)]
    elif quirk is Quirk.OUTSIDE:
        pixel_boxes.append((left, top, width + 20, height + 5))
        inside.append((left, top, width, height))
    elif quirk is Quirk.EMPTY_BOX:
        pixel_boxes.append((left, top, left, bottom))
    boxes = (
        BoundingBox(x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in inside
    )
    return Annotation(size, tuple(pixel_boxes), quirk, tuple(boxes))


def write_boxes(output_dir: Path, plan: Plan) -> None:
    """Writes the box archives of the training and the validation images."""
    publish_tar(output_dir / TRAIN_BOXES_NAME, _train_members(plan), packed=True)
    publish_tar(output_dir / VALIDATION_BOXES_NAME, _validation_members(plan), packed=True)


def _train_members(plan: Plan) -> Iterator[Member]:
    stranger, stem = _STRANGER_WNID, f"{_STRANGER_WNID}_64193"
    yield "./", b""
    yield f"./{stranger}/", b""
    annotation = _annotation(500, 375, (10, 20, 200, 300), Quirk.NONE)
    yield f"./{stranger}/{stem}.xml", _voc(stranger, stem, stranger, annotation)
    for label, row in enumerate(plan.classes):
        yield f"./{row.wnid}/", b""
        for image in plan.train_images(label):
            if found := annotate(plan, image):
                yield f"./{row.wnid}/{image.stem}.xml", _xml(plan, image, row.wnid, found)


def _validation_members(plan: Plan) -> Iterator[Member]:
    yield "val/", b""
    for image in plan.validation_images:
        if found := annotate(plan, image):
            yield f"val/{image.stem}.xml", _xml(plan, image, "val", found)


def _xml(plan: Plan, image: PlannedImage, folder: str, annotation: Annotation) -> bytes:
    row, quirk = plan.classes[image.label], annotation.quirk
    name = row.name.replace(" ", "_") if quirk is Quirk.WORD_AS_NAME else row.wnid
    stem = "%s" if quirk is Quirk.PLACEHOLDER_FILENAME else image.stem
    return _voc(folder, stem, name, annotation)


def _voc(folder: str, filename: str, name: str, annotation: Annotation) -> bytes:
    width, height = annotation.size
    objects = "".join(
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>\n"
        f"\t\t\t<xmin>{left}</xmin>\n\t\t\t<ymin>{top}</ymin>\n"
        f"\t\t\t<xmax>{right}</xmax>\n\t\t\t<ymax>{bottom}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        for left, top, right, bottom in annotation.pixel_boxes
    )
    return (
        f"<annotation>\n\t<folder>{folder}</folder>\n\t<filename>{filename}</filename>\n"
        "\t<source>\n\t\t<database>ILSVRC_2012</database>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n"
        f"\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n{objects}</annotation>\n"
    ).encode()
