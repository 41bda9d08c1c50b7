"""The steps from labelled images to records, one by one, for embedding in other jobs.

`WriteToTFRecord(encode=ImageEncoder(...))` does the same in one step and keeps
images out of the shuffle; these are for jobs that look at the images on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import apache_beam as beam
from apache_beam import coders
from apache_beam.metrics import Metrics

from imagenet_beam.transforms.archives.fetch import fetch
from imagenet_beam.transforms.coders import LabeledImageCoder, NamedTupleCoder
from imagenet_beam.transforms.elements import LabeledImage, Record, Reject
from imagenet_beam.transforms.encoders import (
    ImageEncoder,
    decode_and_resize,
    reject,
    to_record,
)
from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.encode import EncodedImage, ImageOptions
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.storage.files import Storage


class ImageBytes(NamedTuple):
    """A labelled image with its bytes as they stand in the archive."""

    image: LabeledImage
    data: bytes


class DecodedImage(NamedTuple):
    """A labelled image, decoded, resized and encoded for its record."""

    image: LabeledImage
    encoded: EncodedImage


class ImageBytesCoder(NamedTupleCoder):
    """An image with its bytes."""

    element_type = ImageBytes
    fields = (LabeledImageCoder(), coders.BytesCoder())


class EncodedImageCoder(NamedTupleCoder):
    """The image of a record."""

    element_type = EncodedImage
    fields = (
        coders.BytesCoder(),
        coders.VarIntCoder(),
        coders.VarIntCoder(),
        coders.VarIntCoder(),
        coders.StrUtf8Coder(),
        coders.StrUtf8Coder(),
        coders.TupleSequenceCoder(coders.StrUtf8Coder()),
        coders.VarIntCoder(),
    )


class DecodedImageCoder(NamedTupleCoder):
    """An image on its way into a record."""

    element_type = DecodedImage
    fields = (LabeledImageCoder(), EncodedImageCoder())


for _coder in (ImageBytesCoder, EncodedImageCoder, DecodedImageCoder):
    coders.registry.register_coder(_coder.element_type, _coder)


@dataclass(frozen=True)
class CarriedImageEncoder:
    """For images that come with their bytes, where `ImageEncoder` would read them.

    Attributes:
        encoder: Does the rest.
    """

    encoder: ImageEncoder

    takes_references: ClassVar[bool] = False

    def check(self) -> None:
        """Compares this worker's image libraries with the launcher's."""
        self.encoder.check()

    def name(self, value: ImageBytes) -> str:
        """The image's file name."""
        return self.encoder.name(value.image)

    def size_bytes(self, value: ImageBytes) -> int:
        """The bytes are there already."""
        return len(value.data)

    def load(self, value: ImageBytes) -> bytes:
        """The bytes that came along."""
        return value.data

    def finish(self, value: ImageBytes, data: bytes) -> Record | Reject:
        """Makes the record, or the reject that says why there is none."""
        return self.encoder.finish(value.image, data)


class ReadImages(beam.PTransform):
    """Reads images: PCollection[LabeledImage] → PCollection[ImageBytes]."""

    def __init__(self, storage: Storage | None = None) -> None:
        super().__init__()
        self._storage = storage or Storage()

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[ImageBytes]:
        """One ranged read an image."""
        return images | "ReadRange" >> beam.Map(_read, self._storage).with_output_types(ImageBytes)


class DecodeAndResize(beam.PTransform):
    """Decodes, repairs and resizes: PCollection[ImageBytes] → two PCollections.

    The result has `.images`, PCollection[DecodedImage], and `.rejects`,
    PCollection[Reject]: each image that goes in comes out of one of the two.

    Args:
        options: The size and how to encode.
    """

    IMAGES = "images"
    REJECTS = "rejects"

    def __init__(self, options: ImageOptions | None = None) -> None:
        super().__init__()
        self._options = options or ImageOptions()

    def expand(self, images: beam.PCollection[ImageBytes]) -> beam.pvalue.DoOutputsTuple:
        """Pillow does the work; rejects are an output, not an error."""
        outputs = images | "DecodeImage" >> beam.ParDo(_DecodeFn(self._options)).with_outputs(
            self.REJECTS, main=self.IMAGES
        )
        outputs[self.IMAGES].element_type = DecodedImage
        outputs[self.REJECTS].element_type = Reject
        return outputs


class ToExample(beam.PTransform):
    """Serialises: PCollection[DecodedImage] → PCollection[tuple[str, Record]] by file name.

    The pairs are what `WriteToTFRecord` takes.

    Args:
        schema: Which keys the Examples have.
    """

    def __init__(self, schema: str = "inception") -> None:
        super().__init__()
        self._schema = find_schema(schema).name

    def expand(
        self, images: beam.PCollection[DecodedImage]
    ) -> beam.PCollection[tuple[str, Record]]:
        """A `tf.train.Example` of each image, without TensorFlow."""
        return images | "SerializeExample" >> beam.Map(
            _named_record, self._schema
        ).with_output_types(tuple[str, Record])


def _read(image: LabeledImage, storage: Storage) -> ImageBytes:
    return ImageBytes(image, fetch(image.ref, storage))


def _named_record(decoded: DecodedImage, schema: str) -> tuple[str, Record]:
    return decoded.image.ref.filename, to_record(decoded.image, decoded.encoded, schema)


class _DecodeFn(beam.DoFn):
    """Sends an image on, or its reject aside."""

    _in = Metrics.counter("DecodeAndResize", "in-images")
    _out = Metrics.counter("DecodeAndResize", "out-images")
    _rejects = Metrics.counter("DecodeAndResize", "out-rejects")

    def __init__(self, options: ImageOptions) -> None:
        self._options = options

    def process(self, element: ImageBytes) -> Iterator[DecodedImage | beam.pvalue.TaggedOutput]:
        self._in.inc()
        try:
            encoded = decode_and_resize(element.image, element.data, self._options)
        except ImageRejected as rejected:
            self._rejects.inc()
            yield beam.pvalue.TaggedOutput(DecodeAndResize.REJECTS, reject(element.image, rejected))
            return
        self._out.inc()
        yield DecodedImage(element.image, encoded)
