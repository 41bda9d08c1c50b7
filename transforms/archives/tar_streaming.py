"""Tar archives that are compressed as a whole: one pass, images in the archive's order."""

from __future__ import annotations

from collections.abc import Iterator

from imagenet_beam.transforms.archives.names import (
    base_name,
    is_hidden,
    is_tar_name,
    is_wanted,
    make_ref,
)
from imagenet_beam.transforms.archives.streams import StreamReader
from imagenet_beam.transforms.archives.tar import BLOCK_BYTES, TarMember, walk_tar
from imagenet_beam.transforms.archives.tar_listing import TarSpan, list_span
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.size import MAX_IMAGE_BYTES


def list_stream(reader: StreamReader, archive: str, split: str = "") -> Iterator[ImageRef]:
    """Yields a reference to each image of a flat tar, or of a tar of class tars.

    Offsets count in the uncompressed content. Between two images the caller may
    read the first one's bytes from the same reader, and nothing else.

    Args:
        reader: The uncompressed content.
        archive: The archive's path, pinned where the storage has versions.
        split: Images of other splits are passed over; "" takes all.

    Raises:
        InputError: If the archive is damaged or truncated.
    """
    for member in walk_tar(reader, block_bytes=BLOCK_BYTES):
        if is_tar_name(member.name) and not is_hidden(member.name):
            yield from _list_class_tar(reader, archive, member, split)
        elif is_wanted(member.name, split):
            yield make_ref(archive, member.name, member.offset_bytes, member.size_bytes)
    reader.check_end()


def stream_images(
    reader: StreamReader, archive: str, split: str = ""
) -> Iterator[tuple[ImageRef, bytes]]:
    """Yields each image with its bytes, one in memory at a time; see `list_stream`.

    Images that are longer than `MAX_IMAGE_BYTES` come without their bytes.
    """
    for ref in list_stream(reader, archive, split):
        if ref.size_bytes > MAX_IMAGE_BYTES:
            yield ref, b""
            continue
        data = reader.read(ref.offset_bytes, ref.size_bytes)
        if len(data) < ref.size_bytes:
            raise InputError(f"{reader.name} is truncated in {ref.filename}; get the file again")
        yield ref, data


def _list_class_tar(
    reader: StreamReader, archive: str, member: TarMember, split: str
) -> Iterator[ImageRef]:
    wnid = base_name(member.name)[: -len(".tar")]
    name = f"{reader.name} → {base_name(member.name)}"
    span = TarSpan(archive, member.offset_bytes, member.size_bytes, name, wnid)
    return list_span(reader, span, split, BLOCK_BYTES)
