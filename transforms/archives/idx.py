"""IDX files: the format of MNIST and of the sets made in its likeness.

A file is a big-endian magic number (two zero bytes, 8 for unsigned bytes, the
number of dimensions), one 32-bit size a dimension, and the values, row by row
(http://yann.lecun.com/exdb/mnist). Files are read as streams: what a header
claims is never allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imagenet_beam.transforms.archives.folder import stat_files
from imagenet_beam.transforms.archives.forms import Form, Images, Span
from imagenet_beam.transforms.archives.names import make_pixel_ref
from imagenet_beam.transforms.archives.streams import (
    HEAD_BYTES,
    ByteStream,
    StreamReader,
    describe_content,
    open_stream,
    read_forward,
)
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.pixels import PixelLayout
from imagenet_beam.transforms.storage.files import FileStat, Storage, join

_LABELS, _IMAGES = b"\0\0\x08\x01", b"\0\0\x08\x03"
_TITLES = {_LABELS: "an IDX file of labels", _IMAGES: "an IDX file of images"}

_MAX_SIDE = 1 << 14
"""Pixels along a side; a bound on memory, far above any IDX set's 28 or 64."""

_MAX_LABELS = 1 << 24
"""Labels in one file; a bound on memory, far above EMNIST's 814,255."""

_PREFIXES = {"train": "train", "test": "t10k"}
_MIDDLES = {"images": "idx3", "labels": "idx1"}


class IdxForm(Form):
    """A folder with two files for each split, under the names that MNIST gave them."""

    name = "idx"
    streamed = True
    is_folder = True

    def stat(self, storage: Storage, path: str) -> FileStat:
        """Identifies the state of the files that are there, of all splits."""
        found = (
            _find(storage, path, prefix, what) for prefix in _PREFIXES.values() for what in _MIDDLES
        )
        return stat_files(path, filter(None, found), f"{path} {_none_of('train')}")

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """One part: the folder."""
        yield Span(self.name, archive, 0, 0, archive)

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """Both files of a split, in their order."""
        for wanted in (split,) if split else _PREFIXES:
            yield from _stream_split(storage, span.archive, _PREFIXES[wanted])


FORMS = (IdxForm(),)


def _stream_split(storage: Storage, directory: str, prefix: str) -> Images:
    images_file = _find(storage, directory, prefix, "images")
    labels_file = _find(storage, directory, prefix, "labels")
    if images_file is None or labels_file is None:
        raise InputError(f"{directory} {_none_of(prefix)}")
    images = read_idx_images(read_forward(storage, images_file.pinned), images_file.path)
    labels = read_idx_labels(read_forward(storage, labels_file.pinned), labels_file.path)
    if images.count != len(labels):
        raise InputError(
            f"{images_file.path} has {images.count:,} images but {labels_file.path} has "
            f"{len(labels):,} labels; they must be the two files of the same split"
        )
    for index, pixels in images:
        name = f"{prefix}_{index:05d}.png"
        label = labels[index]
        yield make_pixel_ref(images_file.pinned, index, name, label, images.layout), pixels


def _find(storage: Storage, directory: str, prefix: str, what: str) -> FileStat | None:
    """One of the four files, under its own name or those that unpacking gives."""
    for mark in "-.":
        for suffix in (".gz", ""):
            name = f"{prefix}-{what}{mark}{_MIDDLES[what]}-ubyte{suffix}"
            try:
                return storage.stat(join(directory, name))
            except InputError:
                continue
    return None


def _none_of(prefix: str) -> str:
    names = (f"{prefix}-{what}-{middle}-ubyte.gz" for what, middle in _MIDDLES.items())
    return (
        f"does not hold both {' and '.join(names)}; accepted is a folder with the four files as "
        "downloaded, or without .gz"
    )


@dataclass(frozen=True)
class IdxImages:
    """An opened IDX file of images, which can be iterated once.

    Attributes:
        count: Images in the file, by its header.
        layout: How the pixels of each lie.
        content: The file's content.
    """

    count: int
    layout: PixelLayout
    content: StreamReader

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Gives (index, pixels) for each image.

        Raises:
            InputError: The file holds fewer or more images than its header says.
        """
        name, size_bytes, position = self.content.name, self.layout.size_bytes, _sizes_end(3)
        for index in range(self.count):
            pixels = self.content.read(position, size_bytes)
            if len(pixels) < size_bytes:
                raise InputError(
                    f"{name} ends within image {index:,}, but its header says that there "
                    f"are {self.count:,}; download it again"
                )
            position += size_bytes
            yield index, pixels
        _check_end(self.content, position, f"{self.count:,} images")


def read_idx_images(stream: ByteStream, name: str) -> IdxImages:
    """Opens an IDX file of images, compressed or not; the caller closes the stream.

    Raises:
        InputError: It is not an IDX file of images.
    """
    content = open_stream(stream, name)
    count, height, width = _read_sizes(content, _IMAGES)
    if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise InputError(
            f"{name} says that its images have {height:,} rows and {width:,} columns; "
            f"accepted are 1 to {_MAX_SIDE:,}"
        )
    return IdxImages(count, PixelLayout(1, height, width), content)


def read_idx_labels(stream: ByteStream, name: str) -> bytes:
    """Reads an IDX file of labels, compressed or not; byte *i* is the label of image *i*.

    Raises:
        InputError: It is not an IDX file of labels, or its length differs from its header.
    """
    content = open_stream(stream, name)
    (count,) = _read_sizes(content, _LABELS)
    if count > _MAX_LABELS:
        raise InputError(
            f"{name} says that it has {count:,} labels; accepted are up to {_MAX_LABELS:,}"
        )
    labels = content.read(_sizes_end(1), count)
    if len(labels) < count:
        raise InputError(
            f"{name} ends after {len(labels):,} labels, but its header says that "
            f"there are {count:,}; download it again"
        )
    _check_end(content, _sizes_end(1) + count, f"{count:,} labels")
    return labels


def _sizes_end(dimensions: int) -> int:
    return 4 + 4 * dimensions


def _read_sizes(content: StreamReader, magic: bytes) -> tuple[int, ...]:
    head = content.read(0, HEAD_BYTES)
    if not head.startswith(magic):
        what = _TITLES.get(head[:4]) or describe_content(head)
        if content.compression and head[:4] not in _TITLES:
            what = f"{content.compression} of {what}"
        raise InputError(
            f"{content.name} is {what}; accepted is {_TITLES[magic]} (magic number 0x{magic.hex()})"
        )
    dimensions = magic[3]
    if len(head) < _sizes_end(dimensions):
        raise InputError(f"{content.name} ends within its header; download it again")
    return struct.unpack_from(f">{dimensions}I", head, offset=4)


def _check_end(content: StreamReader, position: int, said: str) -> None:
    """Reads to the end, where compressed files have their checksum."""
    if content.read(position, 1):
        raise InputError(f"{content.name} goes on after the {said} that its header announces")
