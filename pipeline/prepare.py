"""Everything that happens before the job: inputs, plan, resuming."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from imagenet_beam.pipeline import layout
from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.inputs import resolve_inputs, stat_inputs
from imagenet_beam.pipeline.plan import Plan, SmallFile, differences, make_plan, read_plan
from imagenet_beam.pipeline.preflight import check_archives
from imagenet_beam.pipeline.space import check_space
from imagenet_beam.transforms.boxes.read import stat_boxes
from imagenet_beam.transforms.errors import InputError, changed_input
from imagenet_beam.transforms.labels.read import devkit_files
from imagenet_beam.transforms.records import tfds as tfds_metadata
from imagenet_beam.transforms.records.receipts import ShardReceipt, receipt_from_json
from imagenet_beam.transforms.storage.files import (
    MAX_TEXT_BYTES,
    TEMPORARY_SUFFIX,
    FileStat,
    Storage,
    is_local,
    join,
)

_RECEIPT_THREADS = 16
_SMALL_FILES = ("labels_file", "validation_labels", "class_names", "only_files")
"""Last parts of the fields that name them; the plan has these."""

_SHARD_NAME = re.compile(r"(?P<prefix>.+)-\d{5}-of-\d{5}")


class Prepared(NamedTuple):
    """A conversion that may start.

    Attributes:
        config: What was asked for, with archives and label files pinned to their present
            version.
        plan: What decides the bytes.
        archives: What they were when the plan was made, by pinned path.
        boxes: What the sources of boxes were then.
        done: By split, the numbers of the shards that are there already.
        images_done: How many images these shards were made from.
        complete: Whether the manifest of this plan is there too: nothing to do.
        stale: Names of files of an earlier plan, to be removed at the end.
    """

    config: ConvertConfig
    plan: Plan
    archives: Mapping[str, FileStat]
    boxes: tuple[FileStat, ...]
    done: Mapping[str, frozenset[int]]
    images_done: int
    complete: bool
    stale: tuple[str, ...]

    @property
    def shards_done(self) -> int:
        """How many shards are there already."""
        return sum(map(len, self.done.values()))

    def local_archives(self, split: SplitConfig) -> tuple[FileStat, ...]:
        """The state of the archives of a split that are one file on this machine."""
        storage = self.config.storage
        paths = (path for path in split.archives if is_local(path) and not storage.is_folder(path))
        return tuple(self.archives[path] for path in paths)


@contextlib.contextmanager
def exclusive(config: ConvertConfig) -> Iterator[None]:
    """Keeps a second run out of a local output folder, from `prepare` to the job's end.

    Raises:
        InputError: If one is at it, or the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(config.storage.exclusive(config.output_dir, layout.LOCK))
        except InputError as error:
            raise InputError(f"`output_dir`: {error}") from error
        yield


def prepare(config: ConvertConfig) -> Prepared:
    """Checks inputs and output, and finds out what is left to do.

    Writes the plan into the output folder, and nothing else; with `overwrite`, also
    removes what would be taken for done. Nothing is touched before all is checked.

    Raises:
        InputError: If something is missing or wrong, or if the folder belongs to
            another plan and `overwrite` is not set.
    """
    small_files = _small_files(config)
    storage = _with_checksums(config.storage, small_files)
    labels = config.labels.load(storage)
    pinned, given = resolve_inputs(dataclasses.replace(config, storage=storage))
    check_archives(pinned, labels)
    boxes = tuple(stat_boxes(path, storage) for path in config.bounding_boxes)
    plan = make_plan(config, given, boxes, small_files)
    storage.check_writable(config.output_dir)
    sizes = storage.list_sizes(config.output_dir)
    _check_output(config, plan, sizes)
    receipts = {
        split.name: _done_shards(config, split, plan.fingerprint, sizes) for split in config.splits
    }
    shards = sum(split.num_shards for split in config.splits)
    left = 1 - sum(map(len, receipts.values())) / shards
    archives = {stat.pinned: stat for stat in given.values()}
    if left:
        check_space(pinned, {path: stat.size_bytes for path, stat in archives.items()}, left)
    stale = _begin(config, plan, sizes)
    done = {name: frozenset(found) for name, found in receipts.items()}
    images_done = sum(sum(found.values()) for found in receipts.values())
    complete = sum(map(len, done.values())) == shards and _has_manifest(config, plan, sizes)
    return Prepared(pinned, plan, archives, boxes, done, images_done, complete, stale)


