"""Where labels come from, and the side input that they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.core.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.core.devkit import read_devkit, truth_by_number
from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.files import Storage

LABEL_FROM = ("place", "number", "none")
"""How an image's class is told; see `JoinLabels`."""


class Labels(NamedTuple):
    """What is known about classes.

    Attributes:
        classes: The classes and their numbers.
        truth: The wnid of each validation image by the number in its file name.
    """

    classes: ClassTable
    truth: Mapping[int, str]


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from; small enough to travel to the workers.

    Attributes:
        devkit: Path of the devkit archive; "" without one.
        base: The label of the first class: 0, or 1 with 0 for the background.
        order: How classes are numbered; see `ClassTable.build`.
        listed: Classes that are known already, in place of files.
    """

    devkit: str = ""
    base: int = 1
    order: str = "wnid"
    listed: tuple[ClassInfo, ...] = ()

    def paths(self) -> tuple[str, ...]:
        """The files that `load` reads."""
        return (self.devkit,) if self.devkit else ()

    def load(self, storage: Storage) -> Labels:
        """Reads the label files.

        Raises:
            InputError: If a file is missing, damaged, or contradicts another.
        """
        if not self.devkit:
            return Labels(ClassTable.build(self.listed, self.base, self.order), {})
        devkit = read_devkit(storage.read_bytes(self.devkit), self.devkit)
        classes = ClassTable.build(devkit.classes, self.base, self.order)
        return Labels(classes, truth_by_number(devkit))


def require_truth(labels: Labels, filename: str, number: int | None) -> str:
    """The wnid of a validation image.

    Raises:
        InputError: If the name has no number, or the number no label.
    """
    if number is None:
        raise InputError(
            f"{filename} does not look like a validation image: names are like "
            "ILSVRC2012_val_00000001.JPEG; is this the training archive?"
        )
    if number not in labels.truth:
        raise InputError(
            f"{filename} has no label: the ground truth has {len(labels.truth):,} lines; "
            "give the devkit that belongs to this validation archive"
        )
    return labels.truth[number]
