"""From labelled images to records: the encoders of `WriteToTFRecord`, and the same as steps.

`WriteToTFRecord(encode=ImageEncoder(...))` reads, decodes and serialises in one step and
keeps images out of the shuffle. `ReadImages`, `DecodeAndResize` and `ToExample` are for
jobs that look at the images on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.metrics import Metrics

from imagenet_beam.transforms.archives.fetch import fetch, stored_bytes, unpack
from imagenet_beam.transforms.coders import register
from imagenet_beam.transforms.elements import LabeledImage, Record, Reject
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.encode import EncodedImage, encode_image, encode_pixels
from imagenet_beam.transforms.images.options import ImageOptions, libraries
from imagenet_beam.transforms.images.pixels import PixelLayout, interleave
from imagenet_beam.transforms.records.example import FeatureValue, serialize_example
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.storage.files import Storage, unpinned

Value = TypeVar("Value", contravariant=True)
MoreFeatures = Callable[[LabeledImage, EncodedImage], Mapping[str, FeatureValue]]

_SHOWN_CHARACTERS = 80


class RecordEncoder(Protocol[Value]):
    """The last step of a value on its way into a shard; used by several threads at once.

    It is to `WriteToTFRecord` what a coder is to Beam's, with two more powers: it may
    fetch bytes first, so that references and not images travel through the shuffle,
    and it may reject a value.
    """

    @property
    def packed_type(self) -> type | None:
        """The named tuple that values are, where they say where bytes are, not hold them.

        Such values have names, and many of one shard travel as one element.
        """
        return None

    @property
    def noun(self) -> str:
        """What values are called in messages."""
        return "images"

    def check(self) -> None:
        """Called once in each worker, before any value.

        Raises:
            InputError: If this worker would make other bytes than the launcher.
        """
        return

    def name(self, value: Value) -> str:
        """What the value is called in messages; "" if it has no name."""
        return ""

    def size_bytes(self, value: Value) -> int:
        """About how much memory `load` will take."""
        return 0

    def load(self, value: Value) -> bytes:
        """Fetches the bytes that `finish` needs."""
        return b""

    def finish(self, value: Value, data: bytes) -> Record | Reject:
        """Makes the record."""


@dataclass(frozen=True)
class ExampleEncoder(RecordEncoder[Any]):
    """For elements that are records already: `(name, bytes or Record)`, or plain ones.

    Plain elements are encoded with a Beam coder, as Beam's own writer does.
    """

    coder: Coder

    @property
    def noun(self) -> str:
        """Nothing is known of them."""
        return "records"

    def name(self, value: Any) -> str:
        """The name of a pair; plain elements have none."""
        return str(value[0]) if _is_named(value) else ""

    def finish(self, value: Any, data: bytes) -> Record:
        """The record as it is, or a record without a class."""
        if _is_named(value):
            return value[1] if isinstance(value[1], Record) else Record(value[1])
        try:
            return Record(self.coder.encode(value))
        except (AssertionError, AttributeError, TypeError, ValueError) as error:
            raise TypeError(
                "WriteToTFRecord takes (name, value) pairs with bytes or a Record as value, or "
                f"elements of its coder, {type(self.coder).__name__}; this is neither: "
                f"{repr(value)[:_SHOWN_CHARACTERS]}"
            ) from error


def _is_named(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], (bytes, Record))
    )


@dataclass(frozen=True)
class ImageEncoder(RecordEncoder[LabeledImage]):
    """Reads an image's byte range, decodes, resizes, encodes, and makes the Example.

    Attributes:
        options: What happens to the image.
        schema: Which keys the Example has; see `imagenet_beam.transforms.records.schemas`.
        storage: How to reach the archives.
        takes_references: Whether images without bytes are read; else all bring theirs along.
        versions: The launcher's image libraries. A worker with others would make
            other bytes, so it refuses to begin.
    """

    options: ImageOptions = field(default_factory=ImageOptions)
    schema: str = "inception"
    storage: Storage = field(default_factory=Storage)
    takes_references: bool = True
    versions: tuple[tuple[str, str], ...] = field(
        default_factory=lambda: tuple(sorted(libraries().items()))
    )

    def __post_init__(self) -> None:
        find_schema(self.schema)

    @property
    def packed_type(self) -> type | None:
        """References without bytes are packed."""
        return LabeledImage if self.takes_references else None

    def check(self) -> None:
        """Compares this worker's image libraries with the launcher's."""
        here = tuple(sorted(libraries().items()))
        if here != self.versions:
            raise InputError(
                f"this worker has {_versions(here)}, the launcher has {_versions(self.versions)}: "
                "they would write different bytes; install the same versions on both"
            )

    def name(self, value: LabeledImage) -> str:
        """The image's file name."""
        return value.ref.filename

    def size_bytes(self, value: LabeledImage) -> int:
        """The image's size in the archive."""
        return value.ref.size_bytes

    def load(self, value: LabeledImage) -> bytes:
        """The image's bytes, read unless they came along."""
        ref = value.ref
        return fetch(ref, self.storage) if self.takes_references and not ref.data else ref.data

    def finish(self, value: LabeledImage, data: bytes) -> Record | Reject:
        """Makes the record, or the reject that says why there is none."""
        try:
            encoded = decode_and_resize(value, data, self.options)
        except ImageRejected as rejected:
            return reject(value, rejected)
        return to_record(value, encoded, self.schema)


