"""Apache Beam transforms from image archives to sharded TFRecords.

What an embedding job needs can be imported from here. A name's module is imported when
the name is first asked for: importing this package does not import Beam.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagenet_beam.transforms.elements import BoundingBox as BoundingBox
    from imagenet_beam.transforms.elements import ImageRef as ImageRef
    from imagenet_beam.transforms.elements import LabeledImage as LabeledImage
    from imagenet_beam.transforms.elements import Record as Record
    from imagenet_beam.transforms.elements import Reject as Reject
    from imagenet_beam.transforms.encoders import ImageEncoder as ImageEncoder
    from imagenet_beam.transforms.errors import InputError as InputError
    from imagenet_beam.transforms.image_steps import DecodeAndResize as DecodeAndResize
    from imagenet_beam.transforms.image_steps import DecodedImage as DecodedImage
    from imagenet_beam.transforms.image_steps import ImageBytes as ImageBytes
    from imagenet_beam.transforms.image_steps import ReadImages as ReadImages
    from imagenet_beam.transforms.image_steps import ToExample as ToExample
    from imagenet_beam.transforms.images.encode import ImageOptions as ImageOptions
    from imagenet_beam.transforms.images.resize import Resize as Resize
    from imagenet_beam.transforms.join_boxes import JoinBoxes as JoinBoxes
    from imagenet_beam.transforms.join_boxes import LoadBoxes as LoadBoxes
    from imagenet_beam.transforms.join_labels import FindClasses as FindClasses
    from imagenet_beam.transforms.join_labels import JoinLabels as JoinLabels
    from imagenet_beam.transforms.join_labels import LoadLabels as LoadLabels
    from imagenet_beam.transforms.labels.source import Labels as Labels
    from imagenet_beam.transforms.labels.source import LabelSource as LabelSource
    from imagenet_beam.transforms.list_images import ListImages as ListImages
    from imagenet_beam.transforms.list_images import StreamImages as StreamImages
    from imagenet_beam.transforms.records.example import serialize_example as serialize_example
    from imagenet_beam.transforms.records.receipts import ShardReceipt as ShardReceipt
    from imagenet_beam.transforms.records.schemas import inception_features as inception_features
    from imagenet_beam.transforms.records.schemas import tpu_features as tpu_features
    from imagenet_beam.transforms.records.tfds import tfds_features as tfds_features
    from imagenet_beam.transforms.storage.files import Storage as Storage
    from imagenet_beam.transforms.write_to_tfrecord import WriteToTFRecord as WriteToTFRecord

_NAMES = {
    "errors": ("InputError",),
    "records.example": ("serialize_example",),
    "images.encode": ("ImageOptions",),
    "records.receipts": ("ShardReceipt",),
    "elements": ("BoundingBox", "ImageRef", "LabeledImage", "Record", "Reject"),
    "images.resize": ("Resize",),
    "records.schemas": ("inception_features", "tpu_features"),
    "records.tfds": ("tfds_features",),
    "encoders": ("ImageEncoder",),
    "storage.files": ("Storage",),
    "image_steps": ("DecodeAndResize", "DecodedImage", "ImageBytes", "ReadImages", "ToExample"),
    "join_boxes": ("JoinBoxes", "LoadBoxes"),
    "join_labels": ("FindClasses", "JoinLabels", "LoadLabels"),
    "labels.source": ("LabelSource", "Labels"),
    "list_images": ("ListImages", "StreamImages"),
    "write_to_tfrecord": ("WriteToTFRecord",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
