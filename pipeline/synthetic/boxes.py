"""Bounding boxes in PASCAL-VOC XML, with the quirks of the real ones."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.archives import Member, in_folder, publish_tar
from imagenet_beam.pipeline.synthetic.pictures import Box, numbers
from imagenet_beam.pipeline.synthetic.plan import Plan, PlannedImage
from imagenet_beam.transforms.elements import BoundingBox

BOX_ARCHIVES = ("ILSVRC2012_bbox_train_v2.tar.gz", "ILSVRC2012_bbox_val_v3.tgz")
# The real archive has boxes for 544,546 of 1,281,167 training images.
_TRAIN_SHARE_PERCENT = 42
# A class that is annotated in the real archive and not among the thousand.
_STRANGER_WNID = "n00007846"
_STRANGER = f"{_STRANGER_WNID}_64193"


class Annotation(NamedTuple):
    """What is written of one image, and the `boxes` that a reader should make of it."""

    filename: str
    name: str
    size: tuple[int, int]
    pixel_boxes: tuple[Box, ...]
    boxes: tuple[BoundingBox, ...] = ()


def annotate(plan: Plan, image: PlannedImage) -> Annotation | None:
    """The annotation of an image, most with a quirk; None for training images that have none."""
    draw, choice = numbers(2, plan.spec.seed, "boxes", image.filename)
    if image.split == "train" and draw % 100 >= _TRAIN_SHARE_PERCENT:
        return None
    layout, row = plan.layout(image), plan.classes[image.label]
    width, height, box = layout.width, layout.height, layout.box
    left, top, right, bottom = box
    if image.kind == "exif_orientation_6":
        # Annotators, too, saw the pixels as they are stored: lying on their side.
        width, height, box = height, width, (top, width - right, bottom, width - left)
        left, top, right, bottom = box
    filename, name, size = image.stem, row.wnid, (width, height)
    pixel_boxes, inside = [box], [box]
    match choice % 7:  # 0 has no quirk
        case 1:
            filename = "%s"
        case 2:  # a word instead of a wnid
            name = row.name.replace(" ", "_")
        case 3:  # size and boxes of a picture twice as large
            size = (2 * width, 2 * height)
            pixel_boxes = [(2 * left, 2 * top, 2 * right, 2 * bottom)]
        case 4:  # xmin is larger than xmax, ymin than ymax
            pixel_boxes = [(right, bottom, left, top)]
        case 5:  # a second box reaches out of the picture
            pixel_boxes.append((left, top, width + 20, height + 5))
            inside.append((left, top, width, height))
        case 6:  # a second box has no area
            pixel_boxes.append((left, top, left, bottom))
    boxes = (
        BoundingBox(x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in inside
    )
    return Annotation(filename, name, size, tuple(pixel_boxes), tuple(boxes))


def write_boxes(output_dir: Path, plan: Plan) -> None:
    """Writes the box archives of the training and the validation images."""
    stranger = Annotation(_STRANGER, _STRANGER_WNID, (500, 375), ((10, 20, 200, 300),))
    xml = (f"{_STRANGER}.xml", _voc(_STRANGER_WNID, stranger))
    folders = [in_folder(f"{_STRANGER_WNID}/", [xml])]
    for label, wnid in enumerate(plan.wnids):
        folders.append(in_folder(f"{wnid}/", _members(plan, plan.train_images(label), wnid)))
    publish_tar(output_dir / BOX_ARCHIVES[0], in_folder("./", *folders))
    validation = in_folder("val/", _members(plan, plan.validation_images, "val"))
    publish_tar(output_dir / BOX_ARCHIVES[1], validation)


def _members(plan: Plan, images: Iterable[PlannedImage], folder: str) -> Iterator[Member]:
    for image in images:
        if annotation := annotate(plan, image):
            yield f"{image.stem}.xml", _voc(folder, annotation)


def _voc(folder: str, annotation: Annotation) -> bytes:
    filename, name, (width, height), pixel_boxes, _ = annotation
    objects = "".join(
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>\n"
        f"\t\t\t<xmin>{left}</xmin>\n\t\t\t<ymin>{top}</ymin>\n"
        f"\t\t\t<xmax>{right}</xmax>\n\t\t\t<ymax>{bottom}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        for left, top, right, bottom in pixel_boxes
    )
    return (
        f"<annotation>\n\t<folder>{folder}</folder>\n\t<filename>{filename}</filename>\n"
        "\t<source>\n\t\t<database>ILSVRC_2012</database>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n"
        f"\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n{objects}</annotation>\n"
    ).encode()
