"""What a synthetic ImageNet consists of, decided before anything is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic import pictures
from imagenet_beam.pipeline.synthetic.archives import check_range
from imagenet_beam.pipeline.synthetic.hard_images import BAD_KINDS, GOOD_KINDS
from imagenet_beam.pipeline.synthetic.pictures import COLORS, SHAPES, numbers, shuffled

# The number in a real training file's name goes up to about this.
_FILE_NUMBER_SPAN = 50_000
_MAX_IMAGES, _MAX_CLASSES = 100_000_000, 100_000
_FIRST_INVENTED = 90_000_000


class SyntheticClass(NamedTuple):
    """One class: WordNet key, synonyms as in `tabby, tabby cat`, a shape in a colour."""

    wnid: str
    words: str
    shape: str
    color: str

    @property
    def name(self) -> str:
        """The first of its synonyms."""
        return self.words.split(", ")[0]


# The order counts: the first ten are the demo. Each pair that shares a name is there.
_KNOWN = """\
n01440764 fish green tench, Tinca tinca
n01514668 crown red cock
n01622779 heart brown great grey owl, great gray owl, Strix nebulosa
n01669191 hexagon teal box turtle, box tortoise
n02012849 arrow sky crane
n03126707 cross orange crane
n02123045 cat gray tabby, tabby cat
n07753592 moon yellow banana
n11939491 flower white daisy
n02782093 circle pink balloon
n01443537 fish orange goldfish, Carassius auratus
n01644373 heart green tree frog, tree-frog
n02056570 drop black king penguin, Aptenodytes patagonica
n02165456 circle red ladybug, ladybeetle, lady beetle, ladybird, ladybird beetle
n02317335 star orange starfish, sea star
n03063599 square blue coffee mug
n03710637 diamond blue maillot
n03710721 diamond black maillot, tank suit
n04285008 arrow red sports car, sport car
n07745940 heart red strawberry
n02113186 cat orange Cardigan, Cardigan Welsh corgi
n02963159 square purple cardigan
n07873807 triangle yellow pizza, pizza pie
"""


def choose_classes(count: int) -> tuple[SyntheticClass, ...]:
    """The first `count` classes, sorted by wnid; invented ones follow the built-in ones.

    No two of the first 195 look alike.
    """
    rows = [line.split(" ", 3) for line in _KNOWN.splitlines()]
    classes = [SyntheticClass(wnid, words, shape, color) for wnid, shape, color, words in rows]
    known = {(row.color, row.shape) for row in classes}
    looks = [look for look in product(COLORS, SHAPES) if look not in known]
    for number in range(count - len(classes)):
        color, shape = looks[number % len(looks)]
        words = f"{color} {shape} {number}, invented class {number}"
        classes.append(SyntheticClass(f"n{_FIRST_INVENTED + 17 * number}", words, shape, color))
    return tuple(sorted(classes[:count]))


@dataclass(frozen=True)
class SyntheticImageNet:
    """How large a synthetic ImageNet is, and what is difficult about it.

    Attributes:
        classes: Number of classes; the built-in ones first, then invented ones.
        test_images: Unlabelled images; with 0 there is no test archive.
        hard_images: Put one image of each kind that converters must repair into
            the training and the validation archive.
        image_width: About how wide the pictures are, in pixels; below 32 without captions.
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
        check_range("classes", self.classes, 1, _MAX_CLASSES)
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
        classes: The classes, sorted by wnid as `wnids` are: the position is the label.
    """

    def __init__(self, spec: SyntheticImageNet) -> None:
        self.spec = spec
        self.classes = choose_classes(spec.classes)
        self.wnids = tuple(row.wnid for row in self.classes)

    @cached_property
    def ilsvrc_ids(self) -> dict[str, int]:
        """By wnid: the devkit's number of the class, from 1; none is its label + 1."""
        ids = list(range(1, len(self.classes) + 1))
        # Sattolo's algorithm: it yields one cycle through all places.
        draws = numbers(len(ids), self.spec.seed, "ids")
        for last, draw in zip(range(len(ids) - 1, 0, -1), draws, strict=False):
            other = draw % last
            ids[last], ids[other] = ids[other], ids[last]
        return dict(zip(self.wnids, ids, strict=True))

    def train_images(self, label: int) -> tuple[PlannedImage, ...]:
        """The training images of one class, by file number."""
        count, wnid = self.spec.train_per_class, self.wnids[label]
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
        count = self.spec.classes * self.spec.validation_per_class
        kinds, found = self._places_of_kinds(count), []
        for place, item in enumerate(shuffled(count, self.spec.seed, "validation classes")):
            name, label = f"ILSVRC2012_val_{place + 1:08d}.JPEG", item % self.spec.classes
            kind = kinds.get(place, "")
            found.append(PlannedImage(name, "validation", label, place + 1, kind))
        return tuple(found)

    def test_images(self) -> Iterator[PlannedImage]:
        """The unlabelled images; their label only says what is drawn."""
        for number in range(1, self.spec.test_images + 1):
            label = numbers(1, self.spec.seed, "test classes", number)[0] % self.spec.classes
            yield PlannedImage(f"ILSVRC2012_test_{number:08d}.JPEG", "test", label, number)

    def layout(self, image: PlannedImage) -> pictures.Layout:
        """Size and composition of the picture, as it is meant to be looked at."""
        key = (self.spec.seed, image.split, self.wnids[image.label], image.number)
        return pictures.plan_layout(self.spec.image_width, self.spec.image_height, *key)

    def _places_of_kinds(self, count: int) -> dict[int, str]:
        """Spreads the hard images evenly over `count` places, one of each kind."""
        good = GOOD_KINDS if self.spec.hard_images else ()
        kinds = (*good, *(BAD_KINDS if self.spec.bad_images else ()))[:count]
        return {index * count // len(kinds): kind for index, kind in enumerate(kinds)}