def _begin(config: ConvertConfig, plan: Plan, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Makes the folder that of this plan; what comes before leaves it as it was.

    What is stale is written down before the earlier plan, which tells it, is removed:
    a run that goes on after a kill in between knows it, too.

    Returns:
        The names of the files that this plan leaves behind.
    """
    storage, stale = config.storage, _stale_files(config, sizes)
    if config.overwrite and stale:
        storage.publish_bytes(join(config.output_dir, layout.STALE), json.dumps(stale).encode())
    _remove_leftovers(config, sizes, {layout.LOCK, layout.STALE} if stale else {layout.LOCK})
    storage.publish_bytes(layout.plan_path(config.output_dir), plan.to_json())
    return stale


def _small_files(config: ConvertConfig) -> list[SmallFile]:
    """All small files that decide the records, in the order in which they are read."""
    storage = config.storage
    files = [("labels.devkit", path) for path in devkit_files(config.labels.devkit, storage)]
    files += [
        (field, path)
        for field, path in config.input_paths()
        if field.rpartition(".")[2] in _SMALL_FILES
    ]
    return [
        SmallFile(field.rpartition(".")[2], path, _sha256(field, path, storage))
        for field, path in files
    ]


def _sha256(field: str, path: str, storage: Storage) -> str:
    try:
        return hashlib.sha256(storage.read_bytes(path, MAX_TEXT_BYTES)).hexdigest()
    except InputError as error:
        raise InputError(f"`{field}`: {error}") from error


def _with_checksums(storage: Storage, files: Iterable[SmallFile]) -> Storage:
    """Storage that refuses these files with another content, in the workers, too."""
    return dataclasses.replace(storage, sha256=tuple((file.path, file.sha256) for file in files))


def check_unchanged(prepared: Prepared) -> None:
    """Looks at the archives again, after the job.

    Raises:
        InputError: If one has changed since the plan was made: the shards may then be
            a mixture, so the next run finds none of them done.
    """
    for path, now in stat_inputs(prepared.config).items():
        before = prepared.archives[path]
        if (now.size_bytes, now.version) != (before.size_bytes, before.version):
            with contextlib.suppress(InputError):  # where nothing may be deleted
                _forget_shards(prepared.config)
            raise changed_input(path)


def _forget_shards(config: ConvertConfig) -> None:
    shards = (name for split in config.splits for name in config.shard_names(split))
    names = [layout.MANIFEST, *map(layout.receipt_name, shards)]
    with ThreadPoolExecutor(_RECEIPT_THREADS) as pool:
        list(pool.map(lambda name: config.storage.remove(join(config.output_dir, name)), names))


def _check_output(config: ConvertConfig, plan: Plan, sizes: Mapping[str, int]) -> None:
    """Compares with the plan in the folder, unless it is to be overwritten."""
    if config.overwrite:
        return
    path = layout.plan_path(config.output_dir)
    if join(layout.STATE_DIR, "plan.json") not in sizes:
        _check_no_foreign_shards(config, sizes)
        return
    old = read_plan(config.storage.read_bytes(path), path)
    different = differences(old, plan)
    if different and _shards(_prefixes(config) | _planned_prefixes(old), sizes):
        more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
        raise InputError(
            f"`output_dir`={config.output_dir} holds another conversion: "
            f"{'; '.join(different[:3])}{more}; give another folder, or `overwrite` to begin anew"
        )


def _stale_files(config: ConvertConfig, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The shards, and what stands beside them, that this plan leaves behind.

    A run that overwrites finds them by their names; one that goes on where such a run
    was interrupted is told by it.
    """
    found = set(_told_stale(config, sizes))
    if config.overwrite:
        prefixes = _prefixes(config)
        with contextlib.suppress(InputError):  # no plan, or a damaged one
            path = layout.plan_path(config.output_dir)
            old = read_plan(config.storage.read_bytes(path), path)
            prefixes |= _planned_prefixes(old)
            found |= set(_metadata(_planned_schema(old)))
        found |= set(_shards(prefixes, sizes))
    mine = {name for split in config.splits for name in config.shard_names(split)}
    mine |= set(_metadata(config.schema))
    return tuple(sorted(name for name in found if name in sizes and name not in mine))


def _told_stale(config: ConvertConfig, sizes: Mapping[str, int]) -> list[str]:
    """What a run that overwrote, and was interrupted, has written down."""
    if layout.STALE not in sizes:
        return []
    path = join(config.output_dir, layout.STALE)
    try:
        return list(map(str, json.loads(config.storage.read_bytes(path))))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a list of this program ({error}); remove it and run again"
        ) from error


