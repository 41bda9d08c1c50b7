"""The schema of tensorflow-datasets, and the files that make a folder readable to it.

Their form is that of tensorflow-datasets 4.9 (`features.json`, `dataset_info.json`,
and the names of the labels beside them), written here without that package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.records.schema import Features, RecordSet, Schema, SplitShards

VERSION = "1.0.0"

FEATURES, INFO, CLASS_NAMES = "features.json", "dataset_info.json", "label.labels.txt"

_FEATURES = "tensorflow_datasets.core.features"


class TfdsSchema(Schema):
    """The schema of tensorflow-datasets' `imagenet2012`, with the names and files it looks for."""

    def check(self, label_base: int, output_layout: str, has_boxes: bool) -> None:
        """Refuses what the readers of tensorflow-datasets cannot take."""
        if label_base != 0:
            raise InputError(
                "`schema`=tfds has labels from 0; give `labels.base`=0 or leave it out"
            )
        if output_layout != "flat":
            raise InputError("`schema`=tfds has all files in one folder; give `output_layout`=flat")
        if has_boxes:
            raise InputError(
                "`schema`=tfds has no keys for `bounding_boxes`; leave one of them out"
            )

    def shard_prefix(self, dataset: str, split: str) -> str:
        """As in `imagenet2012-train.tfrecord-00000-of-01024`."""
        return f"{dataset}-{split}.tfrecord"

    def metadata(self, records: RecordSet) -> dict[str, bytes]:
        """Features, splits and class names, as `tfds.builder_from_directory` reads them."""
        return {
            FEATURES: _json(
                _features(len(records.classes), records.channels, records.image_format)
            ),
            INFO: _json(_info(records.dataset, records.splits)),
            CLASS_NAMES: "".join(f"{wnid}\n" for wnid in records.classes).encode(),
        }


def tfds_features(image: LabeledImage, encoded: EncodedImage) -> Features:
    """The keys of `imagenet2012` in tensorflow-datasets; labels count from 0."""
    return {
        "image": encoded.data,
        "label": image.label,
        "file_name": image.ref.filename,
    }


TFDS = TfdsSchema("tfds", tfds_features, label_base=0, files=(FEATURES, INFO, CLASS_NAMES))


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


def _info(name: str, splits: Sequence[SplitShards]) -> dict[str, Any]:
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
