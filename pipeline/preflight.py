"""Cheap checks before a job starts: what can be told without listing every image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.inputs import ResolvedSplit
from imagenet_beam.pipeline.listing import check_class_names, check_classes
from imagenet_beam.transforms.archives.forms import Span, find_form
from imagenet_beam.transforms.archives.names import is_test_name, is_train_name
from imagenet_beam.transforms.archives.official_names import (
    is_wnid,
    validation_number,
    why_no_number,
)
from imagenet_beam.transforms.archives.tar_archives import padding_note
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.folders import resolve_folders
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.list_images import list_images, split_source
from imagenet_beam.transforms.storage.files import Storage, is_local, unpinned


def check_archives(
    config: ConvertConfig, splits: Sequence[ResolvedSplit], storage: Storage, labels: Labels
) -> None:
    """Looks at the first images of each source, and at all class tars of local ones.

    Raises:
        InputError: If a source is of the wrong kind, or its classes are not those
            of the labels.
    """
    for split in splits:
        check_wanted_classes(split.selection.classes, labels)
        for archive in split.archives:
            try:
                _check_kind(archive, split, labels, storage)
            except InputError as error:
                raise InputError(f"`{split.parameter}`: {error}") from error
        if split.label_from == "place" and config.expect != "any":
            _check_class_tars(split, labels, config, storage)


def archive_notes(splits: Sequence[ResolvedSplit], storage: Storage) -> Iterator[str]:
    """Says of each archive what may be wrong with it and need not be."""
    for split in splits:
        if not (split.kind and find_form(split.kind).is_folder):
            yield from filter(None, (padding_note(storage, path) for path in split.archives))


def check_wanted_classes(wanted: Sequence[str], labels: Labels) -> None:
    """Refuses classes that the labels do not have, where these are known."""
    unknown = [wnid for wnid in wanted if wnid not in labels.classes]
    if unknown and len(labels.classes):
        raise InputError(
            f"`selection.classes` names {unknown[0]}, which is none of the {len(labels.classes):,} "
            "classes of the labels"
        )


def _check_kind(archive: str, split: SplitConfig, labels: Labels, storage: Storage) -> None:
    """Tells train, validation and test apart by the first image; then looks for its own."""
    spans = list(itertools.islice(split_source(archive, storage, split.kind), 1))
    if spans and spans[0].wnid and split.label_from != "place":
        raise InputError(
            f"{unpinned(archive)} holds class tars ({spans[0].wnid}.tar): it is a training "
            f"archive; give it to `train_{'directory' if split.kind else 'archive'}`"
        )
    first = next(_refs(archive, split, storage, ""), None)
    if first is None:
        raise InputError(
            f"{unpinned(archive)} holds no images and no class tars; give the archive as it was "
            "downloaded"
        )
    mistake = _mistake(first, split, labels)
    if mistake:
        own = next(_refs(archive, split, storage, split.listed_split), None)
        mistake = _mistake(own, split, labels) if own else mistake
    if mistake:
        raise InputError(f"{unpinned(archive)} holds {mistake}")


def _refs(archive: str, split: SplitConfig, storage: Storage, part: str) -> Iterator[ImageRef]:
    for span in split_source(archive, storage, split.kind):
        yield from list_images(span, storage, part)


def _mistake(ref: ImageRef, split: SplitConfig, labels: Labels) -> str:
    """What is wrong with a first image, or ""."""
    name = ref.filename
    # As `label_image` does it: without labels by number the folder tells the class.
    has_class = bool(ref.wnid) and not labels.truth and not is_train_name(name)
    if split.listed_split != "test" and is_test_name(name):
        return f"{name}: it is a test archive, without labels; give it to `test_archive`"
    if split.label_from == "number" and validation_number(name) is None and not has_class:
        return why_no_number(name)
    if split.label_from in ("place", "none") and validation_number(name) is not None:
        return f"{name}: it is a validation archive; give it to `validation_archive`"
    return ""


def _check_class_tars(
    split: ResolvedSplit, labels: Labels, config: ConvertConfig, storage: Storage
) -> None:
    if not all(map(is_local, split.archives)) or split.is_streamed:
        return  # a request for each class tar, or a whole pass: left to the job
    try:
        spans = list(_class_tars(split, storage))
    except InputError as error:
        raise InputError(f"`{split.parameter}`: {error}") from error
    if not spans:
        return
    flag = f"`{split.parameter}`={','.join(split.archives)}"
    found = [span.wnid for span in spans]
    if labels.names:
        words = {name for name in found if not is_wnid(name) and name not in labels.classes}
        folders = resolve_folders(words, labels)
        found = [folders.get(name, name) for name in found]
    check_class_names(found, config.labels, flag)
    if labels.classes.classes:
        check_classes(found, labels, flag)


def _class_tars(split: SplitConfig, storage: Storage) -> Iterator[Span]:
    for archive in split.archives:
        for span in split_source(archive, storage, split.kind):
            if span.wnid:
                yield span
