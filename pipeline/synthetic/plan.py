"""What a synthetic ImageNet consists of, decided before anything is drawn."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.catalog import (
    MAX_CLASSES,
    SyntheticClass,
    choose_classes,
)
from imagenet_beam.pipeline.synthetic.checks import check_range
from imagenet_beam.pipeline.synthetic.hard_images import BAD_KINDS, GOOD_KINDS
from imagenet_beam.pipeline.synthetic.pictures import TINY_PIXELS, Layout, plan_layout
from imagenet_beam.pipeline.synthetic.tars import FORMATS
from imagenet_beam.pipeline.synthetic.variation import deranged, numbers, shuffled
from imagenet_beam.transforms.errors import InputError

# The number in a real training file's name goes up to about this.
_FILE_NUMBER_SPAN = 50_000
_TINY_VARIANTS = 4
_MAX_IMAGES = 100_000_000
_MIN_SIDE_PIXELS, _MAX_SIDE_PIXELS = 8, 8_192
# Names in a ustar header: 100 bytes, and 155 more for the folders.
_USTAR_FOLDER_BYTES = 155


@dataclass(frozen=True)
class SyntheticImageNet:
    """How large a synthetic ImageNet is, and what is difficult about it.

    Attributes:
        classes: Number of classes; the built-in ones first, then invented ones.
        train_per_class: Training images in each class.
        validation_per_class: Validation images of each class.
        test_images: Unlabelled images; with 0 there is no test archive.
        hard_images: Put one image of each kind that converters must repair into
            the training and the validation archive.
        image_width: About how wide the pictures are, in pixels. Below 32 nothing is
            drawn for each picture: a few encoded ones are used again and again.
        image_height: About how high they are.
        seed: Another number gives other pictures, names and orders.
        bad_images: Put in also the kinds that must be rejected.
        tar_format: `gnu`, `pax` (an extended header for each member) or `ustar`.
        member_folder: Put before the name of each image in its tar, such as "./";
            with more than 100 characters the archives need long names.
        boxes: Write the two archives of bounding boxes.

    Raises:
        InputError: A value is out of its range.
    """

    classes: int = 10
    train_per_class: int = 20
    validation_per_class: int = 5
    test_images: int = 0
    hard_images: bool = True
    image_width: int = 500
    image_height: int = 375
    seed: int = 0
    bad_images: bool = False
    tar_format: str = "gnu"
    member_folder: str = ""
    boxes: bool = True

    def __post_init__(self) -> None:
        check_range("classes", self.classes, 1, MAX_CLASSES)
        for name in ("train_per_class", "validation_per_class"):
            check_range(name, getattr(self, name), 1, _MAX_IMAGES // self.classes)
        check_range("test_images", self.test_images, 0, _MAX_IMAGES)
        for name in ("image_width", "image_height"):
            check_range(name, getattr(self, name), _MIN_SIDE_PIXELS, _MAX_SIDE_PIXELS)
        if self.tar_format not in FORMATS:
            accepted = ", ".join(FORMATS)
            raise InputError(f"--tar_format={self.tar_format} is none of {accepted}.")
        self._check_member_folder()

    def _check_member_folder(self) -> None:
        folder = self.member_folder
        if folder and not folder.endswith("/"):
            raise InputError(f'--member_folder={folder} does not end in "/".')
        if self.tar_format == "ustar" and len(folder.encode()) > _USTAR_FOLDER_BYTES:
            raise InputError(
                f"--member_folder has {len(folder.encode())} bytes, and --tar_format=ustar "
                f"has room for {_USTAR_FOLDER_BYTES}; gnu and pax take any length."
            )


class PlannedImage(NamedTuple):
    """One image of the plan.

    Attributes:
        filename: Its name in the archive.
        split: `train`, `validation` or `test`.
        label: Number of its class in the order of the wnids, from 0.
        number: Its number within split and class, as in the file name.
        kind: A key of `HARD_IMAGES`, or "" for an ordinary picture.
    """

    filename: str
    split: str
    label: int
    number: int
    kind: str = ""


class Plan:
    """Everything about the archives that follows from the numbers of a `SyntheticImageNet`.

    Attributes:
        spec: These numbers.
        classes: The classes, sorted by wnid: the position is the label.
    """

    def __init__(self, spec: SyntheticImageNet) -> None:
        self.spec = spec
        self.classes: tuple[SyntheticClass, ...] = choose_classes(spec.classes)

    @cached_property
    def ilsvrc_ids(self) -> tuple[int, ...]:
        """By label: the class's ILSVRC2012_ID, from 1, in another order than the labels."""
        order = deranged(len(self.classes), self.spec.seed, "ids")
        return tuple(place + 1 for place in order)

    def train_images(self, label: int) -> tuple[PlannedImage, ...]:
        """The training images of one class, by file number."""
        count = self.spec.train_per_class
        widest_gap = max(2, _FILE_NUMBER_SPAN // count)
        draws = numbers(count, self.spec.seed, "train numbers", label)
        file_numbers = accumulate(1 + draw % widest_gap for draw in draws)
        wnid, first = self.classes[label].wnid, label * count
        return tuple(
            PlannedImage(
                f"{wnid}_{number}.JPEG",
                "train",
                label,
                number,
                self._train_kinds.get(first + place, ""),
            )
            for place, number in enumerate(file_numbers)
        )

    @cached_property
    def validation_images(self) -> tuple[PlannedImage, ...]:
        """All validation images, by file number."""
        count = self.spec.classes * self.spec.validation_per_class
        order = shuffled(count, self.spec.seed, "validation classes")
        kinds = self._places_of_kinds(count)
        return tuple(
            PlannedImage(
                f"ILSVRC2012_val_{place + 1:08d}.JPEG",
                "validation",
                item % self.spec.classes,
                place + 1,
                kinds.get(place, ""),
            )
            for place, item in enumerate(order)
        )

    def test_image(self, number: int) -> PlannedImage:
        """One unlabelled image; the label only says what is drawn."""
        label = numbers(1, self.spec.seed, "test classes", number)[0] % self.spec.classes
        return PlannedImage(f"ILSVRC2012_test_{number:08d}.JPEG", "test", label, number)

    def layout(self, image: PlannedImage) -> Layout:
        """Size and composition of the picture, as it is meant to be looked at."""
        spec = self.spec
        key: tuple[object, ...] = (
            spec.seed,
            image.split,
            self.classes[image.label].wnid,
            image.number,
        )
        if self.is_tiny:
            key = (spec.seed, image.number % _TINY_VARIANTS)
        sketch = self.classes[image.label].sketch
        return plan_layout(sketch, spec.image_width, spec.image_height, *key)

    @property
    def is_tiny(self) -> bool:
        """Whether pictures are too small for a caption, and so are shared by many files."""
        return min(self.spec.image_width, self.spec.image_height) < TINY_PIXELS

    @cached_property
    def _train_kinds(self) -> dict[int, str]:
        return self._places_of_kinds(self.spec.classes * self.spec.train_per_class)

    def _places_of_kinds(self, count: int) -> dict[int, str]:
        """Spreads the hard images evenly over `count` places, one of each kind."""
        good = GOOD_KINDS if self.spec.hard_images else ()
        kinds = (*good, *(BAD_KINDS if self.spec.bad_images else ()))[:count]
        return {index * count // len(kinds): kind for index, kind in enumerate(kinds)}


def estimate_count(spec: SyntheticImageNet) -> int:
    """How many images will be written, over all splits."""
    per_class = spec.train_per_class + spec.validation_per_class
    return spec.classes * per_class + spec.test_images
