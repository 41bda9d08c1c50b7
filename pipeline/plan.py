"""The plan: everything that decides the bytes of the shards, with a fingerprint.

It is the first thing that a run writes. A later run with the same plan goes on
where the earlier one stopped; one with another plan is refused, so that no folder
ever holds shards of two kinds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imagenet_beam.pipeline.config import MAX_SHARDS, ConvertConfig, SplitConfig
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import libraries
from imagenet_beam.transforms.records.schemas import SCHEMAS
from imagenet_beam.transforms.records.state import parse_state
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import FileStat, canonical, join

FORMAT = 2
"""Goes up whenever the same plan would give other bytes than before."""

SMALL_FILES = (
    "labels.devkit",
    "labels.labels_file",
    "labels.validation_labels",
    "labels.class_names",
    "selection.only_files",
)
"""The fields that name them; plans have the last parts."""


class Option(NamedTuple):
    """An option that decides bytes.

    Attributes:
        field: The field of the request that it is.
        first: What plans that do not have it were made with: the default that it came with,
            which gave the bytes of before. It stays when the default changes.
    """

    field: str
    first: Any


OPTIONS: Mapping[str, Option] = {
    "resize": Option("image.resize", "shorter:256"),
    "jpeg_quality": Option("image.jpeg_quality", 95),
    "apply_exif_orientation": Option("image.apply_exif_orientation", False),
    "output_format": Option("image.output_format", "JPEG"),
    "verify_images": Option("image.verify_images", False),
    "max_pixels": Option("image.max_pixels", 178_956_970),
    "schema": Option("schema", "inception"),
    "output_layout": Option("output_layout", "flat"),
    "label_base": Option("labels.base", 1),
    "label_order": Option("labels.order", "wnid"),
    "shuffle_seed": Option("shuffle_seed", 0),
}
"""By their names in plans and manifests; a new one is one more row."""

_STATE = {"size_bytes": int, "version": str}
_FORM = {
    "archives": {...: _STATE},
    "splits": {...: {"archives": [str], "shards": (int, str), "selection": {...: object}}},
    "options": {...: (str, int, float, bool)},
    "libraries": {...: str},
    "label_files?": [[str]],
    "bounding_boxes?": [[(str, int)]],
    "class_names?": {"any": bool, "listed": [[(str, int)]]},
}


class Plan(NamedTuple):
    """What is made from what, and how.

    Attributes:
        content: Nested names and values, as stored.
        fingerprint: SHA-256 of the content, 64 hexadecimal digits.
    """

    content: Mapping[str, Any]
    fingerprint: str

    def to_json(self) -> bytes:
        """The plan as stored."""
        return json.dumps(self.content, indent=1, sort_keys=True).encode() + b"\n"

    @property
    def prefixes(self) -> set[str]:
        """What the names of its shards start with."""
        return set(self.content["splits"])

    def files_beside(self) -> set[str]:
        """What its schema needs beside the shards."""
        name = str(with_first(self.content["options"])["schema"])
        files = SCHEMAS[name].files if name in SCHEMAS else ()
        folders = {prefix.rpartition("/")[0] for prefix in self.prefixes} | {""}
        return {join(folder, file).lstrip("/") for folder in folders for file in files}


class SmallFile(NamedTuple):
    """A label file, or a list of images: read whole, and told by its content.

    Attributes:
        name: What names it: `devkit`, `only_files`.
        path: Where it is.
        sha256: The checksum of its content.
    """

    name: str
    path: str
    sha256: str


def make_plan(
    config: ConvertConfig,
    splits: Sequence[SplitConfig],
    archives: Mapping[str, FileStat],
    boxes: Sequence[FileStat],
    small_files: Sequence[SmallFile],
) -> Plan:
    """Makes the plan of a conversion; each file in it has one path, however it was spelled.

    Args:
        config: What was asked for.
        splits: Its splits, their sources found.
        archives: The state of each archive by its path.
        boxes: The state of each source of bounding boxes, which may be a folder of images, too.
        small_files: The label files and lists, in the order in which they count: of two
            that name a class, the first one decides.
    """
    content = {
        "format": FORMAT,
        "archives": {
            canonical(path): {"size_bytes": stat.size_bytes, "version": stat.version}
            for path, stat in archives.items()
        },
        "label_files": [[file.name, canonical(file.path), file.sha256] for file in small_files],
        "bounding_boxes": [[canonical(stat.path), stat.size_bytes, stat.version] for stat in boxes],
        "class_names": {
            "any": config.labels.any_names,
            "listed": [list(info) for info in config.labels.listed],
        },
        "splits": {
            config.prefix(split): {
                "archives": sorted(map(canonical, split.archives)),
                "kind": split.kind,
                "label_from": split.label_from,
                "part": split.listed_split,
                "selection": _selection(split.selection),
                "shards": _shards(split),
            }
            for split in splits
        },
        "options": options(config),
        "libraries": libraries(),
    }
    return Plan(content, _fingerprint(content))


def options(config: ConvertConfig) -> dict[str, Any]:
    """The options that decide the bytes of the shards."""
    found = {name: operator.attrgetter(option.field)(config) for name, option in OPTIONS.items()}
    return {**found, "resize": str(config.image.resize)}


def with_first(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a plan or manifest, with those that did not exist when it was written."""
    return {**{name: option.first for name, option in OPTIONS.items()}, **stored}


def read_plan(data: bytes, path: str) -> Plan:
    """Reads a stored plan.

    Raises:
        InputError: If it is damaged; the message names the path.
    """
    try:
        content = parse_state(data, _FORM)
        for split in content["splits"].values():
            shards = split["shards"]
            if not isinstance(shards, str) and not 1 <= shards <= MAX_SHARDS:
                raise ValueError(f"it has {shards:,} shards")
        for name in ("label_files", "bounding_boxes"):
            if any(len(row) != 3 for row in content.get(name, [])):
                raise ValueError(f"its {name} are not of three parts")
    except ValueError as error:
        raise InputError(
            f"{path} is not a plan of this program ({error}); give another `output_dir`, or "
            "`overwrite` to start over, discarding it"
        ) from error
    return Plan(content, _fingerprint(content))


def _shards(split: SplitConfig) -> int | str:
    """The number, or how it follows from that of the images."""
    if not split.images_per_shard:
        return split.num_shards
    return f"automatic (at most {split.num_shards}, {split.images_per_shard} images each)"


def _selection(selection: Selection) -> dict[str, Any]:
    """As JSON gives it back: with a list for a tuple."""
    only_files = canonical(selection.only_files) if selection.only_files else ""
    fields = dataclasses.asdict(selection)
    return {**fields, "classes": list(selection.classes), "only_files": only_files}


def _fingerprint(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
