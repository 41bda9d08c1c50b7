"""What a data set is: its splits, its classes, and what its files are given as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.labels.classes import ClassInfo
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.storage.files import Storage, join

ONE_INPUT = ("input", "download_dir")
"""The parameters of a data set that is one archive or folder."""

SPLIT_INPUTS = (
    "train_archive",
    "train_directory",
    "validation_archive",
    "validation_directory",
    "test_archive",
    "test_directory",
)
"""The parameters of a data set that has archives or a folder for each split."""

LABEL_INPUTS = (
    "labels.any_names",
    "labels.devkit",
    "labels.labels_file",
    "labels.validation_labels",
    "labels.class_names",
    "bounding_boxes",
    "labels.order",
)
"""The parameters of a data set whose classes stand in files, or are those of its archives."""

IMAGES_PER_SHARD = 100
"""What a shard has at least, where nobody says how many there are: 11 MB of ImageNet's images."""

_PIXELS = ImageOptions(resize=Resize("none"), output_format="PNG")


class KnownSplit(NamedTuple):
    """What is known of a split as published.

    Attributes:
        images: How many it has.
        shards: How many shards it becomes by default, at most; see `shards_of`.
        label_from: `place` for class folders or class tars, `index` for files of pixels,
            which number the classes; see `JoinLabels`.
    """

    images: int
    shards: int
    label_from: str = "place"


class Holdout(NamedTuple):
    """The split that training images are held out for.

    Attributes:
        split: What it is called by default.
        images: How many there are by default; 0 for none.
        shards: How many shards it becomes by default, at most.
    """

    split: str = "validation"
    images: int = 0
    shards: int = 1


class _Source(NamedTuple):
    """The files of a split, what named them, and their kind."""

    parameter: str
    paths: Sequence[str]
    kind: str


