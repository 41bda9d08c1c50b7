"""Whether a stored plan is that of what is asked for, and what differs, in fields and files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.patterns import expand
from imagenet_beam.pipeline.plan import OPTIONS, SMALL_FILES, Plan, with_first
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import Storage, canonical

_LIBRARIES = {"filter": "the resize filter", "jpeg_decoder": "the JPEG decoder"}
_SPLIT = {
    "kind": "the form of the {} images",
    "label_from": "where the labels of the {} images are from",
    "part": "the part of the archive that is read for {}",
}
"""What a plan has of a split that is no field of a request."""

_TAKES_ALL = {**dataclasses.asdict(Selection()), "classes": []}
"""What plans were made with that lack one of these."""


def differences(old: Plan, new: Plan, config: ConvertConfig) -> list[str]:
    """Sentences on what differs, such as "`image.resize` was none and is shorter:256".

    Nothing differs where the same files are spelled otherwise, nor where the stored plan
    lacks an option that did not exist when it was written, and that has its first default.

    Args:
        old: The stored plan.
        new: That of the request.
        config: The request, in whose fields the sentences are.
    """
    before, after = old.content, new.content
    if before.get("format") != after["format"]:
        return ["it was begun by a version of this program that writes other bytes"]
    boxes = (_rows(content.get("bounding_boxes", ())) for content in (before, after))
    told = [
        *_changed_files(_archives(before), _archives(after)),
        *_in_files("bounding_boxes", *boxes),
        *_in_small_files(before, after),
        *_in_options(with_first(before["options"]), after["options"]),
        *_in_splits(before["splits"], after["splits"], config),
        *_in_class_names(before.get("class_names"), after["class_names"]),
        *_in_libraries(before["libraries"], after["libraries"]),
    ]
    told += [
        f"the plan has {name}, which this version of the program does not know"
        for name in sorted(before.keys() - after.keys())
    ]
    return list(dict.fromkeys(told))


def _was(name: str, before: Any, after: Any) -> Iterator[str]:
    if before != after:
        yield f"{name} was {_shown(before)} and is {_shown(after)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "not given"
    return str(value) or "not given"


def _archives(content: Mapping[str, Any]) -> dict[str, Any]:
    archives: Mapping[str, Any] = content["archives"]
    return {canonical(path): state for path, state in archives.items()}


def _rows(files: Iterable[Sequence[Any]]) -> list[tuple[str, Any]]:
    """Path and state of files that a plan lists in their order."""
    return [(canonical(path), state) for path, *state in files]


def _changed_files(
    before: Mapping[str, Any], after: Mapping[str, Any], what: str = ""
) -> Iterator[str]:
    for path in sorted(before.keys() & after.keys()):
        if before[path] != after[path]:
            yield f"{path}{what} has changed since"


def _in_files(
    field: str, before: Sequence[tuple[str, Any]], after: Sequence[tuple[str, Any]]
) -> Iterator[str]:
    was, now = ([path for path, _ in files] for files in (before, after))
    yield from _was(f"`{field}`", was, now)
    yield from _changed_files(dict(before), dict(after), f" (`{field}`)")


def _in_small_files(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Labels and lists of images; of several with one name the order counts."""
    for field in SMALL_FILES:
        files = (
            _rows(row[1:] for row in content.get("label_files", ()) if field.endswith(f".{row[0]}"))
            for content in (before, after)
        )
        yield from _in_files(field, *files)


def _in_options(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name in after:
            yield from _was(f"`{OPTIONS[name].field}`", before[name], after[name])
        else:
            yield f"{name} was {_shown(before[name])}, an option that this version does not have"


def _in_splits(
    before: Mapping[str, Any], after: Mapping[str, Any], config: ConvertConfig
) -> Iterator[str]:
    names = {config.prefix(split): split for split in config.splits}
    for prefix in sorted(before.keys() - after.keys()):
        yield f"it has shards {prefix}-*, which are not asked for"
    for prefix, now in sorted(after.items()):
        was, split = before.get(prefix), names[prefix]
        if was is None:
            yield f"it has no shards {prefix}-*"
            continue
        archives = _found(was["archives"], config.storage)
        yield from _was(f"`{split.parameter}`", archives, now["archives"])
        yield from _was(f"`{split.name}.num_shards`", was["shards"], now["shards"])
        for key in sorted(was.keys() - now.keys()):
            yield f"the plan has {prefix}.{key}, which this version of the program does not know"
        for key, words in _SPLIT.items():
            yield from _was(words.format(split.name), was.get(key, now[key]), now[key])
        chosen = {**_TAKES_ALL, **was["selection"]}
        for key in sorted(chosen.keys() - {"only_files"}):  # which is a small file
            yield from _was(f"`selection.{key}`", chosen[key], now["selection"].get(key, "absent"))


def _found(paths: Sequence[str], storage: Storage) -> list[str]:
    """The files of a split; once plans had them with the wildcards that were given."""
    found = []
    for path in paths:
        try:
            found += expand(path, storage)
        except InputError:
            found.append(path)
    return sorted(map(canonical, found))


def _in_class_names(before: Any, after: Mapping[str, Any]) -> Iterator[str]:
    was = before if isinstance(before, Mapping) else {}
    yield from _was("`labels.any_names`", was.get("any", False), after["any"])
    if was.get("listed", []) != after["listed"]:
        yield "the classes of the data set are others"


def _in_libraries(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        words = _LIBRARIES.get(name, f"the library {name}")
        yield from _was(words, before.get(name, "absent"), after.get(name, "absent"))
