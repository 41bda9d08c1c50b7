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

from imagenet_beam.transforms.archives.compressed import (
    ByteStream,
    OpenedStream,
    damaged_gzip_as_input_error,
    describe_content,
)
from imagenet_beam.transforms.errors import InputError

LABELS_MAGIC = 0x0801
IMAGES_MAGIC = 0x0803

_MAX_SIDE = 1 << 14
"""Pixels along a side; a bound on memory, far above any IDX set's 28 or 64."""

_MAX_LABELS = 1 << 24
"""Labels in one file; a bound on memory, far above EMNIST's 814,255."""

_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class IdxHeader:
    """What an IDX image file says of itself.

    Attributes:
        count: Images in the file.
        height: Rows of each.
        width: Columns of each.
    """

    count: int
    height: int
    width: int

    @property
    def image_bytes(self) -> int:
        """How long one image is."""
        return self.height * self.width

    @property
    def encoding(self) -> str:
        """The layout of an image as `ImageRef.encoding` names it."""
        return f"gray:{self.height}x{self.width}"


class IdxImages:
    """An IDX image file, whose images can be iterated once.

    Attributes:
        header: Number and size of the images.
    """

    def __init__(self, header: IdxHeader, source: OpenedStream, name: str) -> None:
        self.header = header
        self._source = source
        self._name = name

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Gives (index, pixels) for each image.

        Raises:
            InputError: The file holds fewer or more images than its header says.
        """
        for index in range(self.header.count):
            yield index, self._read_image(index)
        _check_end(self._source, self._name, f"{self.header.count:,} images")

    def _read_image(self, index: int) -> bytes:
        size = self.header.image_bytes
        with damaged_gzip_as_input_error(self._name):
            parts = []
            while size and (part := self._source.content.read(min(size, _READ_BYTES))):
                parts.append(part)
                size -= len(part)
        if size:
            raise InputError(
                f"{self._name} ends within image {index:,}, but its header says that there "
                f"are {self.header.count:,}; download it again"
            )
        return b"".join(parts)


def read_idx_images(stream: ByteStream, name: str) -> IdxImages:
    """Opens an IDX file of images, gzipped or not.

    Args:
        stream: The file, opened by the caller, who also closes it.
        name: The file's name for messages.

    Raises:
        InputError: It is not an IDX file of images.
    """
    source = OpenedStream(stream, name, _READ_BYTES)
    count, height, width = _read_sizes(source, name, IMAGES_MAGIC)
    if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise InputError(
            f"{name} says that its images have {height:,} rows and {width:,} columns; "
            f"accepted are 1 to {_MAX_SIDE:,}"
        )
    return IdxImages(IdxHeader(count, height, width), source, name)


def read_idx_labels(stream: ByteStream, name: str, num_classes: int = 10) -> bytes:
    """Reads an IDX file of labels, gzipped or not; byte *i* is the label of image *i*.

    Args:
        stream: The file, opened by the caller, who also closes it.
        name: The file's name for messages.
        num_classes: Labels run from 0 to one less.

    Raises:
        InputError: It is not an IDX file of labels, its length differs from its
            header, or a label is out of range.
    """
    source = OpenedStream(stream, name, _READ_BYTES)
    (count,) = _read_sizes(source, name, LABELS_MAGIC)
    if count > _MAX_LABELS:
        raise InputError(
            f"{name} says that it has {count:,} labels; accepted are up to {_MAX_LABELS:,}"
        )
    labels = _read_labels(source, name, count)
    _check_end(source, name, f"{count:,} labels")
    _check_range(labels, name, num_classes)
    return labels


def check_same_count(header: IdxHeader, labels: bytes, images_name: str, labels_name: str) -> None:
    """Raises `InputError` unless there is one label an image."""
    if header.count != len(labels):
        raise InputError(
            f"{images_name} has {header.count:,} images but {labels_name} has {len(labels):,} "
            "labels; they must be the two files of the same split"
        )


def _read_sizes(source: OpenedStream, name: str, magic: int) -> tuple[int, ...]:
    dimensions = magic & 0xFF
    with damaged_gzip_as_input_error(name):
        start = source.content.read(4 + 4 * dimensions)
    _check_magic(source, name, start, magic)
    if len(start) < 4 + 4 * dimensions:
        raise InputError(f"{name} ends within its header; download it again")
    return struct.unpack_from(f">{dimensions}I", start, offset=4)


def _check_magic(source: OpenedStream, name: str, start: bytes, magic: int) -> None:
    wanted = _kind(magic)
    found = int.from_bytes(start[:4], "big") if len(start) >= 4 else 0
    if found == magic:
        return
    if found in (IMAGES_MAGIC, LABELS_MAGIC):
        what = _kind(found)
    elif source.is_gzip:
        what = f"a gzip file of {describe_content(start)}"
    else:
        what = describe_content(source.head)
    raise InputError(f"{name} is {what}; accepted is {wanted} (magic number {magic:#010x})")


def _kind(magic: int) -> str:
    return "an IDX file of images" if magic == IMAGES_MAGIC else "an IDX file of labels"


def _read_labels(source: OpenedStream, name: str, count: int) -> bytes:
    labels = bytearray()
    with damaged_gzip_as_input_error(name):
        while len(labels) < count:
            part = source.content.read(min(_READ_BYTES, count - len(labels)))
            if not part:
                raise InputError(
                    f"{name} ends after {len(labels):,} labels, but its header says that "
                    f"there are {count:,}; download it again"
                )
            labels += part
    return bytes(labels)


def _check_end(source: OpenedStream, name: str, said: str) -> None:
    with damaged_gzip_as_input_error(name):
        if source.content.read(1):
            raise InputError(f"{name} goes on after the {said} that its header announces")


def _check_range(labels: bytes, name: str, num_classes: int) -> None:
    allowed = bytes(range(num_classes))
    if not labels.translate(None, allowed):
        return
    index = next(i for i, label in enumerate(labels) if label >= num_classes)
    raise InputError(
        f"{name} gives image {index:,} the label {labels[index]}; accepted are 0 to "
        f"{num_classes - 1}"
    )
