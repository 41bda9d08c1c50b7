"""Batches: the images of a listing, many as one element on their way through the job.

Runners spend hundreds of bytes and several microseconds on an element of a collection,
whatever it is. The one large collection of a conversion therefore travels in batches: the
steps do with each image of a batch what the public transforms do with single ones.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import operator
import typing
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import registry
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.coders import ElementCoder, json_steps, same, to_json
from imagenet_beam.transforms.elements import ImageRef, LabeledImage

BATCH_IMAGES = 4096
"""Images of a batch at most: 60 KB encoded, some megabytes as objects."""

BATCH_BYTES = 1 << 20
"""Bytes that a batch's images bring along, about: a larger image travels alone."""

_LEVEL = 1  # of zlib, the fastest; higher levels save little on so few bytes
_LENGTH_BYTES = 4
_IMAGE_BYTES = 15


class RefBatch(NamedTuple):
    """References to images of one split."""

    images: tuple[ImageRef, ...]


class ImageBatch(NamedTuple):
    """Labelled images of one split."""

    images: tuple[LabeledImage, ...]


def images_of(batch: ImageBatch) -> tuple[LabeledImage, ...]:
    """The images of a batch."""
    return batch.images


class BatchImages(beam.PTransform):
    """Gathers the images of a bundle: PCollection[ImageRef] → PCollection[RefBatch]."""

    def expand(self, refs: beam.PCollection[ImageRef]) -> beam.PCollection[RefBatch]:
        """Their order within a bundle stays."""
        return refs | "Gather" >> beam.ParDo(_GatherFn()).with_output_types(RefBatch)


class _GatherFn(beam.DoFn):
    """Fills a batch until it has enough images or bytes, or the bundle ends."""

    def start_bundle(self) -> None:
        self._images: list[ImageRef] = []
        self._size_bytes = 0

    def process(self, ref: ImageRef) -> Iterator[RefBatch]:
        self._images.append(ref)
        self._size_bytes += len(ref.data)
        if len(self._images) == BATCH_IMAGES or self._size_bytes >= BATCH_BYTES:
            yield self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._images:
            yield from in_global_window([self._flush()])

    def _flush(self) -> RefBatch:
        batch = RefBatch(tuple(self._images))
        self.start_bundle()
        return batch


def flat_map_images(step: Callable[..., Iterable[LabeledImage]], *sides: Any) -> beam.PTransform:
    """A step from single images to any number of them, done with each image of a batch."""

    def step_on_batch(batch: Any, *sides: Any) -> Iterator[ImageBatch]:
        images = tuple(found for image in batch.images for found in step(image, *sides))
        if images:
            yield ImageBatch(images)

    return beam.FlatMap(step_on_batch, *sides).with_output_types(ImageBatch)


def map_images(step: Callable[..., LabeledImage], *sides: Any) -> beam.PTransform:
    """A step from single images to single images, done with each image of a batch."""

    def step_on_batch(batch: Any, *sides: Any) -> ImageBatch:
        return ImageBatch(tuple([step(image, *sides) for image in batch.images]))

    return beam.Map(step_on_batch, *sides).with_output_types(ImageBatch)


def in_global_window(values: Iterable[Any]) -> Iterator[WindowedValue]:
    """What a DoFn of bounded data yields at the end of a bundle."""
    window = GlobalWindow()
    return (WindowedValue(value, window.max_timestamp(), [window]) for value in values)


class Columns:
    """Encodes named tuples of one type together, field by field.

    What stands in one field of neighbours is alike: as compressed JSON, column by column,
    a reference takes some 15 bytes, and 180 alone. Bytes stand unchanged behind that.

    Args:
        element_type: A named tuple that `ElementCoder` takes.
        left_out: Fields of words that come back empty; those of a field have its name before
            theirs: `ref.wnid`.
    """

    def __init__(self, element_type: type, left_out: Collection[str] = ()) -> None:
        self._type = element_type
        self._left_out = frozenset(left_out)

    def encode(self, values: Iterable[Any]) -> bytes:
        """The length of the JSON, compressed; the JSON; the bytes."""
        blobs: list[bytes] = []
        columns = _to_columns(self._type, list(values), blobs, self._left_out)
        head = zlib.compress(to_json(columns).encode(), _LEVEL)
        return b"".join((len(head).to_bytes(_LENGTH_BYTES, "big"), head, *blobs))

    def decode(self, encoded: bytes) -> list[Any]:
        """Equal values, in their order."""
        end = _LENGTH_BYTES + int.from_bytes(encoded[:_LENGTH_BYTES], "big")
        blobs = io.BytesIO(encoded)
        blobs.seek(end)
        columns = json.loads(zlib.decompress(encoded[_LENGTH_BYTES:end]))
        return _from_columns(self._type, columns, blobs)


def _to_columns(
    kind: Any,
    values: list[Any],
    blobs: list[bytes],
    left_out: Collection[str] = (),
    inside: str = "",
) -> list[Any]:
    """The number of values, and for each field its values, or the one that all have."""
    columns: list[Any] = [len(values)]
    for at, hint in enumerate(_hints(kind) if values else ()):
        name = inside + kind._fields[at]
        if name in left_out:
            columns.append([""])
            continue
        column = list(map(operator.itemgetter(at), values))
        if _is_named_tuple(hint):
            columns.append(_to_columns(hint, column, blobs, left_out, f"{name}."))
            continue
        pack = json_steps(hint)[0]
        is_same = hint in (str, int, bytes) and column.count(column[0]) == len(column)
        column = column[:1] if is_same else column
        columns.append(column if pack is same else [pack(value, blobs) for value in column])
    return columns


def _from_columns(kind: Any, columns: list[Any], blobs: io.BytesIO) -> list[Any]:
    count, *columns = columns
    fields: list[Iterable[Any]] = []
    for hint, column in zip(_hints(kind), columns, strict=bool(count)):
        if _is_named_tuple(hint):
            fields.append(_from_columns(hint, column, blobs))
            continue
        unpack = json_steps(hint)[1]
        values = column if unpack is same else [unpack(plain, blobs) for plain in column]
        fields.append(values if len(values) == count else itertools.repeat(values[0], count))
    make = functools.partial(tuple.__new__, kind)
    return list(map(make, zip(*fields, strict=False)))  # repeat() has no length


@functools.cache
def _hints(kind: Any) -> list[Any]:
    hints = typing.get_type_hints(kind)
    return [hints[name] for name in kind._fields]


def _is_named_tuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


class BatchCoder(ElementCoder):
    """A deterministic coder of batches: their images as `Columns`."""

    def __init__(self, element_type: Any) -> None:
        super().__init__(element_type)
        self._columns = Columns(typing.get_args(_hints(element_type)[0])[0])

    def encode(self, value: RefBatch | ImageBatch) -> bytes:
        """The columns of the images."""
        return self._columns.encode(value.images)

    def estimate_size(self, value: RefBatch | ImageBatch) -> int:
        """Roughly its length encoded; Beam would encode it, or look at each object, to know."""
        return _IMAGE_BYTES * len(value.images)

    def decode(self, encoded: bytes) -> Any:
        """An equal batch."""
        return self._type(tuple(self._columns.decode(encoded)))


registry.register_coder(RefBatch, BatchCoder)
registry.register_coder(ImageBatch, BatchCoder)
