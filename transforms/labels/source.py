"""Where labels come from, and the side input that they become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.label_files import why_no_number
from imagenet_beam.transforms.storage.files import Storage

LABEL_FROM = ("place", "number", "index", "none")
"""How an image's class is told; see `JoinLabels`."""


class Labels(NamedTuple):
    """What is known about classes.

    Attributes:
        classes: The classes and their numbers; empty where they are still to be found
            in the archives.
        truth: The wnid of each validation image by the number in its file name.
        known: Without classes: what is known of the ones that may be found, by wnid.
    """

    classes: ClassTable
    truth: Mapping[int, str]
    known: Mapping[str, ClassInfo] = {}  # a plain dict: some runners pickle this


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from; small enough to travel to the workers.

    Attributes:
        devkit: Path of the devkit archive or of its extracted folder; "" without one.
        base: The label of the first class: 0, or 1 with 0 for the background.
        order: How classes are numbered; see `ClassTable.build`.
        listed: Classes that are known already, in place of files.
        labels_file: Path of a list of the classes, one wnid a line, or of the
            `classes.csv` of an earlier run; "" without one.
        validation_labels: Paths of files with the classes of validation images.
        class_names: Paths of files with the words of classes.
        any_names: Whether classes may be called other than by wnids.
    """

    devkit: str = ""
    base: int = 1
    order: str = "wnid"
    listed: tuple[ClassInfo, ...] = ()
    labels_file: str = ""
    validation_labels: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    any_names: bool = False

    @property
    def are_classes_found(self) -> bool:
        """Whether the classes are those that the archives turn out to have."""
        return not (self.devkit or self.labels_file or self.listed)

    def load(self, storage: Storage) -> Labels:
        """Reads the label files.

        Raises:
            InputError: If a file is missing, damaged, or contradicts another.
        """
        from imagenet_beam.transforms.labels.read import load_labels

        return load_labels(self, storage)


def with_classes(labels: Labels, wnids: Iterable[str], source: LabelSource) -> Labels:
    """Numbers the classes that were found, where no file fixes them.

    Args:
        labels: What the files say.
        wnids: The classes of the images; those of the validation labels are added.
        source: Says base and order.
    """
    found = sorted({*wnids, *labels.truth.values()} - {""})
    infos = [labels.known.get(wnid, ClassInfo(wnid)) for wnid in found]
    return Labels(ClassTable.build(infos, source.base, source.order), labels.truth)


def require_truth(labels: Labels, filename: str, number: int | None) -> str:
    """The wnid of a validation image.

    Raises:
        InputError: If the name has no number, or the number no label.
    """
    if number is None:
        raise InputError(f"among the validation images there is {why_no_number(filename)}")
    if not labels.truth:
        raise InputError(
            f"the class of {filename} is not known: it lies in no class folder; give "
            "`labels.devkit`, or "
            "`labels.validation_labels` (imagenet_2012_validation_synset_labels.txt, val.txt or "
            "LOC_val_solution.csv)"
        )
    if number not in labels.truth:
        raise InputError(
            f"{filename} has no label: the ground truth has {len(labels.truth):,} lines; "
            "give the devkit that belongs to this validation archive"
        )
    return labels.truth[number]
