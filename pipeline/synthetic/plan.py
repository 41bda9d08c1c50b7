"""What a synthetic ImageNet consists of, decided before anything is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.archives import check_range
from imagenet_beam.pipeline.synthetic.classes import MAX_CLASSES, SyntheticClass, choose_classes
from imagenet_beam.pipeline.synthetic.hard_images import BAD_KINDS, GOOD_KINDS
from imagenet_beam.pipeline.synthetic.pictures import Layout, plan_layout
from imagenet_beam.pipeline.synthetic.variation import numbers, shuffled

# The number in a real training file's name goes up to about this.
_FILE_NUMBER_SPAN = 50_000
_MAX_IMAGES = 100_000_000


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
        image_width: About how wide the pictures are, in pixels; below 32 without captions.
        image_height: About how high they are.
        seed: Another number gives other pictures, names and orders.
        bad_images: Put in also the kinds that must be rejected.
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
    boxes: bool = True

    def __post_init__(self) -> None:
        check_range("classes", self.classes, 1, MAX_CLASSES)
        for name in ("train_per_class", "validation_per_class"):
            check_range(name, getattr(self, name), 1, _MAX_IMAGES // self.classes)
        check_range("test_images", self.test_images, 0, _MAX_IMAGES)
        for name in ("image_width", "image_height"):
            check_range(name, getattr(self, name), 8, 8_192)

    @property
    def images(self) -> int:
        """How many images there are, over all splits."""
        return self.classes * (self.train_per_class + self.validation_per_class) + self.test_images


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

    @property
    def stem(self) -> str:
        """The file name without its suffix."""
        return self.filename.removesuffix(".JPEG")


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
    def ilsvrc_ids(self) -> dict[str, int]:
        """By wnid: the devkit's number of the class, from 1; none is its label + 1."""
        ids = list(range(1, len(self.classes) + 1))
        # Sattolo's algorithm: it yields one cycle through all places.
        draws = numbers(len(ids), self.spec.seed, "ids")
        for last, draw in zip(range(len(ids) - 1, 0, -1), draws, strict=False):
            other = draw % last
            ids[last], ids[other] = ids[other], ids[last]
        return {row.wnid: number for row, number in zip(self.classes, ids, strict=True)}

    def train_images(self, label: int) -> tuple[PlannedImage, ...]:
        """The training images of one class, by file number."""
        count, wnid = self.spec.train_per_class, self.classes[label].wnid
        kinds = self._places_of_kinds(self.spec.classes * count)
        widest_gap = max(2, _FILE_NUMBER_SPAN // count)
        draws = numbers(count, self.spec.seed, "train numbers", label)
        file_numbers = accumulate(1 + draw % widest_gap for draw in draws)
        return tuple(
            PlannedImage(f"{wnid}_{number}.JPEG", "train", label, number, kinds.get(place, ""))
            for place, number in enumerate(file_numbers, label * count)
        )

    @cached_property
    def validation_images(self) -> tuple[PlannedImage, ...]:
        """All validation images, by file number."""
        classes = self.spec.classes
        order = shuffled(
            classes * self.spec.validation_per_class, self.spec.seed, "validation classes"
        )
        kinds = self._places_of_kinds(len(order))
        return tuple(
            PlannedImage(
                f"ILSVRC2012_val_{place + 1:08d}.JPEG",
                "validation",
                item % classes,
                place + 1,
                kinds.get(place, ""),
            )
            for place, item in enumerate(order)
        )

    def test_images(self) -> Iterator[PlannedImage]:
        """The unlabelled images; their label only says what is drawn."""
        for number in range(1, self.spec.test_images + 1):
            label = numbers(1, self.spec.seed, "test classes", number)[0] % self.spec.classes
            yield PlannedImage(f"ILSVRC2012_test_{number:08d}.JPEG", "test", label, number)

    def layout(self, image: PlannedImage) -> Layout:
        """Size and composition of the picture, as it is meant to be looked at."""
        spec, wnid = self.spec, self.classes[image.label].wnid
        key = (spec.seed, image.split, wnid, image.number)
        return plan_layout(spec.image_width, spec.image_height, *key)

    def _places_of_kinds(self, count: int) -> dict[int, str]:
        """Spreads the hard images evenly over `count` places, one of each kind."""
        good = GOOD_KINDS if self.spec.hard_images else ()
        kinds = (*good, *(BAD_KINDS if self.spec.bad_images else ()))[:count]
        return {index * count // len(kinds): kind for index, kind in enumerate(kinds)}
