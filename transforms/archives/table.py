"""All forms of input, and which one a file is."""

from __future__ import annotations

from imagenet_beam.transforms.archives.base import SourceKind
from imagenet_beam.transforms.archives.cifar import CIFAR10, CIFAR100
from imagenet_beam.transforms.archives.compressed_tar_source import CompressedTarSource
from imagenet_beam.transforms.archives.folder import FolderSource
from imagenet_beam.transforms.archives.pixel_files import CifarSource, IdxSource
from imagenet_beam.transforms.archives.tar_source import TarSource
from imagenet_beam.transforms.archives.zip_source import ZipSource
from imagenet_beam.transforms.storage.files import Storage

_HEAD_BYTES = 512

_SOURCES: tuple[SourceKind, ...] = (
    FolderSource(),
    IdxSource(),
    CifarSource("cifar10", CIFAR10),
    CifarSource("cifar100", CIFAR100),
    ZipSource(),
    CompressedTarSource(),
    TarSource(),  # the last one: it takes what nobody else does
)

KINDS: dict[str, SourceKind] = {source.name: source for source in _SOURCES}
"""Kinds by name. A new one is added here, and told apart by `recognises` or named by a split."""


def recognise(storage: Storage, path: str) -> SourceKind:
    """Tells which kind a file is, by its content; its name does not matter.

    Raises:
        InputError: If it cannot be read.
    """
    reader = storage.open_ranges(path)
    head = reader.read(0, min(_HEAD_BYTES, reader.size_bytes))
    return next(source for source in KINDS.values() if source.recognises(head))
