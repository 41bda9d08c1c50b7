"""The last step of an element on its way into a shard: from value to record bytes.

An encoder is to `WriteToTFRecord` what a coder is to Beam's, with two more powers:
it may fetch bytes first (so that references, not images, travel through the
shuffle), and it may reject a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from apache_beam.coders import Coder

from imagenet_beam.transforms.archives.fetch import fetch, is_image_file, unpack
from imagenet_beam.transforms.elements import LabeledImage, Record, Reject
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.encode import (
    EncodedImage,
    ImageOptions,
    encode_image,
    encode_pixels,
    libraries,
)
from imagenet_beam.transforms.images.pixels import interleave, parse_encoding
from imagenet_beam.transforms.records.example import serialize_example
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.storage.files import Storage, unpinned

Value = TypeVar("Value", contravariant=True)


class RecordEncoder(Protocol[Value]):
    """Makes records out of values; called from several threads at once."""

    takes_references: ClassVar[bool]
    """Whether values are small and say where bytes are, rather than being the bytes."""

    def check(self) -> None:
        """Called once in each worker, before any value.

        Raises:
            InputError: If this worker would make other bytes than the launcher.
        """

    def name(self, value: Value) -> str:
        """What the value is called in messages; "" if it has no name."""

    def size_bytes(self, value: Value) -> int:
        """About how much memory `load` will take."""

    def load(self, value: Value) -> bytes:
        """Fetches the bytes that `finish` needs."""

    def finish(self, value: Value, data: bytes) -> Record | Reject:
        """Makes the record."""


_SHOWN_CHARACTERS = 80
NamedValue = tuple[str, "bytes | Record"]


@dataclass(frozen=True)
class ExampleEncoder:
    """For elements that are records already: `(name, bytes or Record)`, or plain ones.

    Plain elements are encoded with a Beam coder, as Beam's own writer does.
    """

    coder: Coder

    takes_references: ClassVar[bool] = False

    def check(self) -> None:
        """Nothing to check."""

    def name(self, value: NamedValue | Any) -> str:
        """The name of a pair; plain elements have none."""
        return value[0] if _is_named(value) else ""

    def size_bytes(self, value: NamedValue | Any) -> int:
        """Nothing is fetched."""
        return 0

    def load(self, value: NamedValue | Any) -> bytes:
        """Nothing to fetch."""
        return b""

    def finish(self, value: NamedValue | Any, data: bytes) -> Record | Reject:
        """The record as it is, or a record without a class."""
        if not _is_named(value):
            return Record(self._encode(value))
        return value[1] if isinstance(value[1], Record) else Record(value[1])

    def _encode(self, value: Any) -> bytes:
        try:
            data: bytes = self.coder.encode(value)
        except (AssertionError, AttributeError, TypeError, ValueError) as error:
            raise TypeError(
                "WriteToTFRecord takes (name, value) pairs with bytes or a Record as value, or "
                f"elements of its coder, {type(self.coder).__name__}; this is neither: "
                f"{repr(value)[:_SHOWN_CHARACTERS]}"
            ) from error
        return data


def _is_named(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], (bytes, Record))
    )


@dataclass(frozen=True)
class ImageEncoder:
    """Reads an image's byte range, decodes, resizes, encodes, and makes the Example.

    Attributes:
        options: What happens to the image.
        schema: Which keys the Example has; see `imagenet_beam.transforms.records.schemas`.
        storage: How to reach the archives.
        versions: The launcher's image libraries. A worker with others would make
            other bytes, so it refuses to begin.
    """

    options: ImageOptions = field(default_factory=ImageOptions)
    schema: str = "inception"
    storage: Storage = field(default_factory=Storage)
    versions: tuple[tuple[str, str], ...] = field(
        default_factory=lambda: tuple(sorted(libraries().items()))
    )

    takes_references: ClassVar[bool] = True

    def __post_init__(self) -> None:
        find_schema(self.schema)

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
        """Reads the image's byte range."""
        return fetch(value.ref, self.storage)

    def finish(self, value: LabeledImage, data: bytes) -> Record | Reject:
        """Makes the record, or the reject that says why there is none."""
        try:
            encoded = decode_and_resize(value, data, self.options)
        except ImageRejected as rejected:
            return reject(value, rejected)
        return to_record(value, encoded, self.schema)


def decode_and_resize(image: LabeledImage, data: bytes, options: ImageOptions) -> EncodedImage:
    """From the bytes in the archive to the image bytes of the record.

    Raises:
        ImageRejected: If there is no image in the bytes.
    """
    data = unpack(image.ref, data)
    if is_image_file(image.ref):
        return encode_image(data, options)
    pixels, width, height, channels = interleave(data, parse_encoding(image.ref.encoding))
    return encode_pixels(pixels, width, height, channels, options)


def to_record(image: LabeledImage, encoded: EncodedImage, schema: str) -> Record:
    """Serialises the Example of one image."""
    features = find_schema(schema).features(image, encoded)
    return Record(serialize_example(features), image.wnid, encoded.notes)


def reject(image: LabeledImage, rejected: ImageRejected) -> Reject:
    """What is said of an image that did not become a record."""
    ref = image.ref
    return Reject(
        archive=unpinned(ref.archive),
        filename=ref.filename,
        offset_bytes=ref.offset_bytes,
        wnid=image.wnid,
        reason=rejected.reason,
        detail=rejected.detail,
    )


def _versions(versions: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions)
