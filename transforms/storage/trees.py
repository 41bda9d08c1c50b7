"""Folder trees on this machine's disks, a folder at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator

from imagenet_beam.transforms.archives.names import is_image_name
from imagenet_beam.transforms.errors import InputError


def local_folders(directory: str) -> Iterator[str]:
    """Yields the folder itself as "", then all below it by relative path, sorted.

    Links to folders are followed: subsets of ImageNet are often made of links. A
    folder that lies inside itself by a link is visited once.

    Raises:
        InputError: If it is no folder, or one may not be read.
    """
    if not os.path.isdir(directory):
        what = "is a file, not a directory" if os.path.exists(directory) else "does not exist"
        raise InputError(f"{directory} {what}")
    yield from _folders(directory, "", frozenset())


def _folders(directory: str, relative: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(os.path.join(directory, relative))
    if real in above:
        return
    yield relative
    names = sorted(
        entry.name for entry in _scan(os.path.join(directory, relative)) if entry.is_dir()
    )
    for name in names:
        below = f"{relative}/{name}" if relative else name
        yield from _folders(directory, below, above | {real})


def local_files(directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
    """Yields path relative to the directory, size and version of the files in one folder."""
    entries = sorted(_scan(os.path.join(directory, folder)), key=lambda entry: entry.name)
    for entry in entries:
        try:
            if entry.is_file():
                found = entry.stat()
                path = f"{folder}/{entry.name}" if folder else entry.name
                yield path, found.st_size, str(found.st_mtime_ns)
            elif entry.is_symlink() and not entry.is_dir() and is_image_name(entry.name):
                raise InputError(f"{entry.path} is a link to a file that does not exist")
        except OSError as error:
            raise InputError(f"{entry.path} cannot be read: {error.strerror}") from error


def _scan(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
