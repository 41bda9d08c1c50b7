"""Paths with wildcards, on this machine and elsewhere."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Callable, Iterator

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage, is_local, join

_WILDCARDS = "*?["


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
