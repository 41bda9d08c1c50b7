"""The plan: everything that decides the bytes of the shards, with a fingerprint.

It is the first thing that a run writes. A later run with the same plan goes on
where the earlier one stopped; one with another plan is refused, so that no folder
ever holds shards of two kinds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import libraries
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import FileStat

FORMAT = 2
"""Goes up whenever the same plan would give other bytes than before."""


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
    archives: Mapping[str, FileStat],
    boxes: Sequence[FileStat],
    small_files: Sequence[SmallFile],
) -> Plan:
    """Makes the plan of a conversion.

    Args:
        config: What was asked for.
        archives: The state of each archive by its path.
        boxes: The state of each source of bounding boxes, which may be a folder of images, too.
        small_files: The label files and lists, in the order in which they count: of two
            that name a class, the first one decides.
    """
    content = {
        "format": FORMAT,
        "archives": {
            path: {"size_bytes": stat.size_bytes, "version": stat.version}
            for path, stat in archives.items()
        },
        "label_files": [list(file) for file in small_files],
        "bounding_boxes": [[stat.path, stat.size_bytes, stat.version] for stat in boxes],
        "class_names": {
            "any": config.labels.any_names,
            "listed": [list(info) for info in config.labels.listed],
        },
        "splits": {
            config.prefix(split): {
                "archives": list(split.archives),
                "kind": split.kind,
                "label_from": split.label_from,
                "part": split.listed_split,
                "selection": _selection(split.selection),
                "shards": _shards(split),
            }
            for split in config.splits
        },
        "options": options(config),
        "libraries": libraries(),
    }
    return Plan(content, _fingerprint(content))


def options(config: ConvertConfig) -> dict[str, Any]:
    """The options that decide the bytes of the shards.

    One that did not exist in earlier releases is there when it is set only: what they have
    begun can then be resumed.
    """
    verified = {"verify_images": True} if config.image.verify_images else {}
    return {
        "resize": str(config.image.resize),
        "jpeg_quality": config.image.jpeg_quality,
        "apply_exif_orientation": config.image.apply_exif_orientation,
        "output_format": config.image.output_format,
        "max_pixels": config.image.max_pixels,
        "schema": config.schema,
        "output_layout": config.output_layout,
        "label_base": config.labels.base,
        "label_order": config.labels.order,
        "shuffle_seed": config.shuffle_seed,
        **verified,
    }


def read_plan(data: bytes, path: str) -> Plan:
    """Reads a stored plan.

    Raises:
        InputError: If it is damaged; the message names the path.
    """
    try:
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise InputError(
            f"{path} is not a plan of this program ({error}); give another `output_dir`, or "
            "`overwrite` to start over, discarding it"
        ) from error
    return Plan(content, _fingerprint(content))


def differences(old: Plan, new: Plan) -> list[str]:
    """Sentences on what differs, such as `options.resize was none and is shorter:256`."""
    before, after = dict(_flatten(old.content)), dict(_flatten(new.content))
    names = sorted(before.keys() | after.keys())
    return [
        f"{name} was {before.get(name, 'absent')} and is {after.get(name, 'absent')}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _shards(split: SplitConfig) -> int | str:
    """The number, or how it follows from that of the images."""
    if not split.images_per_shard:
        return split.num_shards
    return f"automatic (at most {split.num_shards}, {split.images_per_shard} images each)"


def _selection(selection: Selection) -> dict[str, Any]:
    """As JSON gives it back: with a list for a tuple."""
    return {**dataclasses.asdict(selection), "classes": list(selection.classes)}


def _fingerprint(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _flatten(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flatten(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list) and any(isinstance(item, list) for item in content):
        for number, item in enumerate(content, start=1):
            yield f"{name}.{number}", item
    else:
        yield name, content