@dataclass(frozen=True)
class Dataset:
    """A data set; another distribution offers its own as `imagenet_beam.datasets`.

    Attributes:
        name: What it is asked for by.
        splits: Its splits as published.
        classes: The names of its classes, in the order of their labels; none where label
            files or the archives tell them.
        parameters: Which of `ONE_INPUT`, `SPLIT_INPUTS` and `LABEL_INPUTS` it takes.
        kind: What its archives are, the name of a form; "" tells
            an archive by its content.
        archives: The names of its one archive as downloaded, the preferred one first; none
            where it is a folder of several files.
        folder_kind: What its extracted folder is; "" where that is not read.
        image: What happens to its images by default: pixels become PNG, without loss.
        label_base: The label of the first class by default.
        channels: 3, or 1 for gray images.
        holdout: The split that is held out of the training images.
        downloads: Its files, where anybody may download them.
        name_prefix: What stands before the split in the shards' names; None is its own
            name with a dash.
        fits_in_memory: Whether any machine can hold its records in memory.
    """

    name: str
    splits: Mapping[str, KnownSplit]
    classes: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ONE_INPUT
    kind: str = ""
    archives: tuple[str, ...] = ()
    folder_kind: str = ""
    image: ImageOptions = _PIXELS
    label_base: int = 0
    channels: int = 3
    holdout: Holdout = field(default_factory=Holdout)
    downloads: tuple[SourceFile, ...] = ()
    name_prefix: str | None = None
    fits_in_memory: bool = True

    @property
    def prefix(self) -> str:
        """What stands before the split in the shards' names."""
        return f"{self.name}-" if self.name_prefix is None else self.name_prefix

    @property
    def input_forms(self) -> str:
        """What `input` may be, for people; "" where it is not taken."""
        if "input" not in self.parameters:
            return ""
        forms = [*self.archives] or ["folder of its files"]
        return " or ".join([*forms, "its extracted folder"] if self.folder_kind else forms)

    def default_shards(self, split: str) -> int:
        """How many shards a split becomes by default at most, be it one that is held out."""
        return self.splits[split].shards if split in self.splits else self.holdout.shards

    def shards_of(self, split: str, asked: int | None) -> tuple[int, int]:
        """`num_shards` and `images_per_shard` of a split, where so many shards are asked for.

        None lets the number follow that of the images.
        """
        return (self.default_shards(split), IMAGES_PER_SHARD) if asked is None else (asked, 0)

    @property
    def labels(self) -> LabelSource:
        """Where labels come from by default."""
        if not self.classes:
            return LabelSource(base=self.label_base)
        listed = tuple(ClassInfo(name, name) for name in self.classes)
        return LabelSource(base=self.label_base, order="listed", listed=listed, any_names=True)

    def check_parameters(self, given: Iterable[str]) -> None:
        """Refuses parameters that only other data sets take.

        Args:
            given: The names of all parameters that are given.

        Raises:
            InputError: Naming the first of them.
        """
        others = {*ONE_INPUT, *SPLIT_INPUTS, *LABEL_INPUTS} - {*self.parameters}
        hint = "its archives are given as `train_archive` and so on"
        if "input" in self.parameters:
            hint = "its files are given as `input`"
        for parameter in given:
            if parameter in others:
                raise InputError(f"`{parameter}` is not for `dataset`={self.name}; {hint}")

    def split_configs(
        self,
        given: Mapping[str, Sequence[str]],
        shards: Mapping[str, int | None],
        storage: Storage,
    ) -> tuple[SplitConfig, ...]:
        """The splits whose files are given.

        Args:
            given: Paths by parameter: `{"input": ("mnist",)}`, `{"train_archive": (…)}`.
            shards: How many shards a split becomes; None follows the number of images.
            storage: How to reach the files.

        Raises:
            InputError: If there is none, one is given twice, or a number is out of range.
        """
        self.check_parameters(given)
        found = []
        for name, known in self.splits.items():
            source = self._source(name, given, storage)
            if source:
                num_shards, images_per_shard = self.shards_of(name, shards.get(name))
                config = SplitConfig(
                    name=name,
                    parameter=source.parameter,
                    archives=tuple(source.paths),
                    num_shards=num_shards,
                    images_per_shard=images_per_shard,
                    label_from=known.label_from,
                    official_images=known.images,
                    kind=source.kind,
                )
                found.append(config)
        if not found:
            raise InputError(
                f"`input` is missing; give the files of {self.name}"
                if "input" in self.parameters
                else "nothing to convert; give `train_archive`, `validation_archive` or "
                "`test_archive`, or `train_directory` and so on for folders, or a data set that "
                "can be downloaded, such as `dataset`=mnist"
            )
        return tuple(found)

    def downloaded_path(self, folder: Path) -> str:
        """What to convert once the files have been downloaded into a folder."""
        name = self.downloads[0].name if self.archives else ""
        return str(folder / name)

    def _source(
        self, split: str, given: Mapping[str, Sequence[str]], storage: Storage
    ) -> _Source | None:
        """The files of a split, if they are given."""
        if given.get("input"):
            (path,) = given["input"]
            return self._locate(path, storage)
        archive, directory = f"{split}_archive", f"{split}_directory"
        if given.get(archive) and given.get(directory):
            raise InputError(f"`{archive}` and `{directory}` are both given; give one of them")
        if given.get(directory):
            return _Source(directory, given[directory], "folder")
        return _Source(archive, given[archive], self.kind) if given.get(archive) else None

    def _locate(self, path: str, storage: Storage) -> _Source:
        """The archive, where a folder may be given that holds it."""
        for name in self.archives:
            try:
                storage.stat(join(path, name))
            except InputError:
                continue
            return _Source("input", (join(path, name),), self.kind)
        if not storage.is_folder(path) or not self.archives:
            return _Source("input", (path,), self.kind)
        if not self.folder_kind:
            raise InputError(
                f"`input`={path} is a folder without {' or '.join(self.archives)}; give the "
                "archive as it was downloaded"
            )
        return _Source("input", (path,), self.folder_kind)
