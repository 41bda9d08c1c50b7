"""What readers of sources pass over: counted by reason, and named where it may be a lost image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from imagenet_beam.transforms.archives.names import is_hidden, is_image_name, is_wanted
from imagenet_beam.transforms.elements import PassedOver

FOLDER = "folder"
"""An archive's own entry of a folder."""

NO_FILE = "no_file"
"""A link, a device or a sparse file in an archive, with a name that is no image's."""

EMPTY = "empty"
"""A folder of the disk with nothing in it: a class, perhaps, whose images are elsewhere."""

HIDDEN = "hidden"
OTHER_SPLIT = "other_split"
NO_SUFFIX = "no_image_suffix"
BESIDE_IMAGES = "beside_images"
"""A file without an image's suffix in a folder with images; perhaps one with a damaged name."""

_SHOWN = 3
"""How many names are shown."""

_MAX_FOLDERS = 1 << 16
"""Folders that are told apart; a bound on memory. ImageNet-21k has 21,841."""


class PassedTally:
    """Counts what is passed over while a part of a source is read.

    Attributes:
        image: The path of the image that was taken last.
    """

    def __init__(self) -> None:
        self.image = ""
        self._image_folders: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._others: dict[str, list[str]] = {}  # first names by folder, sorted
        self._others_counts: Counter[str] = Counter()

    def takes(self, path: str, split: str, inside: str = "") -> bool:
        """Whether a member is an image of the wanted split; counts it if it is not.

        Args:
            path: The member's name.
            split: The split; "" takes all.
            inside: What the names of a class tar's members stand below: `n01440764.tar/`.
        """
        if is_wanted(path, split):
            self.saw_image(inside + path)
            return True
        if is_hidden(path):
            self.count(HIDDEN)
        elif is_image_name(path):
            self.count(OTHER_SPLIT)
        else:
            self._pass_over(inside + path)
        return False

    def saw_image(self, path: str) -> None:
        """Is told each image, or class tar, that is taken."""
        self.image = path
        if len(self._image_folders) < _MAX_FOLDERS:
            self._image_folders.add(path.rpartition("/")[0])

    def count(self, reason: str) -> None:
        """Counts a member that is passed over for another reason than its suffix."""
        self._counts[reason] += 1

    def has_images(self, folder: str) -> bool:
        """Whether images lie in a folder; known when all has been read."""
        return folder in self._image_folders

    def result(self) -> PassedOver:
        """What was passed over."""
        counts, names = self._counts.copy(), list[str]()
        for folder, count in self._others_counts.items():
            is_beside = self.has_images(folder)
            counts[BESIDE_IMAGES if is_beside else NO_SUFFIX] += count
            names += self._others[folder] if is_beside else ()
        return PassedOver(dict(sorted(counts.items())), tuple(sorted(names)[:_SHOWN]))

    def _pass_over(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._others and len(self._others) == _MAX_FOLDERS:
            self.count(NO_SUFFIX)
            return
        self._others_counts[folder] += 1
        names = self._others.get(folder, [])
        self._others[folder] = sorted([*names, path])[:_SHOWN]


def sum_passed(parts: Iterable[PassedOver]) -> PassedOver:
    """Adds up parts, in whatever order they come."""
    counts, names = Counter[str](), list[str]()
    for part in parts:
        counts.update(part.counts)
        names = sorted([*names, *part.names])[:_SHOWN]
    return PassedOver(dict(sorted(counts.items())), tuple(names))
