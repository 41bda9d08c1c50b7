"""Where labels come from, and what is known of classes once the files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable

LABEL_FROM = ("place", "number", "index", "none")
"""How an image's class is told; see `label_image`."""


class Labels(NamedTuple):
    """What is known about classes.

    Attributes:
        classes: The classes and their numbers; empty where they are still to be found
            in the archives.
        truth: The wnid of each validation image by the number in its file name.
        known: Without classes: what is known of the ones that may be found, by wnid.
        names: Where class folders may be called by words: the wnids that each name fits;
            see `names_of`.
        folders: The class of each such folder that was found; see `resolve_folders`.
        named: How many of the classes the files of `class_names` name.
    """

    classes: ClassTable
    truth: Mapping[int, str]
    known: Mapping[str, ClassInfo] = {}  # a plain dict: some runners pickle this
    names: Mapping[str, tuple[str, ...]] = {}
    folders: Mapping[str, str] = {}
    named: int = 0


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from; small enough to travel to the workers. See `load_labels`.

    Attributes:
        devkit: Path of the devkit archive or of its extracted folder; "" without one.
        base: The label of the first class: 0, or 1 with 0 for the background.
        order: How classes are numbered; see `ClassTable.build`.
        listed: Classes that are known already, in place of files.
        labels_file: Path of a list of the classes, one wnid a line, or of the
            `classes.csv` of an earlier run; "" without one.
        validation_labels: Paths of files with the classes of validation images.
        class_names: Paths of files with human-readable class names, which class folders
            may have, too.
        any_names: Whether classes may be called other than by wnids.
    """

    devkit: str = ""
    base: int = ClassTable.base
    order: str = ClassTable.order
    listed: tuple[ClassInfo, ...] = ()
    labels_file: str = ""
    validation_labels: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    any_names: bool = False

    @property
    def are_classes_found(self) -> bool:
        """Whether the classes are those that the archives turn out to have."""
        return not (self.devkit or self.labels_file or self.listed)

    @property
    def maps_folders(self) -> bool:
        """Whether class folders that are called by words are those of wnids."""
        return bool(self.class_names) and not self.any_names
