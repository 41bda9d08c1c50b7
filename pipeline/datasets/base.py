"""What there is to say of a small data set: where its images and labels come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.storage.files import Storage, join


class KnownSplit(NamedTuple):
    """What is known of a split as published.

    Attributes:
        images: How many it has.
        shards: How many shards it becomes by default.
    """

    images: int
    shards: int


class Holdout(NamedTuple):
    """The split that training images are held out for.

    Attributes:
        split: What it is called by default.
        images: How many there are by default; 0 for none.
        shards: How many shards it becomes by default.
    """

    split: str = "validation"
    images: int = 0
    shards: int = 1


@dataclass(frozen=True)
class SmallDataset:
    """A data set that comes in one archive or folder and has a fixed list of classes.

    Attributes:
        name: What it is asked for by, and what the names of its shards begin with.
        classes: The names of its classes, in the order of their labels.
        splits: Its splits as published.
        kind: What its archive or folder is, the name of a form; "" tells
            an archive by its content.
        label_from: `place` for class folders, `index` for files of pixels; see `JoinLabels`.
        archives: The names of its archive as downloaded, the preferred one first; none
            where it is a folder of several files.
        folder_kind: What its extracted folder is; "" where that is not read.
        output_format: `PNG`, without loss, or `JPEG`, where the images are JPEGs.
        channels: 3, or 1 for gray images.
        holdout: The split that is held out of the training images.
        downloads: Its files, where anybody may download them.
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, KnownSplit]
    kind: str
    label_from: str = "index"
    archives: tuple[str, ...] = ()
    folder_kind: str = ""
    output_format: str = "PNG"
    channels: int = 3
    holdout: Holdout = field(default_factory=Holdout)
    downloads: tuple[SourceFile, ...] = ()

    @property
    def labels(self) -> LabelSource:
        """Labels count from 0, in the order of `classes`."""
        listed = tuple(ClassInfo(name, name) for name in self.classes)
        return LabelSource(base=0, order="listed", listed=listed, any_names=True)

    def split_configs(
        self, path: str, shards: Mapping[str, int | None], storage: Storage
    ) -> tuple[SplitConfig, ...]:
        """All splits, from an archive as downloaded, or the folder that holds it.

        Args:
            path: The archive or folder.
            shards: How many shards a split becomes; None is the default.
            storage: How to reach it.

        Raises:
            InputError: If it is a folder without the data set, or a number is out of range.
        """
        source, kind = self._locate(path, storage)
        return tuple(
            SplitConfig(
                name=name,
                parameter="input",
                archives=(source,),
                num_shards=_or_default(shards.get(name), known.shards),
                label_from=self.label_from,
                official_images=known.images,
                kind=kind,
            )
            for name, known in self.splits.items()
        )

    def downloaded_path(self, folder: Path) -> str:
        """What to convert once the files have been downloaded into a folder."""
        name = self.downloads[0].name if self.archives else ""
        return str(folder / name)

    def _locate(self, path: str, storage: Storage) -> tuple[str, str]:
        """The archive and its kind, where a folder may be given that holds it."""
        for name in self.archives:
            if _exists(join(path, name), storage):
                return join(path, name), self.kind
        if not storage.is_folder(path) or not self.archives:
            return path, self.kind
        if not self.folder_kind:
            raise InputError(
                f"`input`={path} is a folder without {' or '.join(self.archives)}; give the "
                "archive as it was downloaded"
            )
        return path, self.folder_kind


def _or_default(value: int | None, default: int) -> int:
    return default if value is None else value


def _exists(path: str, storage: Storage) -> bool:
    try:
        storage.stat(path)
    except InputError:
        return False
    return True
