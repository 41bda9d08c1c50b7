"""Extracted trees: class folders, or a flat folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from imagenet_beam.transforms.archives.base import Images, Span
from imagenet_beam.transforms.archives.fetch import fetch
from imagenet_beam.transforms.archives.names import is_image_name, is_wanted, make_ref
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage


class FolderSource:
    """Each image is a file: its path is the reference's archive, its offset 0."""

    name = "folder"
    title = "a folder"
    streamed = False

    def recognises(self, head: bytes) -> bool:
        """Never: a folder has no bytes; flags tell it."""
        return False

    def stat(self, storage: Storage, directory: str) -> FileStat:
        """Path, size and time of each image."""
        return stat_tree(storage, directory)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """A part for each folder of the tree."""
        for folder in storage.folders(archive):
            yield Span(self.name, archive, 0, 0, folder)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Lists one folder; files are not opened."""
        for file in storage.files(span.archive, span.name):
            if is_wanted(file.path, split):
                _check_name(file.path, span.archive)
                yield make_ref(file.pinned, file.path, 0, file.size_bytes)

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """In the order of the names."""
        for ref in self.list(storage, span, split):
            yield ref, fetch(ref, storage)


def _check_name(path: str, directory: str) -> None:
    """Refuses names that no record could hold as text."""
    if not path.isprintable():  # bytes that are not UTF-8 come as lone surrogates
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise InputError(
            f"{directory} holds {shown!r}, a name with bytes that are not UTF-8 or that cannot be "
            "shown; rename the file"
        )


def stat_tree(
    storage: Storage,
    directory: str,
    is_wanted_name: Callable[[str], bool] = is_image_name,
    what: str = "images (.jpeg, .jpg, .png and the like, in it or in folders below it)",
) -> FileStat:
    """Identifies the state of a tree: path, size and time of each image in it.

    Memory is bounded by the largest folder.

    Args:
        storage: How to reach it.
        directory: Its top.
        is_wanted_name: Which files count.
        what: What these files are called in messages.

    Raises:
        InputError: If there is no such folder, or no such file in it.
    """
    digest, size_bytes, files = hashlib.sha256(), 0, 0
    for folder in storage.folders(directory):
        for file in storage.files(directory, folder):
            if is_wanted_name(file.path):
                digest.update(
                    f"{file.path}\0{file.size_bytes}\0{file.version}\n".encode(
                        "utf-8", "surrogateescape"
                    )
                )
                size_bytes += file.size_bytes
                files += 1
    if not files:
        raise InputError(f"{directory} holds no {what}")
    return FileStat(directory, size_bytes, f"{files} files, {digest.hexdigest()[:32]}", directory)
