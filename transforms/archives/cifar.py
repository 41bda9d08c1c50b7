"""CIFAR archives as downloaded: the python one and the binary one.

https://www.cs.toronto.edu/~kriz/cifar.html describes both. They are gzipped
tars of batches, which are read as one forward stream; nothing is extracted, and
the pickles of the python archive are not executed (see `plain_pickle`).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, cast

from imagenet_beam.transforms.archives.compressed import (
    ByteStream,
    OpenedStream,
    damaged_gzip_as_input_error,
    describe_content,
)
from imagenet_beam.transforms.archives.plain_pickle import Uint8Array, load_plain_pickle
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.pixels import PixelLayout

LAYOUT = PixelLayout(channels=3, height=32, width=32)

# What tarfile lets through where numbers in headers are none, or lead backwards.
_DAMAGE = (ValueError, OverflowError, IndexError, RecursionError)

_PYTHON_BYTES_PER_IMAGE = 8192
"""Bound on a pickled batch: 3,072 bytes of pixels, which Python 3 doubles at worst when
it writes protocol 2, and room for the file name and the labels."""


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
    label_key: str
    label_bytes: int

    @property
    def row_bytes(self) -> int:
        """How long one image of the binary archive is with its labels."""
        return self.label_bytes + LAYOUT.size_bytes


CIFAR10 = CifarVariant(
    title="CIFAR-10",
    num_classes=10,
    batches={
        "train": {f"data_batch_{number}": 10_000 for number in range(1, 6)},
        "test": {"test_batch": 10_000},
    },
    label_key="labels",
    label_bytes=1,
)

CIFAR100 = CifarVariant(
    title="CIFAR-100",
    num_classes=100,
    batches={"train": {"train": 50_000}, "test": {"test": 10_000}},
    label_key="fine_labels",
    label_bytes=2,
)


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


def read_cifar_images(
    stream: ByteStream,
    name: str,
    split: str,
    variant: CifarVariant = CIFAR10,
    expected_per_batch: int | None = None,
) -> Iterator[CifarImage]:
    """Reads the images of one split in the archive's own order.

    A batch with more than half as many images as the official one is taken for
    an official one and must be complete; smaller batches are samples, and need
    only agree with themselves.

    Args:
        stream: The archive, opened by the caller, who also closes it.
        name: The archive's name for messages.
        split: `train` or `test`.
        variant: Which CIFAR.
        expected_per_batch: The exact number of images that each batch must have.

    Raises:
        InputError: The archive is not this one, is incomplete, or holds what
            such an archive never does.
    """
    missing = dict(variant.batches[split])
    for tar, member in _members(stream, name, variant):
        batch, is_binary = _batch_name(member)
        if batch not in variant.batches[split]:
            continue
        if missing.pop(batch, None) is None:
            raise InputError(f"{name} holds the batch {batch} twice")
        official = variant.batches[split][batch]
        found = _Batch(tar, member, batch, f"{name}: {batch}", official)
        rows = _binary_rows if is_binary else _python_rows
        count = 0
        for image in rows(found, variant):
            count += 1
            yield image
        _check_count(count, found.where, official, expected_per_batch)
    if missing:
        raise InputError(
            f"{name} lacks {', '.join(missing)}; accepted are the python and the binary "
            f"archive of {variant.title} as downloaded"
        )


def _members(
    stream: ByteStream, name: str, variant: CifarVariant
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Walks a tar, gzipped or not; the member that is given can be read until the next."""
    largest = max(count for split in variant.batches.values() for count in split.values())
    source = OpenedStream(stream, name, largest * _PYTHON_BYTES_PER_IMAGE)
    content = cast(BinaryIO, source.content)
    with (
        _damage_as_input_error(f"{name} ({describe_content(source.head)})"),
        tarfile.TarFile(fileobj=content, mode="r") as tar,
    ):
        while (member := tar.next()) is not None:
            if member.size < 0:
                raise tarfile.ReadError("a member of negative length")
            _check_member_name(member.name, name)
            yield tar, member
            # TarFile remembers its members, which an archive of very many makes large.
            tar.members.clear()  # type: ignore[attr-defined]


@contextmanager
def _damage_as_input_error(where: str) -> Iterator[None]:
    with damaged_gzip_as_input_error(where):
        try:
            yield
        except InputError:
            raise
        except (tarfile.TarError, *_DAMAGE) as error:
            raise InputError(
                f"{where} is not a whole tar.gz archive ({error}); download it again"
            ) from error


def _check_member_name(member: str, name: str) -> None:
    if member.startswith("/") or ".." in member.split("/"):
        raise InputError(
            f"{name} holds the path {member!r}, which leads out of the archive; "
            "the official archives never do, so this one is not used"
        )


