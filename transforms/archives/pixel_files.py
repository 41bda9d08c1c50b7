"""Files of raw pixels: IDX, as of MNIST, and the archives of CIFAR.

Their images have numbers for classes, which `JoinLabels(label_from="index")` looks up
in the list of the data set; a reference carries the number in `wnid` until then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from imagenet_beam.transforms.archives.base import Images, Span, whole
from imagenet_beam.transforms.archives.cifar import (
    LAYOUT,
    CifarImage,
    CifarVariant,
    read_cifar_images,
)
from imagenet_beam.transforms.archives.compressed import ByteStream
from imagenet_beam.transforms.archives.idx import (
    check_same_count,
    read_idx_images,
    read_idx_labels,
)
from imagenet_beam.transforms.archives.ranges import RangedFile
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import FileStat, Storage, join, unpinned

_READ_BYTES = 1 << 20
_IDX_PREFIXES = {"train": "train", "test": "t10k"}
_IDX_MIDDLES = {"images": "idx3", "labels": "idx1"}
_ANY_LABEL = 256
"""How many labels a byte can tell; `JoinLabels` knows how many classes there are."""


class IdxSource:
    """A folder with two files for each split, under the names that MNIST gave them."""

    name = "idx"
    title = "a folder of IDX files"
    streamed = True

    def recognises(self, head: bytes) -> bool:
        """Never: a folder has no bytes; the data set tells it."""
        return False

    def stat(self, storage: Storage, directory: str) -> FileStat:
        """Identifies the state of the files that are there, of all splits.

        Raises:
            InputError: If there is none.
        """
        found = [
            file
            for prefix in _IDX_PREFIXES.values()
            for what in _IDX_MIDDLES
            if (file := _find(storage, directory, prefix, what))
        ]
        if not found:
            raise InputError(f"{directory} {_none_of('train')}")
        digest = hashlib.sha256()
        for file in found:
            digest.update(f"{file.path}\0{file.size_bytes}\0{file.version}\n".encode())
        size_bytes = sum(file.size_bytes for file in found)
        version = f"{len(found)} files, {digest.hexdigest()[:32]}"
        return FileStat(directory, size_bytes, version, directory)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """One part: the folder."""
        yield Span(self.name, archive, 0, 0, archive)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Reads both files of a split from front to back."""
        for ref, _ in self.stream(storage, span, split):
            yield ref

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """In the order of the files."""
        for wanted in (split,) if split else _IDX_PREFIXES:
            yield from _stream_idx(storage, span.archive, wanted)


def _stream_idx(storage: Storage, directory: str, split: str) -> Images:
    prefix = _IDX_PREFIXES[split]
    images_file = _find(storage, directory, prefix, "images")
    labels_file = _find(storage, directory, prefix, "labels")
    if images_file is None or labels_file is None:
        raise InputError(f"{directory} {_none_of(prefix)}")
    images = read_idx_images(_open(storage, images_file.pinned), images_file.path)
    labels = read_idx_labels(_open(storage, labels_file.pinned), labels_file.path, _ANY_LABEL)
    check_same_count(images.header, labels, images_file.path, labels_file.path)
    size_bytes, encoding = images.header.image_bytes, images.header.encoding
    for index, pixels in images:
        name = f"{prefix}_{index:05d}.png"
        label = str(labels[index])
        yield (
            ImageRef(images_file.pinned, index * size_bytes, size_bytes, name, label, encoding),
            pixels,
        )


def _find(storage: Storage, directory: str, prefix: str, what: str) -> FileStat | None:
    """One of the four files, under its own name or those that unpacking gives."""
    for mark in "-.":
        for suffix in (".gz", ""):
            name = f"{prefix}-{what}{mark}{_IDX_MIDDLES[what]}-ubyte{suffix}"
            try:
                return storage.stat(join(directory, name))
            except InputError:
                continue
    return None


def _none_of(prefix: str) -> str:
    names = (f"{prefix}-{what}-{middle}-ubyte.gz" for what, middle in _IDX_MIDDLES.items())
    return (
        f"does not hold both {' and '.join(names)}; accepted is a folder with the four files as "
        "downloaded, or without .gz"
    )


class CifarSource:
    """The python or the binary archive of a CIFAR; which one, its content tells."""

    streamed = True

    def __init__(self, name: str, variant: CifarVariant) -> None:
        self.name = name
        self.title = f"an archive of {variant.title}"
        self._variant = variant

    def recognises(self, head: bytes) -> bool:
        """Never: to every reader it is a compressed tar; the data set tells it."""
        return False

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """One part: the file."""
        yield whole(self, storage, archive)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Reads the whole archive."""
        for ref, _ in self.stream(storage, span, split):
            yield ref

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """In the order of the archive, with one batch in memory."""
        for wanted in (split,) if split else self._variant.batches:
            file = _open(storage, span.archive)
            images = read_cifar_images(file, unpinned(span.archive), wanted, self._variant)
            for index, (name, image) in enumerate(unique_names(images)):
                size_bytes = LAYOUT.size_bytes
                offset_bytes = index * size_bytes  # among the pixels of the split
                label = str(image.label)
                yield (
                    ImageRef(span.archive, offset_bytes, size_bytes, name, label, LAYOUT.encoding),
                    image.pixels,
                )


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


def _open(storage: Storage, path: str) -> ByteStream:
    reader = storage.open_ranges(path)
    return RangedFile(reader, 0, reader.size_bytes, _READ_BYTES)