def _versions(versions: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions)


def decode_and_resize(image: LabeledImage, data: bytes, options: ImageOptions) -> EncodedImage:
    """From the bytes in the archive to the image bytes of the record.

    Raises:
        ImageRejected: If there is no image in the bytes.
    """
    data = unpack(image.ref, data)
    if not image.ref.pixels:
        return encode_image(data, options)
    pixels, width, height, channels = interleave(data, PixelLayout.parse(image.ref.pixels))
    return encode_pixels(pixels, width, height, channels, options)


def to_record(
    image: LabeledImage, encoded: EncodedImage, schema: str, extra: MoreFeatures | None = None
) -> Record:
    """Serialises the Example of one image."""
    features = find_schema(schema).features(image, encoded)
    if extra is not None:
        features = {**features, **extra(image, encoded)}
    size = (encoded.width, encoded.height, len(encoded.data))
    return Record(serialize_example(features), image.wnid, encoded.notes, *size)


def reject(image: LabeledImage, rejected: ImageRejected) -> Reject:
    """What is said of an image that did not become a record."""
    ref, reason, detail = image.ref, rejected.reason, rejected.detail
    place = (unpinned(ref.archive), ref.filename, ref.offset_bytes)
    return Reject(*place, image.wnid, reason, detail, ref.size_bytes)


class DecodedImage(NamedTuple):
    """A labelled image, decoded, resized and encoded for its record.

    Attributes:
        labeled: What is known about the image; its original bytes are left out.
        encoded: The image of the record.
    """

    labeled: LabeledImage
    encoded: EncodedImage


register(EncodedImage, DecodedImage)


@dataclass(eq=False)
class ReadImages(beam.PTransform):
    """Reads images: PCollection[LabeledImage] → the same with `ref.data`."""

    storage: Storage = field(default_factory=Storage)

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[LabeledImage]:
        """One ranged read an image."""
        storage = self.storage
        return images | "ReadRange" >> beam.Map(
            lambda image: image._replace(ref=image.ref._replace(data=fetch(image.ref, storage)))
        ).with_output_types(LabeledImage)


@dataclass(eq=False)
class DecodeAndResize(beam.PTransform):
    """Decodes, repairs and resizes: PCollection[LabeledImage] → two PCollections.

    The images have been read by `ReadImages`. The result has `.images`,
    PCollection[DecodedImage], and `.rejects`, PCollection[Reject]: each image that goes in
    comes out of one of the two.
    """

    options: ImageOptions = field(default_factory=ImageOptions)

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.pvalue.DoOutputsTuple:
        """Pillow does the work; rejects are an output, not an error."""
        outputs = images | "DecodeImage" >> beam.ParDo(_DecodeFn(self.options)).with_outputs(
            "rejects", main="images"
        )
        outputs["images"].element_type = DecodedImage
        outputs["rejects"].element_type = Reject
        return outputs


class _DecodeFn(beam.DoFn):
    """Sends an image on, or its reject aside."""

    _in = Metrics.counter("DecodeAndResize", "in-images")
    _out = Metrics.counter("DecodeAndResize", "out-images")
    _rejects = Metrics.counter("DecodeAndResize", "out-rejects")

    def __init__(self, options: ImageOptions) -> None:
        self._options = options

    def process(self, image: LabeledImage) -> Iterator[DecodedImage | beam.pvalue.TaggedOutput]:
        self._in.inc()
        ref = image.ref
        try:
            encoded = decode_and_resize(image, ref.data, self._options)
        except ImageRejected as rejected:
            # Of an image that is too large nothing is read.
            if not ref.data and stored_bytes(ref) and rejected.reason != "too_large":
                raise TypeError(
                    f"{ref.filename} comes without its bytes; read it with ReadImages first"
                ) from rejected
            self._rejects.inc()
            yield beam.pvalue.TaggedOutput("rejects", reject(image, rejected))
            return
        self._out.inc()
        yield DecodedImage(image._replace(ref=ref._replace(data=b"")), encoded)


@dataclass(eq=False)
class ToExample(beam.PTransform):
    """Serialises: PCollection[DecodedImage] → PCollection[tuple[str, Record]] by file name.

    The pairs are what `WriteToTFRecord` takes.

    Args:
        schema: Which keys the Examples have.
        extra: Makes further features of an image; they take the place of the schema's
            where names are the same.
    """

    schema: str = "inception"
    extra: MoreFeatures | None = None

    def __post_init__(self) -> None:
        find_schema(self.schema)

    def expand(
        self, images: beam.PCollection[DecodedImage]
    ) -> beam.PCollection[tuple[str, Record]]:
        """A `tf.train.Example` of each image, without TensorFlow."""
        schema, extra = self.schema, self.extra
        return images | "SerializeExample" >> beam.MapTuple(
            lambda image, encoded: (image.ref.filename, to_record(image, encoded, schema, extra))
        ).with_output_types(tuple[str, Record])
