"""Deterministic coders for every element that travels between the steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from apache_beam import coders
from apache_beam.coders.coders import Coder

from imagenet_beam.transforms.elements import (
    BoundingBox,
    ImageRef,
    LabeledImage,
    Record,
    Reject,
)
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.receipts import ShardReceipt
from imagenet_beam.transforms.records.shards import ShardPlan

_STR = coders.StrUtf8Coder()
_INT = coders.VarIntCoder()
_FLOAT = coders.FloatCoder()
_BYTES = coders.BytesCoder()


class NamedTupleCoder(Coder):
    """Encodes a named tuple as its fields, one after the other."""

    element_type: type[Any]
    fields: Sequence[Coder]

    def __init__(self) -> None:
        self._tuple_impl = coders.TupleCoder(list(self.fields)).get_impl()

    def encode(self, value: Any) -> bytes:
        """The fields' encodings in the order of the type."""
        data: bytes = self._tuple_impl.encode(tuple(value))
        return data

    def decode(self, encoded: bytes) -> Any:
        """A value of the element type."""
        return self.element_type(*self._tuple_impl.decode(encoded))

    def is_deterministic(self) -> bool:
        """True: equal values have equal encodings."""
        return True

    def to_type_hint(self) -> type[Any]:
        """The element type."""
        return self.element_type

    def __reduce__(self) -> tuple[type[NamedTupleCoder], tuple[()]]:
        return type(self), ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


def _many(coder: Coder) -> Coder:
    return coders.TupleSequenceCoder(coder)


class BoundingBoxCoder(NamedTupleCoder):
    """Four floats."""

    element_type = BoundingBox
    fields = (_FLOAT,) * 4


class ImageRefCoder(Coder):
    """JSON: as short as the fields, and many times faster to read than nested coders.

    Every image passes here several times; with `NamedTupleCoder` that took most of
    the time of listing a large archive.
    """

    element_type = ImageRef

    def encode(self, value: ImageRef) -> bytes:
        """The fields as a list."""
        return _to_json(value)

    def decode(self, encoded: bytes) -> ImageRef:
        """The same reference."""
        return ImageRef(*_from_json(encoded))

    def is_deterministic(self) -> bool:
        """True: equal references have equal encodings."""
        return True

    def to_type_hint(self) -> type[ImageRef]:
        """The element type."""
        return ImageRef


class LabeledImageCoder(Coder):
    """JSON, as for `ImageRefCoder`; floats survive exactly."""

    element_type = LabeledImage

    def encode(self, value: LabeledImage) -> bytes:
        """The fields as nested lists."""
        return _to_json(value)

    def decode(self, encoded: bytes) -> LabeledImage:
        """The same image."""
        ref, label, wnid, text, boxes = _from_json(encoded)
        return LabeledImage(
            ImageRef(*ref), label, wnid, text, tuple(BoundingBox(*box) for box in boxes)
        )

    def is_deterministic(self) -> bool:
        """True: equal images have equal encodings."""
        return True

    def to_type_hint(self) -> type[LabeledImage]:
        """The element type."""
        return LabeledImage


def _to_json(value: object) -> bytes:
    return _json_encoder.encode(value).encode()


def _from_json(encoded: bytes) -> Any:
    return _json_decoder.decode(encoded.decode())


_json_encoder = json.JSONEncoder(separators=(",", ":"))
_json_decoder = json.JSONDecoder()


class RejectCoder(NamedTupleCoder):
    """An image that did not become a record."""

    element_type = Reject
    fields = (_STR, _STR, _INT, _STR, _STR, _STR)


class RecordCoder(NamedTupleCoder):
    """A serialised record."""

    element_type = Record
    fields = (_BYTES, _STR, _many(_STR))


class OutcomeCoder(Coder):
    """Either a `Record` or a `Reject`; the first byte tells."""

    _record = RecordCoder()
    _reject = RejectCoder()

    def encode(self, value: Record | Reject) -> bytes:
        """One byte for the kind, then the fields."""
        if isinstance(value, Record):
            return b"\0" + self._record.encode(value)
        return b"\1" + self._reject.encode(value)

    def decode(self, encoded: bytes) -> Record | Reject:
        """A value of the kind that was encoded."""
        coder = self._reject if encoded[0] else self._record
        outcome: Record | Reject = coder.decode(encoded[1:])
        return outcome

    def is_deterministic(self) -> bool:
        """True: equal values have equal encodings."""
        return True


class ShardPlanCoder(NamedTupleCoder):
    """Where the shards are cut."""

    element_type = ShardPlan
    fields = (_INT, _many(_BYTES), _many(_INT), _many(_BYTES))


class ShardReceiptCoder(NamedTupleCoder):
    """One published shard."""

    element_type = ShardReceipt
    _counts = _many(coders.TupleCoder([_STR, _INT]))
    fields = (_STR, _INT, _INT, _INT, _INT, _counts, _counts, _many(RejectCoder()), _STR)


class LabelsCoder(Coder):
    """JSON: labels travel once, as a side input."""

    def encode(self, value: Labels) -> bytes:
        """Classes in label order, the truth sorted by number, what is known by wnid."""
        table = value.classes
        known = [value.known[wnid] for wnid in sorted(value.known)]
        return json.dumps(
            [table.base, table.order, table.classes, sorted(value.truth.items()), known]
        ).encode()

    def decode(self, encoded: bytes) -> Labels:
        """The same labels."""
        base, order, classes, truth, known = json.loads(encoded)
        table = ClassTable(tuple(ClassInfo(*info) for info in classes), base, order)
        return Labels(table, dict(truth), {info[0]: ClassInfo(*info) for info in known})

    def is_deterministic(self) -> bool:
        """True: equal labels have equal encodings."""
        return True


for _coder in (
    BoundingBoxCoder,
    ImageRefCoder,
    LabeledImageCoder,
    RejectCoder,
    RecordCoder,
    ShardPlanCoder,
    ShardReceiptCoder,
):
    coders.registry.register_coder(_coder.element_type, _coder)
coders.registry.register_coder(Labels, LabelsCoder)
