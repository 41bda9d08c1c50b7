"""What `imagenet-beam show` puts on its contact sheet."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence

from imagenet_beam.pipeline.output import MANIFEST, REJECTS
from imagenet_beam.pipeline.reading.found import read_classes, read_manifest
from imagenet_beam.pipeline.reading.pictures import Tile, decoded, rejected_image
from imagenet_beam.pipeline.reading.records import Records
from imagenet_beam.transforms.elements import Reject
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, lemmas
from imagenet_beam.transforms.storage.files import Storage, is_local, join

_AT_ONCE = 32


def record_tiles(path: str, wanted: str, most: int, storage: Storage) -> list[Tile]:
    """The first records of a set or shard, of one class if that is asked for.

    Args:
        path: An output folder (its training images, if it has some), a folder or pattern of
            TFRecords, or one shard.
        wanted: A wnid or one of the names of a class; "" takes all.
        most: How many.
        storage: How to reach files.

    Raises:
        InputError: If there are no such records.
    """
    records = Records(path, _split_of(path, storage), storage=storage)
    if wanted and records.classes and not any(_is_class(info, wanted) for info in records.classes):
        raise InputError(
            f"`class`={wanted} is none of the {len(records.classes):,} classes of {path}; accepted "
            "are a wnid and the names in classes.csv"
        )
    tiles = []
    for start in range(0, len(records), _AT_ONCE):
        for item in records.__getitems__(range(start, min(start + _AT_ONCE, len(records)))):
            if not wanted or _is_class(ClassInfo(item["wnid"], item["text"]), wanted):
                caption = name_of(item["wnid"], item["text"]) or item["filename"]
                tiles.append(Tile(decoded(item["image"]), caption, item["boxes"]))
            if len(tiles) == most:
                return tiles
    if not tiles:
        raise InputError(f"{path} has no record" + (f" of `class`={wanted}" if wanted else ""))
    return tiles


def reject_tiles(path: str, wanted: str, most: int, storage: Storage) -> list[Tile]:
    """The first rejects of an output folder, each as far as its archive still shows it.

    Args:
        path: The folder.
        wanted: A class: its wnid or a name; "" takes all.
        most: How many, at most.
        storage: How to reach files.

    Raises:
        InputError: If there are none.
    """
    rejects = _rejects(join(path, REJECTS), storage)
    if wanted:
        classes, _ = read_classes(path, storage.list_sizes(path), storage)
        wnids = {wanted, *(info.wnid for info in classes if _is_class(info, wanted))}
        rejects = (one for one in rejects if one.wnid in wnids)
    first = list(itertools.islice(rejects, most))
    if not first:
        raise InputError(f"{path} has no rejects" + (f" of `class`={wanted}" if wanted else ""))
    return [Tile(rejected_image(one, storage), f"{one.filename}: {one.reason}") for one in first]


def name_of(wnid: str, text: str) -> str:
    """The usual name of a class, with its key."""
    first = next(iter(lemmas(text)), "")
    return f"{first} ({wnid})" if first and wnid and first != wnid else first or wnid


def _is_class(info: ClassInfo, wanted: str) -> bool:
    names = {info.wnid.casefold(), info.text.casefold(), *map(str.casefold, lemmas(info.text))}
    return wanted.casefold() in names


def _split_of(path: str, storage: Storage) -> str:
    if is_local(path) and not storage.is_folder(path):
        return ""
    if MANIFEST not in storage.list_sizes(path):
        return ""
    splits: Sequence[str] = sorted(read_manifest(join(path, MANIFEST), storage)["splits"])
    return "train" if "train" in splits else splits[0]


def _rejects(path: str, storage: Storage) -> Iterator[Reject]:
    for number, line in enumerate(storage.read_bytes(path).splitlines(), start=1):
        try:
            fields = json.loads(line)
            yield Reject(**{name: fields[name] for name in Reject._fields if name in fields})
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged in line {number:,} ({error})") from error
