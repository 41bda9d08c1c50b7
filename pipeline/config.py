"""What a conversion is told, validated when it is built."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.labels.source import LABEL_FROM, LabelSource
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.records.shards import SHUFFLES, shard_count, shard_name
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import Storage, is_local, join

READS_PER_THREAD = 16
"""Reads in flight that keep one encoding thread busy with 30 ms a request (benchmarks/gcs.md)."""

MAX_READS = 64
"""Connections that a process keeps open to Google Cloud Storage."""

_SPLIT_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")

EXPECTATIONS = ("consistent", "official", "any")
OUTPUT_LAYOUTS = ("flat", "by_split")
MAX_THREADS = 1024
MAX_SHARDS = 100_000
"""The names have five digits."""

MAX_IMAGES = 2**63 - 1


@dataclass(frozen=True)
class SplitConfig:
    """One split: where its images are and how many shards it becomes.

    Attributes:
        name: `train`, `validation`, `test`: what the shards' names start with.
        parameter: What named the archives, for messages: `train_archive`.
        archives: Paths of its archives or of a folder; wildcards are allowed.
        num_shards: How many shards it becomes.
        images_per_shard: With a number above 0, there are fewer shards than `num_shards` where
            shards would have fewer images than this; see `shards_of`.
        label_from: How an image's class is told; see `JoinLabels`.
        official_images: How many images the official archive has; 0 if unknown.
        kind: What the archives are, the name of a form; "" tells each by
            its content.
        source_split: Which split is read where an archive holds several; "" is its name.
        selection: Which of the images are taken.
    """

    name: str
    parameter: str
    archives: tuple[str, ...]
    num_shards: int
    label_from: str = "place"
    official_images: int = 0
    kind: str = ""
    source_split: str = ""
    selection: Selection = field(default_factory=Selection)
    images_per_shard: int = 0

    def __post_init__(self) -> None:
        check_split_name(self.name)
        check_range(f"{self.name}.num_shards", self.num_shards, 1, MAX_SHARDS)
        check_range(f"{self.name}.images_per_shard", self.images_per_shard, 0, MAX_IMAGES)
        if not self.archives:
            raise InputError(f"`{self.parameter}` names no archive")
        if self.label_from not in LABEL_FROM:
            raise ValueError(f"label_from={self.label_from!r}; accepted are {LABEL_FROM}")

    def shards_of(self, images: int) -> int:
        """How many shards so many images become."""
        return shard_count(images, self.num_shards, self.images_per_shard)

    @property
    def listed_split(self) -> str:
        """Which split is read where an archive holds several."""
        return self.source_split or self.name


@dataclass(frozen=True)
class ConvertConfig:
    """One conversion.

    Attributes:
        output_dir: Where shards, receipts, labels and the manifest go.
        splits: What is converted; at least one.
        labels: Where labels come from.
        image: What happens to each image.
        schema: Which keys the records have.
        name_prefix: What stands before the split in the shards' names.
        channels: How many the images have for tensorflow-datasets: 3, or 1 for gray ones.
        output_layout: `flat`, or `by_split`: a folder for each split.
        bounding_boxes: Paths of annotations: archives, folders or CSV files.
        shuffle_seed: Another seed gives another order of the records.
        shuffle: `references` or `images`; see `WriteToTFRecord`.
        expect: How the counts are checked before anything is written:
            `consistent` (classes and labels agree with the archives), `official`
            (also the official counts), or `any` (nothing is compared).
        index: Whether each shard gets an index file, as vahidk/tfrecord and DALI read them.
        index_dir: The folder for these files; "" is beside the shards.
        overwrite: Whether to start over, discarding another conversion in the folder.
        storage: How to reach files.
    """

    output_dir: str
    splits: tuple[SplitConfig, ...]
    labels: LabelSource
    image: ImageOptions = field(default_factory=ImageOptions)
    schema: str = "inception"
    name_prefix: str = ""
    channels: int = 3
    output_layout: str = "flat"
    bounding_boxes: tuple[str, ...] = ()
    shuffle_seed: int = 0
    shuffle: str = "references"
    expect: str = "consistent"
    index: bool = False
    index_dir: str = ""
    overwrite: bool = False
    storage: Storage = field(default_factory=Storage)

    def __post_init__(self) -> None:
        if not self.output_dir:
            raise InputError("`output_dir` is missing; give the folder for the TFRecords")
        if not self.splits:
            raise InputError(
                "nothing to convert; give `train_archive`, `validation_archive` or `test_archive`"
            )
        for name, path in self.paths():
            check_text(path, f"`{name}`=")
        names = [split.name.casefold() for split in self.splits]
        for name in names:
            if names.count(name) > 1:  # also where case is all that differs: steps and files clash
                raise InputError(f"two splits are called {name}; give each a name of its own")
        _check_choice("output_layout", self.output_layout, OUTPUT_LAYOUTS)
        find_schema(self.schema).check(
            self.labels.base, self.output_layout, bool(self.bounding_boxes)
        )
        _check_choice("shuffle", self.shuffle, SHUFFLES)
        _check_choice("expect", self.expect, EXPECTATIONS)
        check_range("shuffle_seed", self.shuffle_seed, -(2**63), 2**63 - 1)

    def paths(self) -> list[tuple[str, str]]:
        """Field and path of everything that is written or read."""
        index = [("index_dir", self.index_dir)] if self.index_dir else []
        return [("output_dir", self.output_dir), *index, *self.input_paths()]

    def input_paths(self) -> list[tuple[str, str]]:
        """Field and path of everything that is read, patterns as they were given."""
        labels = self.labels
        paths = [(split.parameter, path) for split in self.splits for path in split.archives]
        paths += [("labels.devkit", labels.devkit), ("labels.labels_file", labels.labels_file)]
        paths += [("labels.validation_labels", path) for path in labels.validation_labels]
        paths += [("labels.class_names", path) for path in labels.class_names]
        paths += [("bounding_boxes", path) for path in self.bounding_boxes]
        paths += [("selection.only_files", split.selection.only_files) for split in self.splits]
        return [(field, path) for field, path in dict.fromkeys(paths) if path]

    @property
    def writes_index(self) -> bool:
        """Whether each shard gets an index file."""
        return self.index or bool(self.index_dir)

    @property
    def dataset_name(self) -> str:
        """What tensorflow-datasets calls the data set: `imagenet2012`, `flowers`."""
        return self.name_prefix.rstrip("-") or "imagenet2012"

    def beside(self, name: str) -> str:
        """Where a file of the schema stands in the output folder."""
        return join(find_schema(self.schema).folder(self.dataset_name), name).lstrip("/")

    def prefix(self, split: SplitConfig) -> str:
        """What the names of a split's shards start with: `train`, `flowers-train`."""
        folder = f"{split.name}/" if self.output_layout == "by_split" else ""
        usual = folder + self.name_prefix + split.name
        return find_schema(self.schema).shard_prefix(self.dataset_name, split.name) or usual

    def shard_names(self, split: SplitConfig, num_shards: int) -> list[str]:
        """The names of a split's shards, in order, with a folder if they have one."""
        prefix = self.prefix(split)
        return [shard_name(prefix, shard, num_shards) for shard in range(num_shards)]


