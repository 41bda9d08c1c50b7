"""Bounding boxes from every form that people have: archives, folders of XML, CSV."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

from imagenet_beam.transforms.archives.folder import stat_tree
from imagenet_beam.transforms.archives.names import is_hidden
from imagenet_beam.transforms.archives.ranges import RangedFile
from imagenet_beam.transforms.boxes.annotations import (
    Annotation,
    annotated_stem,
    iter_annotations_tar,
    parse_annotation_xml,
)
from imagenet_beam.transforms.boxes.csv_file import is_boxes_csv, parse_boxes_csv
from imagenet_beam.transforms.boxes.index import BoxIndex, boxes_by_name
from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage, join

_HEAD_BYTES = 512
_READ_BYTES = 1 << 20


def read_boxes(paths: Sequence[str], storage: Storage) -> BoxIndex:
    """Reads all boxes of one or several sources; what each is, its content tells.

    Raises:
        InputError: If one is missing or damaged, or two of them contradict each other.
    """
    csvs = {path for path in paths if not _is_folder(path, storage) and _is_csv(path, storage)}
    annotations = (
        annotation
        for path in paths
        if path not in csvs
        for annotation in iter_annotations(path, storage)
    )
    return boxes_by_name(annotations, (_csv_rows(path, storage) for path in sorted(csvs)))


def iter_annotations(path: str, storage: Storage) -> Iterator[Annotation]:
    """Yields the annotations of an archive or of a folder of XML files."""
    if _is_folder(path, storage):
        yield from _iter_folder(path, storage)
        return
    reader = storage.open_ranges(path)
    yield from iter_annotations_tar(RangedFile(reader, 0, reader.size_bytes, _READ_BYTES), path)


def stat_boxes(path: str, storage: Storage) -> FileStat:
    """Identifies the state of one source of boxes.

    Raises:
        InputError: If it is missing, or is a folder without XML files.
    """
    try:
        if _is_folder(path, storage):
            return stat_tree(storage, path, is_xml_name, "annotations (.xml, in it or below it)")
        return storage.stat(path)
    except InputError as error:
        raise InputError(f"`bounding_boxes`: {error}") from error


def is_xml_name(name: str) -> bool:
    """Whether a file is taken for an annotation."""
    return name.lower().endswith(".xml") and not is_hidden(name)


def _is_folder(path: str, storage: Storage) -> bool:
    return storage.is_folder(path) or path.endswith("/")


def _is_csv(path: str, storage: Storage) -> bool:
    reader = storage.open_ranges(path)
    return is_boxes_csv(reader.read(0, min(_HEAD_BYTES, reader.size_bytes)))


def _csv_rows(path: str, storage: Storage) -> Iterable[tuple[str, BoundingBox]]:
    reader = storage.open_ranges(path)
    file = io.BufferedReader(RangedFile(reader, 0, reader.size_bytes, _READ_BYTES), _READ_BYTES)
    return parse_boxes_csv(io.TextIOWrapper(file, encoding="utf-8", errors="replace"), path)


def _iter_folder(path: str, storage: Storage) -> Iterator[Annotation]:
    for folder in storage.folders(path):
        for file in storage.files(path, folder):
            if is_xml_name(file.path):
                data = storage.read_range(file.pinned, 0, file.size_bytes)
                name = join(path, file.path)
                yield parse_annotation_xml(data, name, annotated_stem(file.path))
