"""Extracted trees: class folders, or a flat folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from imagenet_beam.transforms.archives.forms import Form, Span
from imagenet_beam.transforms.archives.names import is_image_name, is_wanted, make_ref
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage


class _FolderForm(Form):
    """Each image is a file: its path is the reference's archive, its offset 0."""

    name = "folder"
    is_folder = True

    def stat(self, storage: Storage, path: str) -> FileStat:
        return stat_tree(storage, path)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        for folder in storage.folders(archive):
            yield Span(self.name, archive, 0, 0, folder)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        for file in storage.files(span.archive, span.name):
            if is_wanted(file.path, split):
                if not file.path.isprintable():  # bytes that are not UTF-8 come as lone surrogates
                    shown = file.path.encode("utf-8", "surrogateescape")
                    raise InputError(
                        f"{span.archive} holds {shown.decode('utf-8', 'backslashreplace')!r}, a "
                        "name with bytes that are not UTF-8 or that cannot be shown; rename the "
                        "file"
                    )
                yield make_ref(file.pinned, file.path, 0, file.size_bytes)


FORMS = (_FolderForm(),)


def stat_tree(
    storage: Storage,
    directory: str,
    is_wanted_name: Callable[[str], bool] = is_image_name,
    what: str = "images (.jpeg, .jpg, .png and the like, in it or in folders below it)",
) -> FileStat:
    """Identifies the state of a tree: path, size and time of each file that is wanted.

    Memory is bounded by the largest folder.

    Raises:
        InputError: If there is no such folder, or no such file in it.
    """
    files = (
        file
        for folder in storage.folders(directory)
        for file in storage.files(directory, folder)
        if is_wanted_name(file.path)
    )
    return stat_files(directory, files, f"{directory} holds no {what}")


def stat_files(directory: str, files: Iterable[FileStat], if_none: str) -> FileStat:
    """Identifies the state of several files of a folder together.

    Raises:
        InputError: With the text `if_none`, if there are none.
    """
    digest, size_bytes, count = hashlib.sha256(), 0, 0
    for file in files:
        line = f"{file.path}\0{file.size_bytes}\0{file.version}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
        size_bytes += file.size_bytes
        count += 1
    if not count:
        raise InputError(if_none)
    return FileStat(directory, size_bytes, f"{count} files, {digest.hexdigest()[:32]}", directory)