@dataclass(frozen=True)
class Workers:
    """How many threads the workers of a job have; no byte depends on it.

    Attributes:
        threads: Images encoded at once by a worker; 0 is the number of its cores.
        read_threads: Images fetched at once by a worker; 0 follows from where the
            archives are, see `reads_at_once`.
    """

    threads: int = 0
    read_threads: int = 0

    def __post_init__(self) -> None:
        check_range("workers.threads", self.threads, 0, MAX_THREADS)
        check_range("workers.read_threads", self.read_threads, 0, MAX_THREADS)

    def reads_at_once(self, archives: Sequence[str]) -> int:
        """How many images a worker fetches at once; 0 fetches in the encoding threads.

        Where `read_threads` does not say, that follows from where the archives are.
        """
        if self.read_threads or all(map(is_local, archives)):
            return self.read_threads
        return min(MAX_READS, READS_PER_THREAD * (self.threads or os.cpu_count() or 1))


def check_split_name(name: str, named: str = "") -> None:
    """Refuses a name that files, steps and readers of a split could not have."""
    if not _SPLIT_NAME.fullmatch(name):
        raise InputError(
            f"{named}{name} cannot be the name of a split; accepted are letters, digits and "
            "underscores, a letter first, such as heldout"
        )


def check_text(path: str, named: str = "") -> None:
    """Refuses a path that no message, reference or record could hold as text."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise InputError(
            f"{named}{shown} has bytes in its name that are not UTF-8; rename it"
        ) from error


def _check_choice(field: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise InputError(f"`{field}`={value} is not known; accepted are {', '.join(accepted)}")


def check_range(field: str, value: int, low: int, high: int) -> None:
    """Raises `InputError` where a number is none, or out of range."""
    if type(value) is not int:  # True would be 1
        raise InputError(
            f"`{field}`={value!r} is no whole number; accepted is one from {low:,} to {high:,}"
        )
    if not low <= value <= high:
        raise InputError(
            f"`{field}`={value} is out of range; accepted is a whole number from {low:,} to "
            f"{high:,}"
        )
