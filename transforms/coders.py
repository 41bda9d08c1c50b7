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
import json
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from apache_beam.coders import registry
from apache_beam.coders.coders import Coder

from imagenet_beam.transforms.archives.forms import Span
from imagenet_beam.transforms.boxes.index import BoxCounts
from imagenet_beam.transforms.elements import (
    BoundingBox,
    ImageRef,
    LabeledImage,
    Record,
    Reject,
    ShardReceipt,
)
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.shards import ShardLayout

_END = 10  # a line feed: JSON escapes those in strings
_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_from_json = json.JSONDecoder().raw_decode


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
        self._pack, self._unpack = _form_of(element_type)

    def encode(self, value: Any) -> bytes:
        """JSON; then, where there are any bytes, a line feed and these."""
        if self._pack is None:
            return _to_json(value).encode()
        blobs: list[bytes] = []
        head = _to_json(self._pack(value, blobs)).encode()
        return b"".join((head, b"\n", *blobs)) if blobs else head

    def decode(self, encoded: bytes) -> Any:
        """An equal value of the element's type."""
        end = encoded.find(_END)
        if end < 0:
            plain, blobs = _from_json(encoded.decode())[0], _NO_BLOBS
        else:
            plain, blobs = _from_json(encoded[:end].decode())[0], _Blobs(encoded, end + 1)
        return plain if self._unpack is None else self._unpack(plain, blobs)

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


class _Blobs:
    """The bytes behind the JSON, taken one after the other."""

    __slots__ = ("_at", "_encoded")

    def __init__(self, encoded: bytes, at: int) -> None:
        self._encoded = encoded
        self._at = at

    def take(self, size_bytes: int) -> bytes:
        start = self._at
        self._at = start + size_bytes
        return self._encoded[start : self._at]


_NO_BLOBS = _Blobs(b"", 0)


class _Form(NamedTuple):
    """How values of a type become JSON and come back.

    Attributes:
        pack: Gives what JSON holds, and appends bytes to a list; None where JSON takes
            the value as it is.
        unpack: The inverse; None where JSON gives the value as it was.
    """

    pack: Callable[[Any, list[bytes]], Any] | None
    unpack: Callable[[Any, _Blobs], Any] | None


@functools.cache
def _form_of(hint: Any) -> _Form:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (str, int, float, bool):
        return _Form(None, None)
    if hint is bytes:
        return _Form(_pack_bytes, _unpack_bytes)
    if origin in (types.UnionType, typing.Union):
        return _union(arguments)
    if origin is collections.abc.Mapping:
        return _mapping(_form_of(types.GenericAlias(tuple, arguments)))
    if origin is tuple and arguments[1:] == (...,):
        return _sequence(_form_of(arguments[0]))
    if origin is tuple:
        return _fields([_form_of(argument) for argument in arguments], None, tuple)
    hints = typing.get_type_hints(hint)
    if dataclasses.is_dataclass(hint):
        names = [field.name for field in dataclasses.fields(hint) if field.init]
        return _fields(
            [_form_of(hints[name]) for name in names],
            lambda value: [getattr(value, name) for name in names],
            lambda plain: hint(*plain),  # type: ignore[operator]
        )
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        forms = [_form_of(hints[name]) for name in hint._fields]
        return _fields(forms, None, functools.partial(tuple.__new__, hint))
    raise TypeError(f"elements cannot hold a {hint}")


def _pack_bytes(value: bytes, blobs: list[bytes]) -> int:
    if value:
        blobs.append(value)
    return len(value)


def _unpack_bytes(size_bytes: int, blobs: _Blobs) -> bytes:
    return blobs.take(size_bytes) if size_bytes else b""


def _fields(
    forms: list[_Form], values: Callable[[Any], list[Any]] | None, make: Callable[[Any], Any]
) -> _Form:
    """A fixed number of fields, each of its own type."""
    packs = [(at, form.pack) for at, form in enumerate(forms) if form.pack]
    unpacks = [(at, form.unpack) for at, form in enumerate(forms) if form.unpack]

    def pack(value: Any, blobs: list[bytes]) -> list[Any]:
        plain = (values or list)(value)
        for at, pack_field in packs:
            plain[at] = pack_field(plain[at], blobs)
        return plain

    def unpack(plain: list[Any], blobs: _Blobs) -> Any:
        for at, unpack_field in unpacks:
            plain[at] = unpack_field(plain[at], blobs)
        return make(plain)

    return _Form(pack if packs or values else None, unpack)


def _sequence(item: _Form) -> _Form:
    pack_item, unpack_item = item

    def pack(value: Any, blobs: list[bytes]) -> list[Any]:
        assert pack_item is not None  # noqa: S101 - else JSON takes the tuple
        return [pack_item(part, blobs) for part in value]

    def unpack(plain: list[Any], blobs: _Blobs) -> Any:
        if unpack_item is None:
            return tuple(plain)
        return tuple([unpack_item(part, blobs) for part in plain])

    return _Form(pack if pack_item else None, unpack)


def _mapping(pair: _Form) -> _Form:
    pairs = _sequence(pair)

    def pack(value: Any, blobs: list[bytes]) -> Any:
        ordered = sorted(value.items())
        return pairs.pack(ordered, blobs) if pairs.pack else ordered

    def unpack(plain: list[Any], blobs: _Blobs) -> Any:
        assert pairs.unpack is not None  # noqa: S101 - tuples always have one
        return dict(pairs.unpack(plain, blobs))

    return _Form(pack, unpack)


def _union(members: tuple[Any, ...]) -> _Form:
    """The number of the member, then its own form."""
    forms = [_form_of(member) for member in members]

    def pack(value: Any, blobs: list[bytes]) -> list[Any]:
        number = members.index(type(value))
        pack_member = forms[number].pack
        return [number, pack_member(value, blobs) if pack_member else value]

    def unpack(plain: list[Any], blobs: _Blobs) -> Any:
        unpack_member = forms[plain[0]].unpack
        return unpack_member(plain[1], blobs) if unpack_member else plain[1]

    return _Form(pack, unpack)


def register(*element_types: type) -> None:
    """Makes Beam use `ElementCoder` for elements of these types."""
    for element_type in element_types:
        registry.register_coder(element_type, ElementCoder)


register(Span, Labels, BoxCounts, ShardLayout)
register(BoundingBox, ImageRef, LabeledImage, Record, Reject, ShardReceipt)
