"""Everything that happens before the job: from what is asked for to a conversion that may start."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.inputs import ResolvedSplit, check_apart, resolve, stat_inputs
from imagenet_beam.pipeline.label_notes import notes_before
from imagenet_beam.pipeline.output import OutputFolder
from imagenet_beam.pipeline.plan import SMALL_FILES, Plan, SmallFile, make_plan
from imagenet_beam.pipeline.preflight import check_archives
from imagenet_beam.pipeline.reading.findings import Finding
from imagenet_beam.pipeline.reading.index import add_indexes
from imagenet_beam.pipeline.reading.statements import read_statements
from imagenet_beam.pipeline.resume import find_done, possible_names, with_unexplained
from imagenet_beam.pipeline.space import check_space
from imagenet_beam.transforms.boxes.read import stat_boxes
from imagenet_beam.transforms.errors import InputError, changed_input
from imagenet_beam.transforms.labels.read import devkit_files, load_labels
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.storage.files import MAX_TEXT_BYTES, FileStat, Storage, is_local


@dataclass(frozen=True)
class Conversion:
    """A conversion that may start: what was asked for, and what `prepare` found out.

    Attributes:
        config: What was asked for.
        splits: The same splits in the same order, their sources found and pinned.
        storage: How to reach files; refuses label files with another content than now.
        output: The folder that is written.
        plan: What decides the bytes.
        archives: What they were when the plan was made, by pinned path.
        boxes: What the sources of boxes were then.
        num_shards: By split, how many shards it becomes; 0 where that follows from its images,
            which are not listed yet.
        done: By split, the number of images of each shard that is there already.
        is_complete: Whether the manifest of this plan is there too, and agrees with all but the
            shards' bytes: nothing to do.
        findings: What does not agree, where nothing else is missing; it will be written again.
        stale: Names of files of an earlier plan, to be removed at the end.
        notes: What a user should know of the labels before the job; see `notes_before`.
    """

    config: ConvertConfig
    splits: tuple[ResolvedSplit, ...]
    storage: Storage
    output: OutputFolder
    plan: Plan
    archives: Mapping[str, FileStat]
    boxes: tuple[FileStat, ...]
    num_shards: Mapping[str, int]
    done: Mapping[str, Mapping[int, int]]
    is_complete: bool
    stale: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shards_done(self) -> int:
        """How many shards are there already."""
        return sum(map(len, self.done.values()))

    @property
    def images_done(self) -> int:
        """How many images these shards were made from."""
        return sum(sum(images.values()) for images in self.done.values())

    def shard_names(self, split: SplitConfig) -> list[str]:
        """The names of a split's shards; none while their number is not known."""
        return self.config.shard_names(split, self.num_shards[split.name])

    def local_archives(self, split: ResolvedSplit) -> tuple[FileStat, ...]:
        """The state of the archives of a split that are one file on this machine."""
        return tuple(
            self.archives[path]
            for path in split.archives
            if is_local(path) and not self.storage.is_folder(path)
        )

    def local_plan(self) -> tuple[str, str]:
        """Path and SHA-256 of the stored plan, where looking at it is no request."""
        is_near = is_local(self.config.output_dir)
        return self.output.plan_file(self.plan) if is_near else ("", "")

    def add_indexes(self) -> None:
        """Writes the index files, if asked for, that shards of earlier runs lack."""
        if self.config.writes_index:
            shards = [
                self.output.path(names[number])
                for split in self.config.splits
                for names in [self.shard_names(split)]
                for number in self.done[split.name]
            ]
            add_indexes(shards, self.storage, self.config.index_dir)

    def check_unchanged(self) -> None:
        """Looks at the archives again, after the job.

        Raises:
            InputError: If one has changed since the plan was made: the shards may then be
                a mixture, so the next run finds none of them done.
        """
        for path, now in stat_inputs(self.splits, self.storage).items():
            before = self.archives[path]
            if (now.size_bytes, now.version) != (before.size_bytes, before.version):
                with contextlib.suppress(InputError):  # where nothing may be deleted
                    self.output.forget()
                raise changed_input(path)


