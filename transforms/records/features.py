"""The features of a serialised `tf.train.Example`, read by hand.

A message of protocol buffers costs 20 to 40 µs for the features of one record. Here the small
features before and after the image are recognised by their bytes: a set has few classes and
sizes, and what they were read as before is remembered. Whatever does not have the usual form
is left to `parse_example`, so that both agree on everything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from imagenet_beam.transforms.records.example import parse_example

V = TypeVar("V")

Values = tuple[Any, ...]
"""What one feature holds: bytes, ints or floats."""

_HEAD_BYTES = 4096  # one page: more than the features before the image take
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
        self._known_runs: dict[bytes, dict[str, Any]] = {}

    def parse(
        self, read: Callable[[int, int], bytes], begin: int, size: int
    ) -> dict[str, Any] | None:
        """The features of an Example as `convert` gives them; None if it has an unusual form.

        Args:
            read: Gives the bytes from an offset, so and so many; asked for a large value alone.
            begin: The offset at which the Example begins.
            size: Its length.
        """
        try:
            return self._usual(read, begin, size)
        except (_Unusual, IndexError, UnicodeDecodeError, struct.error):
            return None

    def parse_any(self, data: bytes) -> dict[str, Any]:
        """The same of an Example of any form.

        Raises:
            ValueError: If it is none.
        """
        try:
            found = parse_example(data)
        except DecodeError as error:
            raise ValueError(f"no tf.train.Example ({error})") from error
        return dict(self._convert(name, tuple(values)) for name, values in found.items())

    def _usual(self, read: Callable[[int, int], bytes], begin: int, size: int) -> dict[str, Any]:
        """Small features, perhaps a large one of one value, and further features."""
        head = read(begin, min(size, _HEAD_BYTES))
        first, stop = _delimited(head, 0, _LEN)
        if stop != size:
            raise _Unusual
        position = first
        while position < size and head[position + 1] < 0x80:  # one byte of length
            position += 2 + head[position + 1]
        features = self._run(head[first:position]).copy()
        if position < size:
            start, end = _delimited(head, position, _LEN)
            name, kind, list_start = _feature_head(head, start, end)
            start, value_end = _delimited(head, list_start, _LEN)
            if kind != _BYTES or value_end != end or end > size:
                raise _Unusual
            key, value = self._convert(name, (read(begin + start, end - start),))
            features[key] = value
            features.update(self._run(read(begin + end, size - end)))
        return features

    def _run(self, data: bytes) -> dict[str, Any]:
        """One feature after the other; the longest end of them that was seen before at once."""
        found = self._known_runs.get(data)
        if found is not None:
            return found
        known, rest = self._known, data
        features: dict[str, Any] = {}
        run: dict[str, Any] = {}
        position, end = 0, len(data)
        while position < end:
            stop = position + 2 + data[position + 1]
            try:
                key, value = known[data[position:stop]]
            except KeyError:
                key, value, stop = self._new(data, position)
                rest = data[stop:]
                features.update(run)
                features[key] = value
                found = self._known_runs.get(rest)
                if found is not None:
                    features.update(found)
                    return features
                run = {}
            else:
                run[key] = value
            position = stop
        if position != end:
            raise _Unusual
        _remember(self._known_runs, rest, run)
        features.update(run)
        return features

    def _new(self, data: bytes, position: int) -> tuple[str, Any, int]:
        """A feature that is not remembered; it will be, where its length takes one byte."""
        start, stop = _delimited(data, position, _LEN)
        key, value = self._convert(*_feature(data, start, stop))
        if start == position + 2:
            _remember(self._known, data[position:stop], (key, value))
        return key, value, stop


def _remember(known: dict[bytes, V], data: bytes, value: V) -> None:
    if len(known) >= _MAX_REMEMBERED:
        known.clear()
    known[data] = value


def _feature(data: bytes, position: int, end: int) -> tuple[str, Values]:
    """The name and the values of the feature that stands from `position` to `end`."""
    name, kind, position = _feature_head(data, position, end)
    if end > len(data):
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


def _feature_head(data: bytes, position: int, end: int) -> tuple[str, int, int]:
    """The name and the kind of the feature that ends at `end`, and where its list begins."""
    start, stop = _delimited(data, position, _LEN)
    name = data[start:stop].decode()
    position, stop = _delimited(data, stop, _VALUE)
    kind = data[position]
    position, list_stop = _delimited(data, position, kind)
    if not stop == list_stop == end:
        raise _Unusual
    return name, kind, position


def _delimited(data: bytes, position: int, tag: int) -> tuple[int, int]:
    """Where the content of a length-delimited field begins and ends."""
    if data[position] != tag:
        raise _Unusual
    size = data[position + 1]
    if size < 0x80:
        return position + 2, position + 2 + size
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
