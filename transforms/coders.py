"""The coder of every element that travels between the steps, made from its annotations.

An element is encoded as JSON: the fields of named tuples and of frozen dataclasses become
lists, mappings become sorted lists of pairs. Bytes stand unchanged behind the JSON, which
holds their lengths: neither base64 nor pickle touches them. Why JSON, and how fast it is:
docs/decisions/0007.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import io
import json
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from apache_beam.coders import registry
from apache_beam.coders.coders import Coder

from imagenet_beam.transforms.archives.forms import Span
from imagenet_beam.transforms.boxes.index import BoxCounts
from imagenet_beam.transforms.elements import (
    BoundingBox,
    ImageRef,
    LabeledImage,
    PassedOver,
    Record,
    Reject,
    ShardReceipt,
)
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.shards import ShardLayout

to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_from_json = json.JSONDecoder().raw_decode
_NO_BLOBS = io.BytesIO()


class ElementCoder(Coder):
    """A deterministic coder.

    Args:
        element_type: A named tuple, a frozen dataclass, a union of such, or a type that
            may be a field of one: str, int, float, bool, bytes, tuple, Mapping.

    Raises:
        TypeError: If a field is of another type.
    """

    def __init__(self, element_type: Any) -> None:
        self._type = element_type
        self._pack, self._unpack = json_steps(element_type)

    def encode(self, value: Any) -> bytes:
        """JSON; then, where there are any bytes, a line feed and these."""
        blobs: list[bytes] = []
        head = to_json(self._pack(value, blobs)).encode()
        return b"".join((head, b"\n", *blobs)) if blobs else head

    def decode(self, encoded: bytes) -> Any:
        """An equal value of the element's type."""
        end = encoded.find(b"\n")  # within strings JSON escapes it
        if end < 0:
            return self._unpack(_from_json(encoded.decode())[0], _NO_BLOBS)
        blobs = io.BytesIO(encoded)
        blobs.seek(end + 1)
        return self._unpack(_from_json(encoded[:end].decode())[0], blobs)

    def is_deterministic(self) -> bool:
        """True: equal values have equal encodings."""
        return True

    def to_type_hint(self) -> Any:
        """The element's type."""
        return self._type

    @classmethod
    def from_type_hint(cls, typehint: Any, registry: Any) -> ElementCoder:
        """What Beam calls for a registered type."""
        return cls(typehint)

    def __reduce__(self) -> tuple[type[ElementCoder], tuple[Any]]:
        return type(self), (self._type,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ElementCoder) and self._type == other._type

    def __hash__(self) -> int:
        return hash(self._type)


_Pack = Callable[[Any, list[bytes]], Any]
"""From a value to what JSON holds; appends bytes to a list."""

_Unpack = Callable[[Any, io.BytesIO], Any]
"""The inverse."""


def same(plain: Any, blobs: Any) -> Any:
    """What JSON takes and gives as it is."""
    return plain


@functools.cache
def json_steps(hint: Any) -> tuple[_Pack, _Unpack]:
    """To JSON and back for a type, put together once; `same` where there is nothing to do."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (str, int, float, bool):
        return same, same
    if hint is bytes:
        return _pack_bytes, lambda size_bytes, blobs: blobs.read(size_bytes)
    if origin in (types.UnionType, typing.Union):
        return _union(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return _sequence(arguments[0])
    if origin is tuple:
        return _fields(arguments, list, tuple)
    if origin is collections.abc.Mapping:
        pack, unpack = _sequence(types.GenericAlias(tuple, arguments))
        return (
            lambda value, blobs: pack(sorted(value.items()), blobs),
            lambda plain, blobs: dict(unpack(plain, blobs)),
        )
    hints = typing.get_type_hints(hint)
    if dataclasses.is_dataclass(hint):
        names = [field.name for field in dataclasses.fields(hint) if field.init]
        return _fields(
            [hints[name] for name in names],
            lambda value: [getattr(value, name) for name in names],
            lambda plain: hint(*plain),  # type: ignore[operator]
        )
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        make = functools.partial(tuple.__new__, hint)
        return _fields([hints[name] for name in hint._fields], list, make)
    raise TypeError(f"elements cannot hold a {hint}")


def _pack_bytes(value: bytes, blobs: list[bytes]) -> int:
    if value:
        blobs.append(value)
    return len(value)


def _sequence(hint: Any) -> tuple[_Pack, _Unpack]:
    pack, unpack = json_steps(hint)
    return (
        same if pack is same else lambda value, blobs: [pack(part, blobs) for part in value],
        lambda plain, blobs: tuple([unpack(part, blobs) for part in plain]),
    )


def _fields(
    hints: Sequence[Any], values: Callable[[Any], list[Any]], make: Callable[[list[Any]], Any]
) -> tuple[_Pack, _Unpack]:
    """A fixed number of fields, each of its own type."""
    steps = list(enumerate(map(json_steps, hints)))
    packs = [(at, pack) for at, (pack, _) in steps if pack is not same]
    unpacks = [(at, unpack) for at, (_, unpack) in steps if unpack is not same]

    def pack_fields(value: Any, blobs: list[bytes]) -> list[Any]:
        plain = values(value)
        for at, pack in packs:
            plain[at] = pack(plain[at], blobs)
        return plain

    def unpack_fields(plain: list[Any], blobs: io.BytesIO) -> Any:
        for at, unpack in unpacks:
            plain[at] = unpack(plain[at], blobs)
        return make(plain)

    return (pack_fields if packs or values is not list else same), unpack_fields


def _union(members: Sequence[Any]) -> tuple[_Pack, _Unpack]:
    """The number of the member, then its own form."""
    steps = [json_steps(member) for member in members]

    def pack(value: Any, blobs: list[bytes]) -> tuple[int, Any]:
        number = members.index(type(value))
        return number, steps[number][0](value, blobs)

    def unpack(plain: list[Any], blobs: io.BytesIO) -> Any:
        return steps[plain[0]][1](plain[1], blobs)

    return pack, unpack


def register(*element_types: type) -> None:
    """Makes Beam use `ElementCoder` for elements of these types."""
    for element_type in element_types:
        registry.register_coder(element_type, ElementCoder)


register(Span, Labels, BoxCounts, ShardLayout)
register(BoundingBox, ImageRef, LabeledImage, PassedOver, Record, Reject, ShardReceipt)
