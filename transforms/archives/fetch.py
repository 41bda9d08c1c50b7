"""The bytes of an image that can be read in place."""

from __future__ import annotations

from imagenet_beam.transforms.archives.zip import (
    ZipEncoding,
    parse_zip_encoding,
    read_zip_member,
    unzip_member,
)
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.images.size import MAX_IMAGE_BYTES, check_image_bytes
from imagenet_beam.transforms.storage.files import Storage


def fetch(ref: ImageRef, storage: Storage) -> bytes:
    """Reads an image as it is stored: one ranged read.

    Of what `unpack` will reject for its length, nothing is read.
    """
    encoding = parse_zip_encoding(ref.encoding)
    if _held_bytes(ref, encoding) > MAX_IMAGE_BYTES:
        return b""
    if encoding is None:
        return storage.read_range(ref.archive, ref.offset_bytes, ref.size_bytes)
    return read_zip_member(storage.open_ranges(ref.archive), ref.offset_bytes, encoding)


def unpack(ref: ImageRef, stored: bytes) -> bytes:
    """Gives back an image's own bytes from what `fetch` read.

    Raises:
        ImageRejected: If they are damaged, or more than `MAX_IMAGE_BYTES`.
    """
    encoding = parse_zip_encoding(ref.encoding)
    check_image_bytes(_held_bytes(ref, encoding))
    return stored if encoding is None else unzip_member(stored, ref.size_bytes, encoding)


def _held_bytes(ref: ImageRef, encoding: ZipEncoding | None) -> int:
    """The longer of what is stored and what comes out: a zip may lie about either."""
    return max(ref.size_bytes, encoding.stored_bytes if encoding else 0)


def is_image_file(ref: ImageRef) -> bool:
    """Whether the bytes are an image file, stored plainly or in a zip; else raw pixels."""
    return not ref.encoding or parse_zip_encoding(ref.encoding) is not None
