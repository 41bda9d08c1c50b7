"""The bytes of images: by ranged reads where they can be read in place, else in one pass."""

from __future__ import annotations

from imagenet_beam.transforms.archives.forms import Images, Span, find_form
from imagenet_beam.transforms.archives.passed import PassedTally
from imagenet_beam.transforms.archives.tar import WITHOUT_BYTES
from imagenet_beam.transforms.archives.zip import ZipEntry, read_zip_member, unzip_member
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.pixel_budget import MAX_IMAGE_BYTES, check_image_bytes
from imagenet_beam.transforms.storage.files import Storage


def read_span(storage: Storage, span: Span, split: str) -> Images:
    """Yields the images of a part of a source with their bytes as they are stored.

    What is stored in a zip is still to be unpacked.
    """
    form = find_form(span.kind)
    if form.streamed:
        yield from form.stream(storage, span, split)
    else:
        for ref in form.list(storage, span, split, PassedTally()):
            yield ref, fetch(ref, storage)


def fetch(ref: ImageRef, storage: Storage) -> bytes:
    """Reads an image as it is stored: one ranged read.

    Of what `unpack` will reject for its length or its fault, nothing is read.
    """
    entry = ZipEntry.parse(ref.zip_entry)
    if ref.fault or _held_bytes(ref, entry) > MAX_IMAGE_BYTES:
        return b""
    if entry is None:
        return storage.read_range(ref.archive, ref.offset_bytes, ref.size_bytes)
    return read_zip_member(
        storage.open_ranges(ref.archive), ref.offset_bytes, ref.size_bytes, entry
    )


def unpack(ref: ImageRef, stored: bytes) -> bytes:
    """Gives back an image's own bytes from what `fetch` read.

    Raises:
        ImageRejected: If there are none, they are damaged, or more than `MAX_IMAGE_BYTES`.
    """
    if ref.fault:
        raise ImageRejected(ref.fault, WITHOUT_BYTES[ref.fault])
    entry = ZipEntry.parse(ref.zip_entry)
    check_image_bytes(_held_bytes(ref, entry))
    return stored if entry is None else unzip_member(stored, ref.size_bytes, entry)


def stored_bytes(ref: ImageRef) -> int:
    """How long an image is as it is stored: what `fetch` reads."""
    entry = ZipEntry.parse(ref.zip_entry)
    return entry.stored_bytes if entry else ref.size_bytes


def _held_bytes(ref: ImageRef, entry: ZipEntry | None) -> int:
    """The longer of what is stored and what comes out: a zip may lie about either."""
    return max(ref.size_bytes, entry.stored_bytes if entry else 0)
