"""The features of a serialised `tf.train.Example`, read by hand.

A protocol buffer's message costs 20 µs and more for the features of one record. Here most
features are recognised by their bytes: a set has few heights, classes and empty lists, and
what they were read as before is remembered. Whatever does not have the usual form is left to
`parse_example`, so that both agree on everything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.example import parse_example

Values = tuple[Any, ...]
"""What one feature holds: bytes, ints or floats."""

_MAX_REMEMBERED = 8192
_LEN = 0x0A  # field 1, length-delimited: features, each feature, its name, its packed list
_VALUE = 0x12  # field 2, length-delimited
_BYTES, _FLOATS, _INTS = 0x0A, 0x12, 0x1A  # fields 1 to 3, length-delimited


class _Unusual(Exception):
    """Not the form that serialisers write."""


class ExampleParser:
    """Parses Examples to dicts.

    Args:
        convert: Makes the key and the value in the dict of a feature's name and values.
    """

    def __init__(self, convert: Callable[[str, Values], tuple[str, Any]]) -> None:
        self._convert = convert
        self._known: dict[bytes, tuple[str, Any]] = {}

    def parse(self, data: bytes, what: str, start: int = 0) -> dict[str, Any]:
        """The features of an Example as `convert` gives them.

        Args:
            data: What ends with the Example.
            what: What the message of an error begins with.
            start: Where the Example begins in `data`.

        Raises:
            InputError: If it is none.
        """
        try:
            return self._usual(data, start)
        except (_Unusual, IndexError, UnicodeDecodeError, struct.error):
            pass
        try:
            found = parse_example(data[start:])
        except DecodeError as error:
            raise InputError(f"{what} is no tf.train.Example ({error})") from error
        return dict(self._convert(name, tuple(values)) for name, values in found.items())

    def _usual(self, data: bytes, start: int) -> dict[str, Any]:
        known, features, end = self._known, {}, len(data)
        position, stop = _delimited(data, start, _LEN)
        if stop != end:
            raise _Unusual
        while position < end:
            stop = position + 2 + data[position + 1]
            try:
                key, value = known[data[position:stop]]
            except KeyError:
                key, value, stop = self._new(data, position)
            features[key] = value
            position = stop
        if position != end:
            raise _Unusual
        return features

    def _new(self, data: bytes, position: int) -> tuple[str, Any, int]:
        """A feature that is not remembered; it will be, where its length takes one byte."""
        start, stop = _delimited(data, position, _LEN)
        key, value = self._convert(*_feature(data, start, stop))
        if start == position + 2:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[data[position:stop]] = key, value
        return key, value, stop


def _feature(data: bytes, position: int, end: int) -> tuple[str, Values]:
    """The name and the values of the feature that stands from `position` to `end`."""
    start, stop = _delimited(data, position, _LEN)
    name = data[start:stop].decode()
    position, stop = _delimited(data, stop, _VALUE)
    if stop != end or stop > len(data):
        raise _Unusual
    kind = data[position]
    position, stop = _delimited(data, position, kind)
    if stop != end:
        raise _Unusual
    if kind == _BYTES:
        values = []
        while position < end:
            start, position = _delimited(data, position, _LEN)
            values.append(data[start:position])
        if position != end:
            raise _Unusual
        return name, tuple(values)
    if kind not in (_FLOATS, _INTS):
        raise _Unusual
    if position < end:
        position, stop = _delimited(data, position, _LEN)
        if stop != end:
            raise _Unusual
    if kind == _FLOATS:
        return name, struct.unpack(f"<{(end - position) // 4}f", data[position:end])
    ints = []
    while position < end:
        number, position = _varint(data, position)
        ints.append(number - (1 << 64) if number >> 63 else number)
    if position != end:
        raise _Unusual
    return name, tuple(ints)


def _delimited(data: bytes, position: int, tag: int) -> tuple[int, int]:
    """Where the content of a length-delimited field begins and ends."""
    if data[position] != tag:
        raise _Unusual
    size, position = _varint(data, position + 1)
    return position, position + size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while (byte := data[position]) > 0x7F:
        number |= (byte & 0x7F) << shift
        shift += 7
        position += 1
    number |= byte << shift
    if shift > 63 or number >> 64:
        raise _Unusual
    return number, position + 1
