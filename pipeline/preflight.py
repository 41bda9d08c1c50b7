"""Cheap checks before a job starts: what can be told without listing every image."""

from __future__ import annotations

from collections.abc import Iterator

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.listing import check_classes
from imagenet_beam.transforms.core.archives import (
    TarSpan,
    base_name,
    is_image_name,
    is_tar_name,
    split_archive,
)
from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.label_files import validation_number
from imagenet_beam.transforms.core.tar import walk_tar
from imagenet_beam.transforms.files import Storage, is_local, unpinned
from imagenet_beam.transforms.labels import Labels


def check_archives(config: ConvertConfig, labels: Labels) -> None:
    """Looks at the first members of each archive, and at all class tars of local ones.

    Raises:
        InputError: If an archive is of the wrong kind, or its classes are not
            those of the labels.
    """
    for split in config.splits:
        for archive in split.archives:
            try:
                _check_kind(archive, split, config.storage)
            except InputError as error:
                raise InputError(f"--{split.flag}: {error}") from error
        if split.label_from == "place" and config.expect != "any":
            _check_class_tars(split, labels, config.storage)


def _check_kind(archive: str, split: SplitConfig, storage: Storage) -> None:
    """Tells train, validation and test apart by the first member that says something."""
    name = _first_name(archive, storage)
    path = unpinned(archive)
    if is_tar_name(name) and split.label_from != "place":
        raise InputError(
            f"{path} holds class tars ({base_name(name)}): it is a training archive; "
            "give it to --train_archive"
        )
    if split.label_from == "number" and validation_number(base_name(name)) is None:
        raise InputError(
            f"{path} holds {base_name(name)}, which is no validation image; names are like "
            "ILSVRC2012_val_00000001.JPEG"
        )
    if split.label_from == "place" and validation_number(base_name(name)) is not None:
        raise InputError(
            f"{path} holds {base_name(name)}: it is a validation archive; give it to "
            "--validation_archive"
        )


def _first_name(archive: str, storage: Storage) -> str:
    reader = storage.open_ranges(archive)
    for member in walk_tar(reader):
        if is_tar_name(member.name) or is_image_name(member.name):
            return member.name
    raise InputError(
        f"{unpinned(archive)} holds no images and no class tars; give the archive as it was "
        "downloaded"
    )


def _check_class_tars(split: SplitConfig, labels: Labels, storage: Storage) -> None:
    if not all(map(is_local, split.archives)):
        return  # a request for each class tar: left to the job
    try:
        spans = list(_class_tars(split, storage))
    except InputError as error:
        raise InputError(f"--{split.flag}: {error}") from error
    if spans:
        check_classes(
            [span.wnid for span in spans], labels, f"--{split.flag}={','.join(split.archives)}"
        )


def _class_tars(split: SplitConfig, storage: Storage) -> Iterator[TarSpan]:
    for archive in split.archives:
        for span in split_archive(storage.open_ranges(archive), archive):
            if span.wnid:
                yield span
