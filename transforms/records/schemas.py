"""Which features a record has: the keys that people's readers ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.images.modes import turned_box
from imagenet_beam.transforms.records.example import FeatureValue, Floats, Ints

Features = dict[str, FeatureValue]


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


def tfds_features(image: LabeledImage, encoded: EncodedImage) -> Features:
    """The keys of `imagenet2012` in tensorflow-datasets; labels count from 0."""
    return {
        "image": encoded.data,
        "label": image.label,
        "file_name": image.ref.filename,
    }


SCHEMAS: Mapping[str, Callable[[LabeledImage, EncodedImage], Features]] = {
    "inception": inception_features,
    "tpu": tpu_features,
    "tfds": tfds_features,
}


def check_schema(name: str) -> str:
    """Gives the name back.

    Raises:
        InputError: If there is no schema of that name.
    """
    if name not in SCHEMAS:
        raise InputError(f"`schema`={name} is not known; accepted are {', '.join(SCHEMAS)}")
    return name
