"""Which images of a split are converted: subsets, dry runs, held-out splits."""

from __future__ import annotations

from collections.abc import Container
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
        max_per_class: Take at most so many of each class; 0 takes all.
        holdout: So many are held out, whatever their class; 0 holds out none.
        holdout_per_class: So many of each class are held out, where `holdout` is 0.
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
                "0 and up "
                "to 1, such as 0.01"
            )
        for field, value in (
            ("max_per_class", self.max_per_class),
            ("holdout", self.holdout),
            ("holdout_per_class", self.holdout_per_class),
        ):
            if value < 0:
                raise InputError(
                    f"`selection.{field}`={value} is out of range; accepted is a number from 1"
                )

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection(seed=self.seed)

    @property
    def holds_out(self) -> bool:
        """Whether some images are held out."""
        return bool(self.holdout or self.holdout_per_class)

    def group(self, purpose: str, wnid: str) -> str:
        """Among which images a choice is made: those of a class, or all ("")."""
        return "" if purpose == "holdout" and self.holdout else wnid

    def key(self, purpose: str, filename: str) -> bytes:
        """A number from a name; names are drawn for each purpose anew."""
        return fingerprint(f"{purpose}:{filename}", self.seed)

    def wants(self, image: LabeledImage, names: Container[str]) -> bool:
        """Whether classes, files and fraction let an image pass.

        Args:
            image: The image.
            names: The names that `only_files` lists.
        """
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
