"""Turns image archives into sharded TFRecords, as an Apache Beam job.

What an embedding job needs can be imported from here. A name's module is imported when the
name is first asked for: importing this package imports neither Beam nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what type checkers and editors read; `_MODULES` says it to Python
    from imagenet_beam.pipeline.config import ConvertConfig as ConvertConfig
    from imagenet_beam.pipeline.config import SplitConfig as SplitConfig
    from imagenet_beam.pipeline.config import Workers as Workers
    from imagenet_beam.pipeline.conversion import Conversion as Conversion
    from imagenet_beam.pipeline.convert import ConvertImages as ConvertImages
    from imagenet_beam.pipeline.reading.findings import Verification as Verification
    from imagenet_beam.pipeline.reading.records import Records as Records
    from imagenet_beam.pipeline.reading.tf_data import as_tf_dataset as as_tf_dataset
    from imagenet_beam.pipeline.reading.verify import verify as verify
    from imagenet_beam.transforms.elements import BoundingBox as BoundingBox
    from imagenet_beam.transforms.elements import ImageRef as ImageRef
    from imagenet_beam.transforms.elements import LabeledImage as LabeledImage
    from imagenet_beam.transforms.elements import Record as Record
    from imagenet_beam.transforms.elements import Reject as Reject
    from imagenet_beam.transforms.elements import ShardReceipt as ShardReceipt
    from imagenet_beam.transforms.encode_images import DecodeAndResize as DecodeAndResize
    from imagenet_beam.transforms.encode_images import DecodedImage as DecodedImage
    from imagenet_beam.transforms.encode_images import ImageEncoder as ImageEncoder
    from imagenet_beam.transforms.encode_images import ReadImages as ReadImages
    from imagenet_beam.transforms.encode_images import ToExample as ToExample
    from imagenet_beam.transforms.errors import InputError as InputError
    from imagenet_beam.transforms.images.encode import EncodedImage as EncodedImage
    from imagenet_beam.transforms.images.options import ImageOptions as ImageOptions
    from imagenet_beam.transforms.images.resize import Resize as Resize
    from imagenet_beam.transforms.join_boxes import JoinBoxes as JoinBoxes
    from imagenet_beam.transforms.join_boxes import LoadBoxes as LoadBoxes
    from imagenet_beam.transforms.join_labels import FindClasses as FindClasses
    from imagenet_beam.transforms.join_labels import JoinLabels as JoinLabels
    from imagenet_beam.transforms.join_labels import LoadLabels as LoadLabels
    from imagenet_beam.transforms.labels.source import Labels as Labels
    from imagenet_beam.transforms.labels.source import LabelSource as LabelSource
    from imagenet_beam.transforms.list_images import ListImages as ListImages
    from imagenet_beam.transforms.records.example import serialize_example as serialize_example
    from imagenet_beam.transforms.records.schemas import inception_features as inception_features
    from imagenet_beam.transforms.records.schemas import tfds_features as tfds_features
    from imagenet_beam.transforms.records.schemas import tpu_features as tpu_features
    from imagenet_beam.transforms.storage.files import Storage as Storage
    from imagenet_beam.transforms.write_to_tfrecord import WriteToTFRecord as WriteToTFRecord

_MODULES = {
    "BoundingBox": "transforms.elements",
    "Conversion": "pipeline.conversion",
    "ConvertConfig": "pipeline.config",
    "ConvertImages": "pipeline.convert",
    "DecodeAndResize": "transforms.encode_images",
    "DecodedImage": "transforms.encode_images",
    "EncodedImage": "transforms.images.encode",
    "FindClasses": "transforms.join_labels",
    "ImageEncoder": "transforms.encode_images",
    "ImageOptions": "transforms.images.options",
    "ImageRef": "transforms.elements",
    "InputError": "transforms.errors",
    "JoinBoxes": "transforms.join_boxes",
    "JoinLabels": "transforms.join_labels",
    "LabelSource": "transforms.labels.source",
    "LabeledImage": "transforms.elements",
    "Labels": "transforms.labels.source",
    "ListImages": "transforms.list_images",
    "LoadBoxes": "transforms.join_boxes",
    "LoadLabels": "transforms.join_labels",
    "ReadImages": "transforms.encode_images",
    "Record": "transforms.elements",
    "Records": "pipeline.reading.records",
    "Reject": "transforms.elements",
    "Resize": "transforms.images.resize",
    "ShardReceipt": "transforms.elements",
    "SplitConfig": "pipeline.config",
    "Storage": "transforms.storage.files",
    "ToExample": "transforms.encode_images",
    "Verification": "pipeline.reading.findings",
    "Workers": "pipeline.config",
    "WriteToTFRecord": "transforms.write_to_tfrecord",
    "as_tf_dataset": "pipeline.reading.tf_data",
    "inception_features": "transforms.records.schemas",
    "serialize_example": "transforms.records.example",
    "tfds_features": "transforms.records.schemas",
    "tpu_features": "transforms.records.schemas",
    "verify": "pipeline.reading.verify",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("imagenet-beam")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, "__version__"})
