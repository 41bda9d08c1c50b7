"""Writes archives with the structure of ILSVRC2012."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from imagenet_beam.pipeline.synthetic.archives import Member, claim_folder, publish_tar, write_tar
from imagenet_beam.pipeline.synthetic.boxes import BOX_ARCHIVES, annotate, write_boxes
from imagenet_beam.pipeline.synthetic.devkit import DEVKIT_NAME, write_devkit, write_labels
from imagenet_beam.pipeline.synthetic.hard_images import HARD_IMAGES
from imagenet_beam.pipeline.synthetic.pictures import draw_picture, encode_jpeg, shuffled
from imagenet_beam.pipeline.synthetic.plan import Plan, PlannedImage, SyntheticImageNet
from imagenet_beam.transforms.elements import BoundingBox

__all__ = ["Expected", "SyntheticImageNet", "write_imagenet"]

_TRAIN = "ILSVRC2012_img_train.tar"
_VALIDATION = "ILSVRC2012_img_val.tar"
_TEST = "ILSVRC2012_img_test_v10102019.tar"
_ARCHIVES = (_TRAIN, _VALIDATION, _TEST, DEVKIT_NAME, *BOX_ARCHIVES)


class Expected(Plan):
    """What was written, as a converter should find it; computed when asked for."""

    @cached_property
    def words(self) -> dict[str, str]:
        """By wnid: the synonyms of the class."""
        return {row.wnid: row.words for row in self.classes}

    @cached_property
    def train(self) -> dict[str, str]:
        """By file name of a training image: its wnid."""
        images = (image for image in self._labeled() if image.split == "train")
        return {image.filename: self.wnids[image.label] for image in images}

    @cached_property
    def validation(self) -> dict[str, str]:
        """By file name of a validation image: its wnid."""
        return {image.filename: self.wnids[image.label] for image in self.validation_images}

    @cached_property
    def kinds(self) -> dict[str, str]:
        """By file name of a hard image: its kind, a key of `HARD_IMAGES`."""
        return {image.filename: image.kind for image in self._labeled() if image.kind}

    @cached_property
    def fates(self) -> dict[str, str]:
        """By file name of a hard image: "record", or the reason of its rejection."""
        return {filename: HARD_IMAGES[kind].fate for filename, kind in self.kinds.items()}

    @cached_property
    def boxes(self) -> dict[str, tuple[BoundingBox, ...]]:
        """By file name of an annotated image: its boxes, quirks undone."""
        found = ((image.filename, annotate(self, image)) for image in self._labeled())
        return {filename: annotation.boxes for filename, annotation in found if annotation}

    def _labeled(self) -> Iterator[PlannedImage]:
        for label in range(self.spec.classes):
            yield from self.train_images(label)
        yield from self.validation_images


def write_imagenet(
    output_dir: Path, spec: SyntheticImageNet, progress: Callable[[], object] = int
) -> Expected:
    """Writes archives, devkit, boxes and label files as ILSVRC2012 has them.

    Args:
        output_dir: Where to write; made if it is missing. Label files go to `labels`.
        spec: How much of everything.
        progress: Called after each image; there are `spec.images`.

    Raises:
        InputError: See `claim_folder`.
    """
    claim_folder(output_dir, _ARCHIVES)
    plan = Expected(spec)
    write_devkit(output_dir, plan)
    write_labels(output_dir / "labels", plan)
    if spec.boxes:
        write_boxes(output_dir, plan)

    def draw(image: PlannedImage) -> bytes:
        look = plan.classes[image.label]
        caption = f"{look.name}  #{image.number}"
        if image.kind:
            caption += f"  ({image.kind.replace('_', ' ')})"
        picture = draw_picture(look.shape, look.color, plan.layout(image), caption)
        data = HARD_IMAGES[image.kind].make(picture) if image.kind else encode_jpeg(picture)
        progress()
        return data

    def members(images: Sequence[PlannedImage], *order: object) -> Iterator[Member]:
        for place in shuffled(len(images), spec.seed, *order):
            yield images[place].filename, draw(images[place])

    def class_tars() -> Iterator[Member]:
        for label in shuffled(spec.classes, spec.seed, "class tars"):
            write_tar(file := io.BytesIO(), members(plan.train_images(label), "train", label))
            yield f"{plan.wnids[label]}.tar", file.getvalue()

    publish_tar(output_dir / _TRAIN, class_tars())
    publish_tar(output_dir / _VALIDATION, members(plan.validation_images, "validation order"))
    if spec.test_images:
        test = ((f"test/{image.filename}", draw(image)) for image in plan.test_images())
        publish_tar(output_dir / _TEST, test)
    return plan
