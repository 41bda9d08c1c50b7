"""The manifest as a file: written with the checksum of what it says, read without trust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from imagenet_beam.transforms.plain_text import plain_json
from imagenet_beam.transforms.records.receipts import checksum_of
from imagenet_beam.transforms.records.state import parse_state

_BOXES = ("files", "boxes", "clamped", "swapped", "dropped", "without_image")
_FORM = {
    "plan": str,
    "options": {"schema": str},
    "classes": {"count": int, "label_base": int, "in_class_names?": int},
    "splits": {
        ...: {
            **dict.fromkeys(("images", "records", "rejects", "bytes"), int),
            "shards": [{"name": str, "records": int}],
            "classes": {...: object},
            "notes": {...: int},
            "reject_reasons": {...: int},
            "passed_over?": {"counts": {...: int}, "names": [str]},
            "misplaced?": {"images": int, "first": [[str]]},
            "class_folders?": {...: str},
            "is_official_count?": bool,
            **dict.fromkeys(("official_images?", "labels_given?", "images_found?"), int),
        }
    },
    "files?": {...: {"bytes": int, "crc32c": str}},
    "bounding_boxes?": dict.fromkeys(_BOXES, int),
}
"""What its readers look at."""


def manifest_json(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as stored, with the checksum of what it says."""
    content = {name: value for name, value in manifest.items() if name != "check"}
    checked = {**content, "check": checksum_of(content)}
    text = json.dumps(checked, indent=1, sort_keys=True, ensure_ascii=False)
    return plain_json(text).encode() + b"\n"


def parse_manifest(data: bytes) -> dict[str, Any]:
    """Reads a manifest; raises `ValueError` if it is none."""
    manifest = parse_state(data, _FORM)
    for name, entry in manifest["splits"].items():
        if ("official_images" in entry) != ("is_official_count" in entry):
            raise ValueError(f"half of what {name} says of the official count is missing")
    return manifest
