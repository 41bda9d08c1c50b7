"""Bounding boxes from every form that people have: archives, folders of XML, CSV."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from imagenet_beam.transforms.archives.folder import stat_tree
from imagenet_beam.transforms.archives.names import is_hidden
from imagenet_beam.transforms.archives.ranges import RangedFile
from imagenet_beam.transforms.archives.streams import (
    HEAD_BYTES,
    ByteStream,
    StreamReader,
    open_stream,
    read_forward,
)
from imagenet_beam.transforms.archives.tar import TarMember, read_member, walk_tar
from imagenet_beam.transforms.boxes.annotations import (
    Annotation,
    annotated_stem,
    check_xml_bytes,
    is_boxes_csv,
    parse_annotation_xml,
    parse_boxes_csv,
)
from imagenet_beam.transforms.boxes.index import BoxIndex, boxes_by_name
from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage, join

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_FILES_LOOKED_AT = 1000  # with no annotation among so many files this is another archive


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
    if not _is_folder(path, storage):
        yield from iter_annotations_tar(read_forward(storage, path), path)
        return
    for folder in storage.folders(path):
        for file in storage.files(path, folder):
            if is_xml_name(file.path):
                data = storage.read_range(file.pinned, 0, file.size_bytes)
                name = join(path, file.path)
                yield parse_annotation_xml(data, name, annotated_stem(file.path))


def iter_annotations_tar(stream: ByteStream, name: str) -> Iterator[Annotation]:
    """Reads an annotation archive as a stream, one small file in memory at a time.

    It is `ILSVRC2012_bbox_train_v2.tar.gz`, `ILSVRC2012_bbox_val_v3.tgz`, the same unpacked
    to a tar, or an older archive with a tar for each class.

    Raises:
        InputError: The archive or an annotation in it cannot be read.
    """
    for member, data in iter_xml_members(stream, name):
        yield parse_annotation_xml(data, f"{name}/{member}", annotated_stem(member))


def iter_xml_members(stream: ByteStream, name: str) -> Iterator[tuple[str, bytes]]:
    """Yields path and content of each XML file in a tar archive, compressed or not.

    Older box archives hold a compressed tar for each class; these are looked into.

    Raises:
        InputError: It is no tar archive, it is damaged, or there is no XML in it.
    """
    found = passed = 0
    try:
        for reader, member in _members_at_any_depth(open_stream(stream, name)):
            if is_xml_name(member.name):
                found += 1
                check_xml_bytes(member.size_bytes, f"{name}/{member.name}")
                yield member.name, read_member(reader, member)
            else:
                passed += 1
            if not found and passed >= _FILES_LOOKED_AT:
                break
    except InputError as error:
        raise _of_boxes(error) from error
    if not found:
        raise InputError(
            f"`bounding_boxes`: {name} has no annotation (.xml) among its first {passed:,} files;"
            " give ILSVRC2012_bbox_train_v2.tar.gz, ILSVRC2012_bbox_val_v3.tgz, a folder of"
            " annotations, or the CSV of process_bounding_boxes.py"
        )


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
        raise _of_boxes(error) from error


def is_xml_name(name: str) -> bool:
    """Whether a file is taken for an annotation."""
    return name.lower().endswith(".xml") and not is_hidden(name)


def _members_at_any_depth(content: StreamReader) -> Iterator[tuple[StreamReader, TarMember]]:
    for member in _members(content):
        if member.name.lower().endswith(_TAR_SUFFIXES):
            file = RangedFile(content, member.offset_bytes, member.size_bytes)
            inner = open_stream(file, f"{member.name} in {content.name}")
            for inner_member in _members(inner):
                yield inner, inner_member
        else:
            yield content, member


def _members(content: StreamReader) -> Iterator[TarMember]:
    walk = walk_tar(
        content, needs_bytes=lambda name: is_xml_name(name) or name.lower().endswith(_TAR_SUFFIXES)
    )
    return (member for member in walk if not is_hidden(member.name))


def _of_boxes(error: InputError) -> InputError:
    """The same sentence with the parameter that it is about."""
    return error if error.field else InputError(f"`bounding_boxes`: {error}")


def _is_folder(path: str, storage: Storage) -> bool:
    return storage.is_folder(path) or path.endswith("/")


def _is_csv(path: str, storage: Storage) -> bool:
    reader = storage.open_ranges(path)
    return is_boxes_csv(reader.read(0, min(HEAD_BYTES, reader.size_bytes)))


def _csv_rows(path: str, storage: Storage) -> Iterator[tuple[str, BoundingBox]]:
    file = io.BufferedReader(read_forward(storage, path))
    return parse_boxes_csv(io.TextIOWrapper(file, encoding="utf-8", errors="replace"), path)
