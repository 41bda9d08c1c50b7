"""The schemas: the features of records, and the files that stand beside their shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.extensions import Extensions
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.images.modes import turned_box
from imagenet_beam.transforms.plain_text import shown
from imagenet_beam.transforms.records.example import FeatureValue, Floats, Ints

Features = dict[str, FeatureValue]


@dataclass(frozen=True)
class Schema:
    """Which features records have, and what a set of such records consists of.

    Attributes:
        name: What it is asked for by.
        features: Makes the features of a record.
        label_base: The label of the first class, unless another one is asked for; None is
            that of the data set.
        files: Names of the files that stand beside the shards.
        takes_boxes: Whether its records have keys for bounding boxes.
    """

    name: str
    features: Callable[[LabeledImage, EncodedImage], Features]
    label_base: int | None = None
    files: tuple[str, ...] = ()
    takes_boxes: bool = True

    def check(self, label_base: int, output_layout: str, has_boxes: bool) -> None:
        """Raises `InputError` where its readers could not take what is asked for."""
        if has_boxes and not self.takes_boxes:
            raise InputError(
                f"`schema`={self.name} has no keys for `bounding_boxes`; leave one of them out"
            )

    def folder(self, dataset: str) -> str:
        """The folder in that of the output for shards and `files`; "" for none."""
        return ""

    def shard_prefix(self, dataset: str, split: str) -> str:
        """What the names of shards start with, the folder included; "" for the usual names."""
        return ""

    def metadata(self, records: RecordSet) -> dict[str, bytes]:
        """The content of `files`, by name."""
        return {}


class SplitShards(NamedTuple):
    """The shards of one split.

    Attributes:
        name: `train`, `validation` or `test`.
        shard_lengths: How many records each shard has.
        data_bytes: The length of all Examples, without the framing.
    """

    name: str
    shard_lengths: Sequence[int]
    data_bytes: int


class RecordSet(NamedTuple):
    """What there is to say of a set of records, for the files beside its shards.

    Attributes:
        dataset: The data set, as the shards' names have it.
        classes: The wnids or names of the classes, in label order.
        channels: Channels of the images: 3, or 1 for gray ones.
        image_format: `jpeg` or `png`.
        splits: All splits.
    """

    dataset: str
    classes: Sequence[str]
    channels: int
    image_format: str
    splits: Sequence[SplitShards]


_NO_BOXES = (Floats(),) * 4


def _unkept(name: str) -> bytes:
    """A name that no other record has: text is kept for the next ones."""
    return name.encode()


def inception_features(image: LabeledImage, encoded: EncodedImage) -> Features:
    """The keys of TensorFlow's inception and slim writers.

    Their writers store the boxes' classes as `image/object/bbox/label`, their
    readers look for `image/object/class/label`: both are written. Boxes relate to
    the pixels as stored, so they are turned where the pixels were.
    """
    boxes = [turned_box(box, encoded.orientation) for box in image.boxes]
    xmin, ymin, xmax, ymax = map(Floats, zip(*boxes, strict=True)) if boxes else _NO_BOXES
    box_labels = Ints([image.label] * len(boxes))
    return {
        "image/height": encoded.height,
        "image/width": encoded.width,
        "image/channels": encoded.channels,
        "image/colorspace": encoded.colorspace,
        "image/format": encoded.format,
        "image/filename": _unkept(image.ref.filename),
        "image/encoded": encoded.data,
        "image/class/label": image.label,
        "image/class/synset": image.wnid,
        "image/class/text": image.text,
        "image/object/bbox/xmin": xmin,
        "image/object/bbox/ymin": ymin,
        "image/object/bbox/xmax": xmax,
        "image/object/bbox/ymax": ymax,
        "image/object/bbox/label": box_labels,
        "image/object/class/label": box_labels,
    }


def tpu_features(image: LabeledImage, encoded: EncodedImage) -> Features:
    """The keys that the TPU project's `imagenet_to_gcs.py` wrote: no boxes, no text."""
    return {
        "image/height": encoded.height,
        "image/width": encoded.width,
        "image/colorspace": encoded.colorspace,
        "image/channels": encoded.channels,
        "image/class/label": image.label,
        "image/class/synset": image.wnid,
        "image/format": encoded.format,
        "image/filename": _unkept(image.ref.filename),
        "image/encoded": encoded.data,
    }


_VERSIONS = {"imagenet2012": "5.1.0"}
"""Those of the builders of tensorflow-datasets, which read no other."""

_OWN_VERSION = "1.0.0"

FEATURES, INFO, CLASS_NAMES = "features.json", "dataset_info.json", "label.labels.txt"

_FEATURES = "tensorflow_datasets.core.features"


class _TfdsSchema(Schema):
    """The schema of tensorflow-datasets' `imagenet2012`, with the names and files it looks for.

    The files (`features.json`, `dataset_info.json`, the names of the labels) have the form of
    tensorflow-datasets 4.9. They lie in a folder of the data set's name and version, where
    `tfds.load` looks for them in its `data_dir`.
    """

    def check(self, label_base: int, output_layout: str, has_boxes: bool) -> None:
        if label_base != 0:
            raise InputError(
                "`schema`=tfds has labels from 0; give `labels.base`=0 or leave it out"
            )
        if output_layout != "flat":
            raise InputError("`schema`=tfds has all files in one folder; give `output_layout`=flat")
        super().check(label_base, output_layout, has_boxes)

    def folder(self, dataset: str) -> str:
        return f"{dataset}/{_version(dataset)}"

    def shard_prefix(self, dataset: str, split: str) -> str:
        return f"{self.folder(dataset)}/{dataset}-{split}.tfrecord"

    def metadata(self, records: RecordSet) -> dict[str, bytes]:
        return {
            FEATURES: _json(
                _features(len(records.classes), records.channels, records.image_format)
            ),
            INFO: _json(_info(records.dataset, records.splits)),
            CLASS_NAMES: "".join(f"{shown(wnid)}\n" for wnid in records.classes).encode(),
        }


def tfds_features(image: LabeledImage, encoded: EncodedImage) -> Features:
    """The keys of `imagenet2012` in tensorflow-datasets; labels count from 0."""
    return {
        "image": encoded.data,
        "label": image.label,
        "file_name": _unkept(image.ref.filename),
    }


TFDS = _TfdsSchema(
    "tfds",
    tfds_features,
    label_base=0,
    files=(FEATURES, INFO, CLASS_NAMES),
    takes_boxes=False,
)


def _version(dataset: str) -> str:
    return _VERSIONS.get(dataset, _OWN_VERSION)


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
        "version": _version(name),
        "description": "Converted by imagenet-beam; manifest.json says from what and how.",
        "fileFormat": "tfrecord",
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
        "splits": [
            {
                "name": split.name,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": str(split.data_bytes),
                "shardLengths": [str(length) for length in split.shard_lengths],
            }
            for split in splits
        ],
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


INCEPTION = Schema("inception", inception_features)
TPU = Schema("tpu", tpu_features, takes_boxes=False)

SCHEMAS = Extensions(
    "imagenet_beam.schemas", Schema, {schema.name: schema for schema in (INCEPTION, TPU, TFDS)}
)
"""The built-in ones, the default first, and those of other distributions."""


def find_schema(name: str) -> Schema:
    """The schema of that name.

    Raises:
        InputError: If there is none, or it cannot be loaded.
    """
    if name not in SCHEMAS:
        raise InputError(f"`schema`={name} is not known; accepted are {', '.join(SCHEMAS)}")
    return SCHEMAS[name]
