"""All schemas: the keys that people's readers ask for."""

from __future__ import annotations

from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.extensions import Extensions
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.images.modes import turned_box
from imagenet_beam.transforms.records.example import Floats, Ints
from imagenet_beam.transforms.records.schema import Features, Schema
from imagenet_beam.transforms.records.tfds import TFDS


def inception_features(image: LabeledImage, encoded: EncodedImage) -> Features:
    """The keys of TensorFlow's inception and slim writers.

    Their writers store the boxes' classes as `image/object/bbox/label`, their
    readers look for `image/object/class/label`: both are written. Boxes relate to
    the pixels as stored, so they are turned where the pixels were.
    """
    boxes = [turned_box(box, encoded.orientation) for box in image.boxes]
    box_labels = Ints([image.label] * len(boxes))
    return {
        "image/height": encoded.height,
        "image/width": encoded.width,
        "image/channels": encoded.channels,
        "image/colorspace": encoded.colorspace,
        "image/format": encoded.format,
        "image/filename": image.ref.filename,
        "image/encoded": encoded.data,
        "image/class/label": image.label,
        "image/class/synset": image.wnid,
        "image/class/text": image.text,
        "image/object/bbox/xmin": Floats(box.xmin for box in boxes),
        "image/object/bbox/ymin": Floats(box.ymin for box in boxes),
        "image/object/bbox/xmax": Floats(box.xmax for box in boxes),
        "image/object/bbox/ymax": Floats(box.ymax for box in boxes),
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
        "image/filename": image.ref.filename,
        "image/encoded": encoded.data,
    }


INCEPTION = Schema("inception", inception_features)
TPU = Schema("tpu", tpu_features)


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