def _metadata(schema: str) -> tuple[str, ...]:
    """What a schema needs beside the shards, labels and manifest."""
    return tfds_metadata.FILES if schema == "tfds" else ()


def _prefixes(config: ConvertConfig) -> set[str]:
    return {config.prefix(split) for split in config.splits}


def _planned_prefixes(plan: Plan) -> set[str]:
    return set(plan.content.get("splits", ()))


def _planned_schema(plan: Plan) -> str:
    options = plan.content.get("options")
    return str(options.get("schema")) if isinstance(options, Mapping) else ""


def _shards(prefixes: Set[str], sizes: Mapping[str, int]) -> list[str]:
    """The files whose names are those of shards, of whatever number."""
    matches = map(_SHARD_NAME.fullmatch, sorted(sizes))
    return [match.string for match in matches if match and match["prefix"] in prefixes]


def _check_no_foreign_shards(config: ConvertConfig, sizes: Mapping[str, int]) -> None:
    for name in _shards(_prefixes(config), sizes):
        raise InputError(
            f"`output_dir`={config.output_dir} holds {name}, which no run of this program "
            "left unfinished there; give another folder, or `overwrite` to replace it"
        )


def unfinished(config: ConvertConfig, names: Iterable[str]) -> set[str]:
    """Those of the names that are files which a run of this conversion had begun.

    Not all that lie below the output folder: another job may write in a folder there.
    """
    folders = {"", layout.STATE_DIR, join(layout.STATE_DIR, "receipts")}
    folders |= {prefix.rpartition("/")[0] for prefix in _prefixes(config)}
    return {
        name
        for name in names
        if name.endswith(TEMPORARY_SUFFIX) and name.rpartition("/")[0] in folders
    }


def _remove_leftovers(config: ConvertConfig, sizes: Mapping[str, int], kept: Set[str]) -> None:
    """Removes what a killed run was writing; with `overwrite`, what would be taken for done."""
    state = join(layout.STATE_DIR, "")
    removed = unfinished(config, sizes)
    if config.overwrite:
        removed |= {name for name in sizes if name.startswith(state) or name == layout.MANIFEST}
    for name in sorted(removed - kept):
        config.storage.remove(join(config.output_dir, name))


def _done_shards(
    config: ConvertConfig, split: SplitConfig, fingerprint: str, sizes: Mapping[str, int]
) -> dict[int, int]:
    """Maps each shard that is there, with a receipt that agrees, to its number of images."""
    if config.overwrite:
        return {}
    candidates = [
        (shard, name)
        for shard, name in enumerate(config.shard_names(split))
        if name in sizes and layout.receipt_name(name) in sizes
    ]

    def read(candidate: tuple[int, str]) -> ShardReceipt:
        path = join(config.output_dir, layout.receipt_name(candidate[1]))
        return receipt_from_json(config.storage.read_bytes(path), path)

    with ThreadPoolExecutor(_RECEIPT_THREADS) as pool:
        receipts = pool.map(read, candidates)
        return {
            shard: receipt.images
            for (shard, name), receipt in zip(candidates, receipts, strict=True)
            if receipt.plan == fingerprint and receipt.size_bytes == sizes[name]
        }


def _has_manifest(config: ConvertConfig, plan: Plan, sizes: Mapping[str, int]) -> bool:
    """Whether the manifest of this plan, and all that is written with it, is there."""
    beside = (layout.LABELS, layout.CLASSES, layout.REJECTS, layout.MANIFEST)
    written = beside + _metadata(config.schema)
    if config.overwrite or not all(name in sizes for name in written):
        return False
    manifest = config.storage.read_bytes(join(config.output_dir, layout.MANIFEST))
    return f'"plan": "{plan.fingerprint}"'.encode() in manifest
