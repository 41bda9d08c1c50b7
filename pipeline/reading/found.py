"""The shards of a split, found by the manifest or by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imagenet_beam.pipeline.output import CLASSES, MANIFEST, PLAN, STATE_DIR
from imagenet_beam.pipeline.patterns import expand
from imagenet_beam.transforms.archives.names import is_hidden
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, read_classes_csv
from imagenet_beam.transforms.records.index import SUFFIX
from imagenet_beam.transforms.records.schemas import CLASS_NAMES
from imagenet_beam.transforms.storage.files import Storage, is_local, join

_SHARD = re.compile(r"(?P<prefix>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>[^/]*)")
_OTHER = re.compile(r".*\.tfrecords?(\.gz)?")
_WORDS = re.compile(r"[-_./]")
_NAMED = "files named like train-00000-of-00004, or with the ending .tfrecord"
_SHOWN = 5


class FoundShards(NamedTuple):
    """The shards of a split, and what the files beside them say.

    Attributes:
        paths: The shards in their order.
        records: How many records each has; empty where no manifest says so.
        classes: The classes in label order; empty where no file says so.
        label_base: What is stored as the label of the first class; None where no file says so.
    """

    paths: tuple[str, ...]
    records: tuple[int, ...] = ()
    classes: tuple[ClassInfo, ...] = ()
    label_base: int | None = None


def find_shards(directory: str, split: str, storage: Storage) -> FoundShards:
    """Finds the shards of a split.

    Args:
        directory: An output folder of this program, any folder of TFRecords, a file, or a
            pattern of paths.
        split: The split; "" takes the only one of a folder, or all that a pattern names.
        storage: How to reach files.

    Raises:
        InputError: If there is none, or one is missing.
    """
    if _is_pattern(directory, storage):
        paths = [path for path in expand(directory, storage) if not path.endswith(SUFFIX)]
        return FoundShards(tuple(path for path in paths if not split or _is_of(split, path)))
    if _is_file(directory, storage):
        return FoundShards((storage.stat(directory).path,))
    sizes = storage.list_sizes(directory)
    classes, base = read_classes(directory, sizes, storage)
    if MANIFEST in sizes:
        manifest = read_manifest(join(directory, MANIFEST), storage)
        entry = manifest["splits"][_chosen(split, sorted(manifest["splits"]), directory)]
        paths = [join(directory, shard["name"]) for shard in entry["shards"]]
        records = tuple(shard["records"] for shard in entry["shards"])
        return FoundShards(tuple(paths), records, classes, manifest["classes"]["label_base"])
    if PLAN in sizes:
        raise InputError(
            f"{directory} is an unfinished conversion, without {MANIFEST}; run the same convert "
            "command again, which resumes"
        )
    names = _named_shards(directory, split, sizes)
    return FoundShards(tuple(join(directory, name) for name in names), (), classes, base)


def all_shards(path: str, storage: Storage) -> list[str]:
    """The shards that a file, a folder or a pattern stands for, of all splits.

    Raises:
        InputError: If there is none.
    """
    if _is_pattern(path, storage):
        return list(find_shards(path, "", storage).paths)
    if _is_file(path, storage):
        return [storage.stat(path).path]
    sizes = storage.list_sizes(path)
    if MANIFEST in sizes:
        manifest = read_manifest(join(path, MANIFEST), storage)
        names = [
            shard["name"] for entry in manifest["splits"].values() for shard in entry["shards"]
        ]
    else:
        names = [name for name in sorted(sizes) if _is_shard(name)]
    if not names:
        raise InputError(f"{path} has no manifest.json and no shards ({_NAMED})")
    return [join(path, name) for name in names]


def read_manifest(path: str, storage: Storage) -> dict[str, Any]:
    """The manifest of a conversion, as far as reading needs it.

    Raises:
        InputError: If it is none.
    """
    try:
        manifest: dict[str, Any] = json.loads(storage.read_bytes(path))
        if type(manifest["classes"]["label_base"]) is not int:
            raise ValueError("its label_base is no number")
        for entry in manifest["splits"].values():
            for shard in entry["shards"]:
                if type(shard["records"]) is not int or type(shard["name"]) is not str:
                    raise ValueError("its shards have no names and numbers")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a manifest of this program ({error!r})") from error
    return manifest


def _chosen(split: str, splits: Sequence[str], directory: str) -> str:
    if split in splits:
        return split
    if not split and len(splits) == 1:
        return splits[0]
    said = f"has no split {split}" if split else "has several splits"
    raise InputError(f"{directory} {said}; accepted are {', '.join(splits)}")


def _named_shards(directory: str, split: str, sizes: Mapping[str, int]) -> list[str]:
    """The names of shards that no manifest tells, in their order.

    Raises:
        InputError: If there is none, or shards of one set are missing, or there are several sets.
    """
    shards = [match for match in map(_SHARD.fullmatch, filter(_is_shard, sorted(sizes))) if match]
    numbered = [match for match in shards if not split or _is_of(split, match["prefix"])]
    if not numbered:
        plain = [name for name in sorted(sizes) if _OTHER.fullmatch(name)]
        plain = [name for name in plain if not split or _is_of(split, name)]
        if plain:
            return plain
        has = sorted({match["prefix"] for match in shards})[:_SHOWN]
        named = f" of {split}" if split else ""
        raise InputError(
            f"{directory} has no manifest.json and no shards{named} ({_NAMED})"
            + (f"; it has those of {', '.join(has)}" if has else "")
        )
    sets = sorted({(match["prefix"], match["count"], match["suffix"]) for match in numbered})
    if len(sets) > 1:
        shown = ", ".join(f"{prefix}-*-of-{count}{suffix}" for prefix, count, suffix in sets)
        raise InputError(f"{directory} has several sets of shards, {shown}; name one of them")
    prefix, count, suffix = sets[0]
    names = [f"{prefix}-{number:05d}-of-{count}{suffix}" for number in range(int(count))]
    for name in names:
        if name not in sizes:
            raise InputError(f"{join(directory, name)} is missing: the set has {int(count)} shards")
    return names


def _is_pattern(path: str, storage: Storage) -> bool:
    return any(character in path for character in "*?[") and not storage.is_folder(path)


def _is_file(path: str, storage: Storage) -> bool:
    """Told by the name where storage has no folders."""
    return not storage.is_folder(path) if is_local(path) else _is_shard(path)


def _is_shard(name: str) -> bool:
    if is_hidden(name) or STATE_DIR in name.split("/"):  # of a run that was stopped, or another
        return False
    match = _SHARD.fullmatch(name)
    return not match["suffix"].endswith(SUFFIX) if match else bool(_OTHER.fullmatch(name))


def _is_of(split: str, name: str) -> bool:
    """Whether a split's name stands in that of a file, as a word."""
    return split in _WORDS.split(name)


def read_classes(
    directory: str, sizes: Mapping[str, int], storage: Storage
) -> tuple[tuple[ClassInfo, ...], int | None]:
    """The classes, from our list of them or from that of tensorflow-datasets."""
    if CLASSES in sizes:
        path = join(directory, CLASSES)
        table = read_classes_csv(storage.read_bytes(path).decode("utf-8", "replace"), path)
        return table.classes, table.base
    if CLASS_NAMES in sizes:
        lines = storage.read_bytes(join(directory, CLASS_NAMES)).decode("utf-8", "replace")
        return tuple(map(ClassInfo, lines.splitlines())), 0
    return (), None
