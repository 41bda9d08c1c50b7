"""The sources of each split: found, told apart, identified."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig, check_text
from imagenet_beam.pipeline.patterns import expand
from imagenet_beam.transforms.archives.forms import find_form, recognise
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.list_images import list_images, split_source
from imagenet_beam.transforms.storage.files import FileStat, Storage, canonical


@dataclasses.dataclass(frozen=True)
class ResolvedSplit(SplitConfig):
    """A split whose `archives` are found, and pinned where their storage has versions.

    Attributes:
        is_streamed: Whether one of them cannot be read in place.
        unexplained: Shards in the output folder that are its own only if their number is.
    """

    is_streamed: bool = False
    unexplained: tuple[str, ...] = ()


def resolve(
    splits: Iterable[SplitConfig], storage: Storage
) -> tuple[tuple[ResolvedSplit, ...], dict[str, FileStat]]:
    """Finds the sources of splits.

    Returns:
        The splits, and the state of each source by its path as given.

    Raises:
        InputError: If one is missing; the message begins with what named it.
    """
    archives: dict[str, FileStat] = {}
    resolved = []
    for split in splits:
        try:
            resolved.append(_resolve(split, storage, archives))
        except InputError as error:
            raise InputError(f"`{split.parameter}`: {error}") from error
    return tuple(resolved), archives


def stat_inputs(splits: Iterable[ResolvedSplit], storage: Storage) -> dict[str, FileStat]:
    """The present state of the sources of splits, by path."""
    return {path: _stat(path, split.kind, storage) for split in splits for path in split.archives}


def _resolve(split: SplitConfig, storage: Storage, archives: dict[str, FileStat]) -> ResolvedSplit:
    paths = [found for path in split.archives for found in expand(path, storage)]
    _check_repeated(paths)
    stats = [archives.get(path) or _stat(path, split.kind, storage) for path in paths]
    archives.update(zip(paths, stats, strict=True))
    pinned = tuple(stat.pinned for stat in stats)
    forms = [find_form(split.kind) if split.kind else recognise(storage, path) for path in pinned]
    fields = {field.name: getattr(split, field.name) for field in dataclasses.fields(split)}
    fields["archives"] = pinned
    if split.label_from == "none":
        fields |= _of_test_images(split, pinned[0], storage)
    return ResolvedSplit(**fields, is_streamed=any(form.streamed for form in forms))


def _of_test_images(split: SplitConfig, archive: str, storage: Storage) -> dict[str, Any]:
    """What follows from the first test image: in a class folder it has a label, like all others.

    Without labels, classes select nothing. Class tars are those of the training archive.
    """
    spans = split_source(archive, storage, split.kind)
    first = next(
        (
            ref
            for span in spans
            if not span.wnid
            for ref in list_images(span, storage, split.listed_split)
        ),
        None,
    )
    if first and first.wnid:
        return {"label_from": "place", "official_images": 0}
    return {"selection": dataclasses.replace(split.selection, classes=(), max_per_class=0)}


def check_apart(config: ConvertConfig, splits: Iterable[ResolvedSplit], storage: Storage) -> None:
    """Refuses an output folder among the images, where its files would be members, too.

    Raises:
        InputError: If it is the folder of a source or lies below it.
    """
    output = canonical(config.output_dir)
    for split in splits:
        for path in split.archives:
            source = canonical(path)
            if (output + "/").startswith(source + "/") and storage.is_folder(path):
                raise InputError(
                    f"`output_dir`={config.output_dir} lies in `{split.parameter}`={path}; give a "
                    "folder beside it"
                )


def _check_repeated(paths: Sequence[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        place = canonical(path)
        if place in seen:
            raise InputError(f"{path} is given twice; name each archive once")
        seen.add(place)


def _stat(path: str, kind: str, storage: Storage) -> FileStat:
    check_text(path)
    if kind and find_form(kind).is_folder:
        return find_form(kind).stat(storage, path)
    if storage.is_folder(path):
        raise InputError(
            f"{path} is a folder, not an archive; give `train_directory`, "
            "`validation_directory` or `test_directory`"
        )
    return storage.stat(path)