def output_folder(config: ConvertConfig) -> OutputFolder:
    """The folder that a conversion writes."""
    return OutputFolder(
        config.output_dir,
        config.storage,
        frozenset(map(config.prefix, config.splits)),
        tuple(map(config.beside, find_schema(config.schema).files)),
        config.index_dir,
    )


def prepare(config: ConvertConfig, writes: bool = True) -> Conversion:
    """Checks inputs and output, and finds out what is left to do.

    Writes the plan into the output folder, and nothing else; with `overwrite`, also
    removes what would be taken for done. Nothing is touched before all is checked.

    Args:
        config: What is asked for.
        writes: Whether the conversion will follow; else nothing is touched at all.

    Raises:
        InputError: If something is missing or wrong, or if the folder belongs to
            another plan and `overwrite` is not set.
    """
    small_files = _small_files(config)
    checksums = tuple((file.path, file.sha256) for file in small_files)
    storage = dataclasses.replace(config.storage, sha256=checksums)  # the workers' guard, too
    labels = load_labels(config.labels, storage, config.expect == "any")
    splits, given = resolve(config.splits, storage)
    check_apart(config, splits, storage)
    check_archives(config, splits, storage, labels)
    boxes = tuple(stat_boxes(path, storage) for path in config.bounding_boxes)
    plan = make_plan(config, splits, given, boxes, small_files)
    output = output_folder(config)
    if config.index_dir and writes:
        _check_writable("index_dir", config.index_dir, storage)
    sizes, kept = output.list_files(writes)
    if not config.overwrite:
        plan = output.take_up(plan, config, possible_names(config, sizes), sizes)
    done = find_done(config, output, plan, sizes, kept)
    if not config.overwrite:
        splits = with_unexplained(splits, config, output, done, sizes)
    num_shards = {name: found.num_shards for name, found in done.items()}
    own = {name for split in splits for name in config.shard_names(split, num_shards[split.name])}
    left = {name: found.left for name, found in done.items()}
    archives = {stat.pinned: stat for stat in given.values()}
    if any(left.values()):
        sizes_bytes = {path: stat.size_bytes for path, stat in archives.items()}
        check_space(config, splits, sizes_bytes, left)
    stale = output.stale(config.overwrite, own, sizes)
    findings: tuple[Finding, ...] = ()
    is_complete = not any(left.values()) and output.is_complete(plan, sizes)
    if is_complete:
        findings = tuple(read_statements(output, sizes).findings)
        is_complete = not findings
    if writes:
        output.begin(plan, config.overwrite, stale, sizes, is_complete)
    return Conversion(
        config,
        splits,
        storage,
        output,
        plan,
        archives,
        boxes,
        num_shards,
        {name: found.images for name, found in done.items()},
        is_complete,
        stale,
        findings,
        tuple(notes_before(config, splits, labels)),
    )


def _check_writable(field: str, directory: str, storage: Storage) -> None:
    try:
        storage.check_writable(directory)
    except InputError as error:
        raise InputError(f"`{field}`: {error}") from error


def _small_files(config: ConvertConfig) -> list[SmallFile]:
    """All small files that decide the records, in the order in which they are read."""
    devkit, *others = SMALL_FILES
    named = [(devkit, path) for path in devkit_files(config.labels.devkit, config.storage)]
    named += [item for item in config.input_paths() if item[0] in others]
    return [
        SmallFile(field.rpartition(".")[2], path, _sha256(field, path, config.storage))
        for field, path in named
    ]


def _sha256(field: str, path: str, storage: Storage) -> str:
    try:
        return hashlib.sha256(storage.read_bytes(path, MAX_TEXT_BYTES)).hexdigest()
    except InputError as error:
        raise InputError(f"`{field}`: {error}") from error