def _batch_name(member: tarfile.TarInfo) -> tuple[str, bool]:
    base = member.name.rpartition("/")[2] if member.isfile() else ""
    return base.removesuffix(".bin"), base.endswith(".bin")


class _Batch(NamedTuple):
    """A batch where the walk through the archive has come to it.

    Attributes:
        tar: The archive.
        member: The batch in it.
        name: `data_batch_1`.
        where: What to call it in messages.
        images: How many the official batch has.
    """

    tar: tarfile.TarFile
    member: tarfile.TarInfo
    name: str
    where: str
    images: int

    def read(self, max_bytes_per_image: int) -> bytes:
        """Its content, if that is no longer than the official batch's can be."""
        max_bytes = self.images * max_bytes_per_image
        if self.member.size > max_bytes:
            raise InputError(
                f"{self.where} has {self.member.size:,} bytes; accepted are up to {max_bytes:,}"
            )
        with _damage_as_input_error(self.where):
            file = self.tar.extractfile(self.member)
            return file.read() if file is not None else b""


def _binary_rows(batch: _Batch, variant: CifarVariant) -> Iterator[CifarImage]:
    row_bytes = variant.row_bytes
    if batch.member.size % row_bytes:
        raise InputError(
            f"{batch.where} has {batch.member.size:,} bytes, which is not a whole number of images "
            f"of {row_bytes:,} bytes"
        )
    data = batch.read(row_bytes)
    for index in range(len(data) // row_bytes):
        row = data[index * row_bytes : (index + 1) * row_bytes]
        label = row[variant.label_bytes - 1]
        _check_label(label, batch.where, index, variant)
        filename = f"{batch.name}_{index:05d}.png"
        yield CifarImage(filename, label, row[variant.label_bytes :], batch.name, index)


def _python_rows(batch: _Batch, variant: CifarVariant) -> Iterator[CifarImage]:
    where = batch.where
    contents = _text_keys(load_plain_pickle(batch.read(_PYTHON_BYTES_PER_IMAGE), where), where)
    images = _array_of_images(contents.get("data"), where)
    labels = _list_of(contents, variant.label_key, where)
    filenames = _list_of(contents, "filenames", where)
    if not images.shape[0] == len(labels) == len(filenames):
        raise InputError(
            f"{where} has {images.shape[0]:,} images, {len(labels):,} labels and "
            f"{len(filenames):,} file names; accepted is the same number of each"
        )
    for index, label in enumerate(labels):
        _check_label(label, where, index, variant)
        filename = _filename(filenames[index], where)
        start = index * LAYOUT.size_bytes
        pixels = images.data[start : start + LAYOUT.size_bytes]
        yield CifarImage(filename, label, pixels, batch.name, index)


def _array_of_images(array: object, where: str) -> Uint8Array:
    if not isinstance(array, Uint8Array) or array.shape[1:] != (LAYOUT.size_bytes,):
        raise InputError(
            f"{where} has no array of images under 'data'; accepted is one row of "
            f"{LAYOUT.size_bytes:,} unsigned bytes an image"
        )
    return array


def _text_keys(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is a pickle of something else than a dict")
    return {_text(key, where): item for key, item in value.items()}


def _list_of(batch: dict[str, Any], key: str, where: str) -> list[Any]:
    value = batch.get(key)
    if not isinstance(value, list):
        raise InputError(f"{where} has no list under {key!r}")
    return value


def _text(value: object, where: str) -> str:
    # Python 2 wrote byte strings; all names in the official archives are ASCII.
    try:
        text = value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        raise InputError(f"{where} holds a name that is not UTF-8") from error
    if not isinstance(text, str):
        raise InputError(f"{where} holds {type(value).__name__} where a name belongs")
    return text


def _filename(value: object, where: str) -> str:
    filename = _text(value, where)
    if not filename or "/" in filename or not filename.isprintable():
        raise InputError(f"{where} holds {filename[:99]!r}, which is not a plain file name")
    return filename


def _check_label(label: object, where: str, index: int, variant: CifarVariant) -> None:
    if type(label) is not int or not 0 <= label < variant.num_classes:
        raise InputError(
            f"{where} gives image {index:,} the label {_shown(label)}; accepted are 0 to "
            f"{variant.num_classes - 1}"
        )


def _shown(label: object) -> str:
    # Of nested values or of endless numbers, the mere writing down can take forever.
    is_short = type(label) is int and abs(label) < 1 << 64
    return str(label) if is_short else f"of type {type(label).__name__}"


def _check_count(count: int, where: str, official: int, expected: int | None) -> None:
    if expected is None and count > official // 2:
        expected = official
    if count == 0 or (expected is not None and count != expected):
        raise InputError(
            f"{where} has {count:,} images; accepted are {expected or official:,} in each batch"
        )
