"""Bounding boxes in PASCAL-VOC XML, with the quirks of the real ones."""

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.plan import Plan, PlannedImage
from imagenet_beam.pipeline.synthetic.tars import gzipped_tar_file
from imagenet_beam.pipeline.synthetic.variation import numbers
from imagenet_beam.transforms.elements import BoundingBox

TRAIN_BOXES_NAME = "ILSVRC2012_bbox_train_v2.tar.gz"
VALIDATION_BOXES_NAME = "ILSVRC2012_bbox_val_v3.tgz"
# The real archive has boxes for 544,546 of 1,281,167 training images.
_TRAIN_SHARE_PERCENT = 42
# A class that is annotated in the real archive and not among the thousand.
_STRANGER_WNID = "n00007846"
_PixelBox = tuple[int, int, int, int]


class Quirk(Enum):
    """What is odd about an annotation; the boxes in the picture are the same."""

    NONE = "as documented"
    PLACEHOLDER_FILENAME = "the filename is %s"
    WORD_AS_NAME = "the object's name is a word instead of a wnid"
    OTHER_SIZE = "size and boxes are those of a picture twice as large"
    SWAPPED = "xmin is larger than xmax, ymin than ymax"
    OUTSIDE = "a second box reaches out of the picture"
    EMPTY_BOX = "a second box has no area"


_QUIRKS = tuple(Quirk)


class Annotation(NamedTuple):
    """The annotation of one image.

    Attributes:
        size: Width and height that it claims.
        pixel_boxes: Left, top, right, bottom of each object, as written.
        quirk: What is odd about it.
        boxes: What a reader should make of it.
    """

    size: tuple[int, int]
    pixel_boxes: tuple[_PixelBox, ...]
    quirk: Quirk
    boxes: tuple[BoundingBox, ...]


def annotate(plan: Plan, image: PlannedImage) -> Annotation | None:
    """The annotation of an image; None for the training images that have none."""
    draw, choice = numbers(2, plan.spec.seed, "boxes", image.filename)
    if image.split == "train" and draw % 100 >= _TRAIN_SHARE_PERCENT:
        return None
    layout = plan.layout(image)
    (width, height), box = (layout.width, layout.height), layout.box
    if image.kind == "exif_orientation_6":
        # Annotators, too, saw the pixels as they are stored: lying on their side.
        left, top, right, bottom = box
        (width, height), box = (height, width), (top, width - right, bottom, width - left)
    return _annotation((width, height), box, _QUIRKS[choice % len(_QUIRKS)])


def _annotation(size: tuple[int, int], box: _PixelBox, quirk: Quirk) -> Annotation:
    left, top, right, bottom = box
    width, height = size
    pixel_boxes = [box]
    if quirk is Quirk.OTHER_SIZE:
        size = (2 * width, 2 * height)
        pixel_boxes = [(2 * left, 2 * top, 2 * right, 2 * bottom)]
    elif quirk is Quirk.SWAPPED:
        pixel_boxes = [(right, bottom, left, top)]
    elif quirk is Quirk.OUTSIDE:
        pixel_boxes.append((left, top, width + 20, height + 5))
    elif quirk is Quirk.EMPTY_BOX:
        pixel_boxes.append((left, top, left, bottom))
    boxes = [_fractions(box, width, height)]
    if quirk is Quirk.OUTSIDE:
        boxes.append(_fractions((left, top, width, height), width, height))
    return Annotation(size, tuple(pixel_boxes), quirk, tuple(boxes))


def _fractions(box: _PixelBox, width: int, height: int) -> BoundingBox:
    left, top, right, bottom = box
    return BoundingBox(left / width, top / height, right / width, bottom / height)


def write_boxes(output_dir: Path, plan: Plan) -> None:
    """Writes the box archives of the training and the validation images."""
    _write_train_boxes(output_dir / TRAIN_BOXES_NAME, plan)
    with gzipped_tar_file(output_dir / VALIDATION_BOXES_NAME) as tar:
        tar.add_folder("val/")
        for image in plan.validation_images:
            if annotation := annotate(plan, image):
                tar.add(f"val/{_stem(image)}.xml", _xml(plan, image, "val", annotation))


def _write_train_boxes(path: Path, plan: Plan) -> None:
    with gzipped_tar_file(path) as tar:
        tar.add_folder("./")
        stranger = _annotation((500, 375), (10, 20, 200, 300), Quirk.NONE)
        tar.add_folder(f"./{_STRANGER_WNID}/")
        tar.add(
            f"./{_STRANGER_WNID}/{_STRANGER_WNID}_64193.xml",
            _voc(_STRANGER_WNID, f"{_STRANGER_WNID}_64193", _STRANGER_WNID, stranger),
        )
        for label, row in enumerate(plan.classes):
            tar.add_folder(f"./{row.wnid}/")
            for image in plan.train_images(label):
                if annotation := annotate(plan, image):
                    data = _xml(plan, image, row.wnid, annotation)
                    tar.add(f"./{row.wnid}/{_stem(image)}.xml", data)


def _xml(plan: Plan, image: PlannedImage, folder: str, annotation: Annotation) -> bytes:
    row = plan.classes[image.label]
    by_word = annotation.quirk is Quirk.WORD_AS_NAME
    placeholder = annotation.quirk is Quirk.PLACEHOLDER_FILENAME
    name = row.name.replace(" ", "_") if by_word else row.wnid
    return _voc(folder, "%s" if placeholder else _stem(image), name, annotation)


def _voc(folder: str, filename: str, name: str, annotation: Annotation) -> bytes:
    width, height = annotation.size
    objects = "".join(_object(name, box) for box in annotation.pixel_boxes)
    return (
        f"<annotation>\n\t<folder>{folder}</folder>\n\t<filename>{filename}</filename>\n"
        "\t<source>\n\t\t<database>ILSVRC_2012</database>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n"
        f"\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n{objects}</annotation>\n"
    ).encode()


def _object(name: str, box: _PixelBox) -> str:
    edges = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    lines = "".join(f"\t\t\t<{edge}>{pixel}</{edge}>\n" for edge, pixel in edges)
    return (
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n"
        f"\t\t<bndbox>\n{lines}\t\t</bndbox>\n\t</object>\n"
    )


def _stem(image: PlannedImage) -> str:
    return image.filename.removesuffix(".JPEG")
