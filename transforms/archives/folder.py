"""Extracted trees: class folders, a flat folder, or a folder of class tars."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator

from imagenet_beam.transforms.archives.forms import Form, Span
from imagenet_beam.transforms.archives.names import (
    is_image_name,
    is_tar_name,
    make_ref,
    tar_stem,
)
from imagenet_beam.transforms.archives.official_names import is_wnid
from imagenet_beam.transforms.archives.passed import EMPTY, PassedTally
from imagenet_beam.transforms.archives.tar_archives import TAR
from imagenet_beam.transforms.elements import ImageRef, PassedOver
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage, join

_SHOWN = 3


class _FolderForm(Form):
    """Each image is a file: its path is the reference's archive, its offset 0.

    A folder of class tars and nothing else is what their archive is, its parts in files.
    """

    name = "folder"
    is_folder = True

    def stat(self, storage: Storage, path: str) -> FileStat:
        tars, _ = _class_tars(storage, path)
        return stat_files(path, tars, "") if tars else stat_tree(storage, path)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        tars, passed = _class_tars(storage, archive)
        for tar in tars:
            name, wnid = join(archive, tar.path), tar_stem(tar.path)
            told = passed if tar is tars[-1] else PassedOver()
            yield Span(TAR, tar.pinned, 0, tar.size_bytes, name, wnid, told)
        for folder in () if tars else storage.folders(archive):
            yield Span(self.name, archive, 0, 0, folder)

    def list(
        self, storage: Storage, span: Span, split: str, passed: PassedTally
    ) -> Iterator[ImageRef]:
        tars: list[str] = []
        is_empty = bool(span.name)
        for file in storage.files(span.archive, span.name):
            is_empty = False
            if _is_class_tar(file.path):
                tars.append(file.path)
            elif passed.takes(file.path, split):
                if not file.path.isprintable():  # bytes that are not UTF-8 come as lone surrogates
                    shown = file.path.encode("utf-8", "surrogateescape")
                    raise InputError(
                        f"{span.archive} holds {shown.decode('utf-8', 'backslashreplace')!r}, a "
                        "name with bytes that are not UTF-8 or that cannot be shown; rename the "
                        "file"
                    )
                yield make_ref(file.pinned, file.path, 0, file.size_bytes)
        if is_empty:
            folders = storage.folders(join(span.archive, span.name))
            if not any(itertools.islice(folders, 1, None)):  # itself first; one below it is enough
                passed.count(EMPTY)
        if tars:
            more = ", …" if len(tars) > _SHOWN else ""
            raise InputError(
                f"{span.archive} holds class tars beside extracted images "
                f"({', '.join(tars[:_SHOWN])}{more}): their images would be missing; extract them "
                "or move them away, or give a folder of class tars alone"
            )


FORMS = (_FolderForm(),)


def _class_tars(storage: Storage, directory: str) -> tuple[list[FileStat], PassedOver]:
    """The class tars of a folder that has no images, and what else is there; or no tars.

    Other trees are left at the first image, or after their first folder.
    """
    tars, passed = list[FileStat](), PassedTally()
    for folder in storage.folders(directory):
        for file in storage.files(directory, folder):
            if _is_class_tar(file.path):
                tars.append(file)
                passed.saw_image(file.path)
            elif passed.takes(file.path, ""):
                return [], PassedOver()
        if not tars:
            break
    return tars, passed.result()


def _is_class_tar(path: str) -> bool:
    return is_tar_name(path) and is_wnid(tar_stem(path))


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
