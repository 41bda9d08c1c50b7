"""CIFAR archives as downloaded: the python one and the binary one.

https://www.cs.toronto.edu/~kriz/cifar.html describes both. They are gzipped
tars of batches, which are read as one forward stream; nothing is extracted, and
the pickles of the python archive are not executed (see `plain_pickle`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagenet_beam.transforms.archives.forms import Form, Images, Span
from imagenet_beam.transforms.archives.names import base_name, leads_out, make_pixel_ref
from imagenet_beam.transforms.archives.plain_pickle import Uint8Array, load_plain_pickle
from imagenet_beam.transforms.archives.streams import (
    ByteStream,
    StreamReader,
    open_stream,
    read_forward,
)
from imagenet_beam.transforms.archives.tar import TarMember, read_member, walk_tar
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.pixels import PixelLayout
from imagenet_beam.transforms.storage.files import Storage, unpinned

LAYOUT = PixelLayout(channels=3, height=32, width=32)

_PYTHON_BYTES_PER_IMAGE = 4096
"""Bound on a pickled batch: 3,072 bytes of pixels, and room for the file name and the labels."""


@dataclass(frozen=True)
class CifarVariant:
    """What distinguishes CIFAR-10 from CIFAR-100.

    Attributes:
        title: The name for messages.
        num_classes: Labels run from 0 to one less.
        batches: The batch names of each split, with the images of each official batch.
        label_key: Where a pickled batch keeps its labels.
        label_bytes: Bytes before the pixels of a binary row; the last is the label.
    """

    title: str
    num_classes: int
    batches: dict[str, dict[str, int]]
    label_key: bytes
    label_bytes: int


CIFAR10 = CifarVariant(
    title="CIFAR-10",
    num_classes=10,
    batches={
        "train": {f"data_batch_{number}": 10_000 for number in range(1, 6)},
        "test": {"test_batch": 10_000},
    },
    label_key=b"labels",
    label_bytes=1,
)

CIFAR100 = CifarVariant(
    title="CIFAR-100",
    num_classes=100,
    batches={"train": {"train": 50_000}, "test": {"test": 10_000}},
    label_key=b"fine_labels",
    label_bytes=2,
)


class _CifarForm(Form):
    """The python or the binary archive of a CIFAR; which one, its content tells."""

    streamed = True

    def __init__(self, name: str, variant: CifarVariant) -> None:
        self.name = name
        self._variant = variant

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        # In the order of the archive, with one batch in memory.
        name = unpinned(span.archive)
        for wanted in (split,) if split else self._variant.batches:
            file = read_forward(storage, span.archive)
            images = unique_names(read_cifar_images(file, name, wanted, self._variant))
            for index, (filename, image) in enumerate(images):
                ref = make_pixel_ref(span.archive, index, filename, image.label, LAYOUT)
                yield ref, image.pixels


FORMS = (_CifarForm("cifar10", CIFAR10), _CifarForm("cifar100", CIFAR100))


class CifarImage(NamedTuple):
    """One image of a batch.

    Attributes:
        filename: The name that the batch keeps, or one made of batch and index:
            the binary archives keep none.
        label: The class number, from 0.
        pixels: The planes, as `LAYOUT` says.
        batch: The batch's name: `data_batch_1`.
        row: The place in the batch, from 0.
    """

    filename: str
    label: int
    pixels: bytes
    batch: str
    row: int


def unique_names(images: Iterator[CifarImage]) -> Iterator[tuple[str, CifarImage]]:
    """Names each image as its batch does; a name that has been there gets batch and row too.

    Names decide the place in the shards, so that no two images of a split may share one;
    each batch has names of its own, and nothing says that they differ between batches.
    """
    seen: set[str] = set()
    for image in images:
        if image.filename in seen:
            # No name of a batch has a slash, so this one is new.
            yield f"{image.batch}/{image.row:05d}/{image.filename}", image
        else:
            seen.add(image.filename)
            yield image.filename, image


def read_cifar_images(
    stream: ByteStream, name: str, split: str, variant: CifarVariant = CIFAR10
) -> Iterator[CifarImage]:
    """Reads the images of one split, `train` or `test`, in the archive's own order.

    A batch with more than half as many images as the official one is taken for
    an official one and must be complete; smaller batches are samples, and need
    only agree with themselves. The caller closes the stream.

    Raises:
        InputError: The archive is not this one, is incomplete, or holds what
            such an archive never does.
    """
    content = open_stream(stream, name)
    official = variant.batches[split]
    missing = dict(official)
    for member in walk_tar(content, needs_bytes=lambda path: _batch_of(path) in official):
        if member.name.startswith("/") or ".." in member.name.split("/"):
            raise leads_out(name, member.name)
        batch = _batch_of(member.name)
        if batch not in official:
            continue
        if missing.pop(batch, None) is None:
            raise InputError(f"{name} holds the batch {batch} twice")
        where, is_binary = f"{name}: {batch}", member.name.endswith(".bin")
        row_bytes = variant.label_bytes + LAYOUT.size_bytes
        max_bytes = official[batch] * (row_bytes if is_binary else _PYTHON_BYTES_PER_IMAGE)
        if member.size_bytes > max_bytes:
            raise InputError(
                f"{where} has {member.size_bytes:,} bytes; accepted are up to {max_bytes:,}"
            )
        if is_binary:
            rows = _binary_rows(content, member, where, row_bytes)
        else:
            rows = _python_rows(read_member(content, member), where, variant.label_key)
        count = 0
        for filename, label, pixels in rows:
            if type(label) is not int or not 0 <= label < variant.num_classes:
                # Of nested values, the mere writing down can take forever.
                shown = label if type(label) is int else f"of type {type(label).__name__}"
                raise InputError(
                    f"{where} gives image {count:,} the label {shown}; accepted are 0 to "
                    f"{variant.num_classes - 1}"
                )
            filename = filename or f"{batch}_{count:05d}.png"
            yield CifarImage(filename, label, pixels, batch, count)
            count += 1
        if not count or official[batch] // 2 < count != official[batch]:
            raise InputError(
                f"{where} has {count:,} images; accepted are {official[batch]:,} in each batch"
            )
    if missing:
        raise InputError(
            f"{name} lacks {', '.join(missing)}; accepted are the python and the binary "
            f"archive of {variant.title} as downloaded"
        )


_Rows = Iterator[tuple[str, object, bytes]]


def _batch_of(path: str) -> str:
    return base_name(path).removesuffix(".bin")


def _binary_rows(content: StreamReader, batch: TarMember, where: str, row_bytes: int) -> _Rows:
    if batch.size_bytes % row_bytes:
        raise InputError(
            f"{where} has {batch.size_bytes:,} bytes, which is not a whole number of images "
            f"of {row_bytes:,} bytes"
        )
    for start in range(batch.offset_bytes, batch.offset_bytes + batch.size_bytes, row_bytes):
        row = read_member(content, TarMember(batch.name, start, row_bytes))
        yield "", row[-LAYOUT.size_bytes - 1], row[-LAYOUT.size_bytes :]


def _python_rows(pickled: bytes, where: str, label_key: bytes) -> _Rows:
    batch = load_plain_pickle(pickled, where)
    if not isinstance(batch, dict):
        raise InputError(f"{where} is a pickle of something else than a dict")
    images = batch.get(b"data")
    if not isinstance(images, Uint8Array) or images.shape[1:] != (LAYOUT.size_bytes,):
        raise InputError(
            f"{where} has no array of images under 'data'; accepted is one row of "
            f"{LAYOUT.size_bytes:,} unsigned bytes an image"
        )
    labels, filenames = (_list_of(batch, key, where) for key in (label_key, b"filenames"))
    if not images.shape[0] == len(labels) == len(filenames):
        raise InputError(
            f"{where} has {images.shape[0]:,} images, {len(labels):,} labels and "
            f"{len(filenames):,} file names; accepted is the same number of each"
        )
    for index, (label, filename) in enumerate(zip(labels, filenames, strict=True)):
        start = index * LAYOUT.size_bytes
        yield _text(filename, where), label, images.data[start : start + LAYOUT.size_bytes]


def _list_of(batch: dict[bytes, Any], key: bytes, where: str) -> list[Any]:
    value = batch.get(key)
    if not isinstance(value, list):
        raise InputError(f"{where} has no list under {key.decode()!r}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, bytes):
        raise InputError(f"{where} holds {type(value).__name__} where a name belongs")
    try:
        filename = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} holds a name that is not UTF-8") from error
    if not filename or "/" in filename or not filename.isprintable():
        raise InputError(f"{where} holds {filename[:99]!r}, which is not a plain file name")
    return filename
