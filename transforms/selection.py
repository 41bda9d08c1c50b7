"""Which images of a split are converted: subsets, dry runs, held-out splits."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from imagenet_beam.transforms.archives.names import base_name, class_in_path, image_name
from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.shards import KEY_BYTES, fingerprint

_KEYS = 1 << (8 * KEY_BYTES)


@dataclass(frozen=True)
class Selection:
    """What is asked for; the same images on every runner, whatever the form of input.

    Each choice follows from the images' names and the seed alone. First come
    classes, files and fraction; then the held-out images; then the limit.

    Attributes:
        fraction: How much of the split to take, by chance.
        classes: Take images of these classes only; empty takes all.
        only_files: Path of a file of image names, one a line; "" takes all.
        max_per_class: Number of images to take of each class at most; 0 takes all.
        holdout: Number of images to hold out, whatever their class; 0 holds out none.
        holdout_per_class: Number of images to hold out of each class, where `holdout` is 0.
        is_holdout: Whether to take the held-out images instead of the others.
        seed: Another seed makes other choices.
    """

    fraction: float = 1.0
    classes: tuple[str, ...] = ()
    only_files: str = ""
    max_per_class: int = 0
    holdout: int = 0
    holdout_per_class: int = 0
    is_holdout: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise InputError(
                f"`selection.fraction`={self.fraction} is out of range; accepted is a number above "
                "0 and up to 1, such as 0.01"
            )
        for name in ("max_per_class", "holdout", "holdout_per_class"):
            if getattr(self, name) < 0:
                raise InputError(
                    f"`selection.{name}`={getattr(self, name)} is out of range; accepted is a "
                    "number from 1"
                )

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection(seed=self.seed)

    @property
    def holds_out(self) -> bool:
        """Whether some images are held out."""
        return bool(self.holdout or self.holdout_per_class)

    def count(self, purpose: str) -> int:
        """How many images of each group are chosen; 0 if none or all are."""
        return self.max_per_class if purpose == "limit" else self.holdout or self.holdout_per_class

    def group(self, purpose: str, wnid: str) -> str:
        """Among which images a choice is made: those of a class, or all ("")."""
        return "" if purpose == "holdout" and self.holdout else wnid

    def key(self, purpose: str, filename: str) -> bytes:
        """A number from a name; each purpose draws its own."""
        return fingerprint(f"{purpose}:{filename}", self.seed)

    def last_key(self, purpose: str, group: str, smallest: Iterable[bytes]) -> bytes:
        """The largest key of a group that is chosen, of its `count + 1` smallest.

        Raises:
            InputError: If no image would be left to train on.
        """
        count, keys = self.count(purpose), sorted(smallest)
        if purpose == "holdout" and len(keys) <= count:
            name = "holdout_per_class" if group else "holdout"
            where = f"the class {group} has" if group else "there are"
            raise InputError(
                f"`selection.{name}`={count} is too many: {where} {len(keys):,} images, "
                "and at least one must be left to train on; give a smaller number"
            )
        return keys[min(count, len(keys)) - 1]

    def is_on_side(self, image: LabeledImage, last: Mapping[str, bytes]) -> bool:
        """Whether an image is held out, up to the last keys of the groups, or not, as asked for."""
        if not self.holds_out:
            return True
        key = self.key("holdout", image.ref.filename)
        return (key <= last[self.group("holdout", image.wnid)]) == self.is_holdout

    def is_below_limit(self, image: LabeledImage, last: Mapping[str, bytes]) -> bool:
        """Whether an image comes before the last one of its class that is taken."""
        if not self.max_per_class or self.is_holdout:
            return True
        return self.key("limit", image.ref.filename) <= last[image.wnid]

    def wants(self, image: LabeledImage, names: Container[str]) -> bool:
        """Whether classes, files (`names` is what they list) and fraction let an image pass."""
        name = image.ref.filename
        if self.classes and image.wnid and image.wnid not in self.classes:
            return False
        if self.only_files and name not in names and base_name(name) not in names:
            return False
        if self.fraction == 1:
            return True
        return int.from_bytes(self.key("fraction", name), "big") < int(self.fraction * _KEYS)


def read_names(data: bytes, path: str) -> frozenset[str]:
    """Reads a list of images, one path or name a line, as the 1 % and 10 % lists are.

    Names that are unique in their class only have it before them, as in the records
    (`daisy/1.jpg`); without it they stand for the images of that name in all classes.

    Raises:
        InputError: If it is no such list; the message names the path.
    """
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(
            f"`selection.only_files`={path} is not a text file of image names"
        ) from error
    names = frozenset(image_name(line, class_in_path(line)) for line in lines if line)
    if not names:
        raise InputError(f"`selection.only_files`={path} is empty; give one image name a line")
    return names
