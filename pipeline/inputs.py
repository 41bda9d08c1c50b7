"""The sources of each split: found, told apart, identified."""

from __future__ import annotations

import dataclasses
import fnmatch
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig, check_text
from imagenet_beam.transforms.archives.base import FolderKind
from imagenet_beam.transforms.archives.table import KINDS, recognise
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage, is_local, join

_WILDCARDS = "*?["


class Inputs(NamedTuple):
    """What a conversion reads images from.

    Attributes:
        config: The conversion, with sources found, told apart and pinned.
        archives: The state of each source by its path as given.
    """

    config: ConvertConfig
    archives: dict[str, FileStat]


def resolve_inputs(config: ConvertConfig) -> Inputs:
    """Finds the sources of all splits.

    Raises:
        InputError: If one is missing; the message begins with its flag.
    """
    archives: dict[str, FileStat] = {}
    splits = []
    for split in config.splits:
        try:
            splits.append(_resolve(split, config.storage, archives))
        except InputError as error:
            raise InputError(f"`{split.parameter}`: {error}") from error
    return Inputs(dataclasses.replace(config, splits=tuple(splits)), archives)


def stat_inputs(config: ConvertConfig) -> dict[str, FileStat]:
    """The present state of the sources of a resolved conversion, by path."""
    return {
        path: _stat(path, split.kind, config.storage)
        for split in config.splits
        for path in split.archives
    }


def _resolve(split: SplitConfig, storage: Storage, archives: dict[str, FileStat]) -> SplitConfig:
    paths = [found for path in split.archives for found in expand(path, storage)]
    _check_repeated(paths)
    stats = [archives.get(path) or _stat(path, split.kind, storage) for path in paths]
    archives.update(zip(paths, stats, strict=True))
    pinned = tuple(stat.pinned for stat in stats)
    kinds = [KINDS[split.kind] if split.kind else recognise(storage, path) for path in pinned]
    return dataclasses.replace(
        split, archives=pinned, streamed=any(kind.streamed for kind in kinds)
    )


def _check_repeated(paths: Sequence[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        place = os.path.realpath(path.removeprefix("file://")) if is_local(path) else path
        if place in seen:
            raise InputError(f"{path} is given twice; name each archive once")
        seen.add(place)


def _stat(path: str, kind: str, storage: Storage) -> FileStat:
    check_text(path)
    source: object = KINDS.get(kind)
    if isinstance(source, FolderKind):
        return source.stat(storage, path)
    if storage.is_folder(path):
        raise InputError(
            f"{path} is a folder, not an archive; give `train_directory`, "
            "`validation_directory` or `test_directory`"
        )
    return storage.stat(path)


def expand(pattern: str, storage: Storage) -> list[str]:
    """The paths that a pattern stands for, sorted; a path without wildcards is itself.

    Raises:
        InputError: If there is none.
    """
    if (
        not any(character in pattern for character in _WILDCARDS)
        or storage.is_folder(pattern)
        or _exists(pattern, storage.stat)
    ):
        return [pattern]
    found = sorted(glob.glob(pattern) if is_local(pattern) else _remote(pattern, storage))
    if not found:
        raise InputError(f"no file is called like {pattern}")
    return found


def _exists(path: str, stat: Callable[[str], FileStat]) -> bool:
    try:
        stat(path)
    except InputError:
        return False
    return True


def _remote(pattern: str, storage: Storage) -> Iterator[str]:
    folder = pattern[: min(pattern.find(c) for c in _WILDCARDS if c in pattern)].rpartition("/")[0]
    for name in storage.list_sizes(folder):
        path = join(folder, name)
        if path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern):
            yield path
