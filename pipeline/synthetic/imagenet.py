"""Writes archives with the structure of ILSVRC2012."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

from imagenet_beam.pipeline.synthetic.boxes import (
    TRAIN_BOXES_NAME,
    VALIDATION_BOXES_NAME,
    annotate,
    write_boxes,
)
from imagenet_beam.pipeline.synthetic.checks import claim_folder
from imagenet_beam.pipeline.synthetic.devkit import DEVKIT_NAME, write_devkit
from imagenet_beam.pipeline.synthetic.hard_images import HARD_IMAGES
from imagenet_beam.pipeline.synthetic.labels import write_labels
from imagenet_beam.pipeline.synthetic.pictures import Layout, draw_picture, encode_jpeg
from imagenet_beam.pipeline.synthetic.plan import (
    Plan,
    PlannedImage,
    SyntheticImageNet,
    estimate_count,
)
from imagenet_beam.pipeline.synthetic.tars import TarStream, tar_file
from imagenet_beam.pipeline.synthetic.variation import shuffled
from imagenet_beam.transforms.elements import BoundingBox

__all__ = ["Expected", "SyntheticImageNet", "estimate_count", "write_imagenet"]

Progress = Callable[[int, int], None]
_PROGRESS_STEPS = 500
_TRAIN = "ILSVRC2012_img_train.tar"
_VALIDATION = "ILSVRC2012_img_val.tar"
_TEST = "ILSVRC2012_img_test_v10102019.tar"
_ARCHIVES = (_TRAIN, _VALIDATION, _TEST, DEVKIT_NAME, TRAIN_BOXES_NAME, VALIDATION_BOXES_NAME)


class Expected:
    """What was written, as a converter should find it; computed when asked for.

    Attributes:
        spec: The numbers that it follows from.
    """

    def __init__(self, spec: SyntheticImageNet) -> None:
        self.spec = spec
        self._plan = Plan(spec)

    @cached_property
    def wnids(self) -> tuple[str, ...]:
        """The classes, sorted."""
        return tuple(row.wnid for row in self._plan.classes)

    @cached_property
    def words(self) -> dict[str, str]:
        """By wnid: the synonyms of the class."""
        return {row.wnid: row.words for row in self._plan.classes}

    @cached_property
    def ilsvrc_ids(self) -> dict[str, int]:
        """By wnid: the devkit's number of the class."""
        return dict(zip(self.wnids, self._plan.ilsvrc_ids, strict=True))

    @cached_property
    def train(self) -> dict[str, str]:
        """By file name of a training image: its wnid."""
        return {image.filename: self.wnids[image.label] for image in self._train_images}

    @cached_property
    def validation(self) -> dict[str, str]:
        """By file name of a validation image: its wnid."""
        return {image.filename: self.wnids[image.label] for image in self._plan.validation_images}

    @cached_property
    def test(self) -> tuple[str, ...]:
        """File names of the test images."""
        numbers = range(1, self.spec.test_images + 1)
        return tuple(self._plan.test_image(number).filename for number in numbers)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """By file name of a hard image: its kind, a key of `HARD_IMAGES`."""
        images = (*self._train_images, *self._plan.validation_images)
        return {image.filename: image.kind for image in images if image.kind}

    @cached_property
    def fates(self) -> dict[str, str]:
        """By file name of a hard image: "record", or the reason of its rejection."""
        return {filename: HARD_IMAGES[kind].fate for filename, kind in self.kinds.items()}

    @cached_property
    def boxes(self) -> dict[str, tuple[BoundingBox, ...]]:
        """By file name of an annotated image: its boxes, quirks undone."""
        images = (*self._train_images, *self._plan.validation_images)
        found = ((image.filename, annotate(self._plan, image)) for image in images)
        return {filename: annotation.boxes for filename, annotation in found if annotation}

    @cached_property
    def _train_images(self) -> tuple[PlannedImage, ...]:
        labels = range(self.spec.classes)
        return tuple(image for label in labels for image in self._plan.train_images(label))


def write_imagenet(
    output_dir: Path, spec: SyntheticImageNet, progress: Progress | None = None
) -> Expected:
    """Writes archives, devkit, boxes and label files as ILSVRC2012 has them.

    Each archive appears under its name when it is complete. Synthetic archives that
    are in the folder already are replaced, others never.

    Args:
        output_dir: Where to write; made if it is missing. Label files go to `labels`.
        spec: How much of everything.
        progress: Called now and then with the images written and their total.

    Returns:
        What a converter should find in the archives.

    Raises:
        InputError: The output folder cannot be made, or holds archives that are not
            synthetic.
    """
    claim_folder(output_dir, _ARCHIVES)
    plan = Plan(spec)
    artist = _Artist(plan, progress)
    write_devkit(output_dir, plan)
    write_labels(output_dir / "labels", plan)
    if spec.boxes:
        write_boxes(output_dir, plan)
    _write_train(output_dir / _TRAIN, plan, artist)
    _write_validation(output_dir / _VALIDATION, plan, artist)
    if spec.test_images:
        _write_test(output_dir / _TEST, plan, artist)
    return Expected(spec)


def _write_train(path: Path, plan: Plan, artist: "_Artist") -> None:
    spec = plan.spec
    with tar_file(path, spec.tar_format) as tar:
        for label in shuffled(spec.classes, spec.seed, "class tars"):
            images = plan.train_images(label)
            with tar.nested(f"{plan.classes[label].wnid}.tar") as class_tar:
                for place in shuffled(len(images), spec.seed, "train order", label):
                    artist.add(class_tar, images[place])


def _write_validation(path: Path, plan: Plan, artist: "_Artist") -> None:
    images = plan.validation_images
    with tar_file(path, plan.spec.tar_format) as tar:
        for place in shuffled(len(images), plan.spec.seed, "validation order"):
            artist.add(tar, images[place])


def _write_test(path: Path, plan: Plan, artist: "_Artist") -> None:
    with tar_file(path, plan.spec.tar_format) as tar:
        for number in range(1, plan.spec.test_images + 1):
            artist.add(tar, plan.test_image(number), "test/")


class _Artist:
    """Draws the planned images into tars and counts them."""

    def __init__(self, plan: Plan, progress: Progress | None) -> None:
        self._plan = plan
        self._progress = progress
        self._total = estimate_count(plan.spec)
        self._done = 0

    def add(self, tar: TarStream, image: PlannedImage, folder: str = "") -> None:
        tar.add(f"{self._plan.spec.member_folder}{folder}{image.filename}", self._encode(image))
        self._done += 1
        last = self._done == self._total
        if self._progress and (last or self._done % (self._total // _PROGRESS_STEPS + 1) == 0):
            self._progress(self._done, self._total)

    def _encode(self, image: PlannedImage) -> bytes:
        layout = self._plan.layout(image)
        if self._plan.is_tiny and not image.kind:
            return self._tiny_jpeg(image.label, layout)
        look = self._plan.classes[image.label]
        caption = f"{look.name}  #{image.number}"
        if not image.kind:
            return encode_jpeg(draw_picture(look, image.label, layout, caption))
        caption = f"{caption}  ({image.kind.replace('_', ' ')})"
        in_color = layout._replace(gray=False)
        return HARD_IMAGES[image.kind].make(draw_picture(look, image.label, in_color, caption))

    @lru_cache(maxsize=16_384)  # noqa: B019 - lives as long as one call of write_imagenet
    def _tiny_jpeg(self, label: int, layout: Layout) -> bytes:
        return encode_jpeg(draw_picture(self._plan.classes[label], label, layout, ""))
