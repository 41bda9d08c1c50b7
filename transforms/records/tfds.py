"""The files that make a folder of TFRecords readable to tensorflow-datasets.

Their form is that of tensorflow-datasets 4.9 (`features.json`, `dataset_info.json`,
and the names of the labels beside them), written here without that package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

VERSION = "1.0.0"

FEATURES, INFO, CLASS_NAMES = "features.json", "dataset_info.json", "label.labels.txt"
FILES = (FEATURES, INFO, CLASS_NAMES)
"""What stands beside the shards."""

_FEATURES = "tensorflow_datasets.core.features"


class TfdsSplit(NamedTuple):
    """One split.

    Attributes:
        name: `train`, `validation` or `test`.
        shard_lengths: How many records each shard has.
        size_bytes: The length of all shards.
    """

    name: str
    shard_lengths: Sequence[int]
    size_bytes: int


def tfds_files(
    name: str, classes: Sequence[str], channels: int, image_format: str, splits: Sequence[TfdsSplit]
) -> dict[str, bytes]:
    """The files by name.

    Args:
        name: The data set, as the shards' names have it.
        classes: The names of the labels, in label order.
        channels: Channels of the images: 3, or 1 for gray ones.
        image_format: `jpeg` or `png`; "" if they differ.
        splits: All splits.
    """
    return {
        FEATURES: _json(_features(len(classes), channels, image_format)),
        INFO: _json(_info(name, splits)),
        CLASS_NAMES: "".join(f"{wnid}\n" for wnid in classes).encode(),
    }


def _features(classes: int, channels: int, image_format: str) -> dict[str, Any]:
    image: dict[str, Any] = {
        "shape": {"dimensions": ["-1", "-1", str(channels)]},
        "dtype": "uint8",
    }
    if image_format:
        image["encodingFormat"] = image_format
    return {
        "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
        "featuresDict": {
            "features": {
                "file_name": {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}},
                "image": {"pythonClassName": f"{_FEATURES}.image_feature.Image", "image": image},
                "label": {
                    "pythonClassName": f"{_FEATURES}.class_label_feature.ClassLabel",
                    "classLabel": {"numClasses": str(classes)},
                },
            }
        },
    }


def _info(name: str, splits: Sequence[TfdsSplit]) -> dict[str, Any]:
    return {
        "name": name,
        "version": VERSION,
        "description": "Converted by imagenet-beam; manifest.json says from what and how.",
        "fileFormat": "tfrecord",
        "splits": [
            {
                "name": split.name,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": str(split.size_bytes),
                "shardLengths": [str(length) for length in split.shard_lengths],
            }
            for split in splits
        ],
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
