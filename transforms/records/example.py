"""`tf.train.Example` without TensorFlow.

The four messages are described in a descriptor pool of this module's own, so
nothing clashes with TensorFlow's generated classes in the same process. The
serialisation is deterministic (features sorted by name), and equal to what
TensorFlow gives with `SerializeToString(deterministic=True)`; a test asserts it.

Source of the messages: tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class NumpyValue(Protocol):
    """A scalar or an array of numpy, which is not imported for it."""

    def tolist(self) -> Any:
        """The Python values."""


FeatureValue: TypeAlias = (
    bytes
    | str
    | int
    | float
    | NumpyValue
    | Sequence[bytes]
    | Sequence[str]
    | Sequence[int]
    | Sequence[float]
    | Sequence[NumpyValue]
)

_FIELD = descriptor_pb2.FieldDescriptorProto
_LISTS = (
    ("BytesList", "bytes_list", _FIELD.TYPE_BYTES),
    ("FloatList", "float_list", _FIELD.TYPE_FLOAT),
    ("Int64List", "int64_list", _FIELD.TYPE_INT64),
)


_FEATURES_TAG = b"\n"  # field 1 of an Example, and of Features: length-delimited
_BYTES = tuple(bytes((number,)) for number in range(256))


class Floats(tuple[float, ...]):
    """A float list that may be empty: an empty tuple does not tell its kind."""


class Ints(tuple[int, ...]):
    """An int64 list that may be empty."""


_KEPT_HEAD_BYTES = 256
"""Up to which length of bytes what stands before them is kept: that of a name."""

_KEPT_KINDS: dict[type, int] = {int: 0, str: 64, Floats: 0, Ints: 0}
"""How long a value may be to be kept."""


def serialize_example(features: Mapping[str, FeatureValue]) -> bytes:
    """Serialises named values as one `tf.train.Example`.

    Args:
        features: bytes and str become a bytes list, int an int64 list, float a
            float list, of one value; sequences become lists of their items.
            Use `Floats` and `Ints` where a sequence may be empty; any other
            empty sequence is an empty bytes list. Scalars and one-dimensional
            arrays of numpy are taken as the Python values that they hold.

    Raises:
        TypeError: If a value is of another type, or a sequence mixes types; the
            message names the feature.
    """
    entries: list[bytes] = []
    for name in _in_order(tuple(features)):
        value: Any = features[name]
        kind: Any = type(value)
        if isinstance(value, bytes):  # such as the image, which is copied once
            size_bytes = len(value)
            head = _kept_head if size_bytes < _KEPT_HEAD_BYTES else _head
            entries += (head(name, size_bytes), value)
        elif kind in _KEPT_KINDS and (kind is int or len(value) <= _KEPT_KINDS[kind]):
            entries.append(_kept_entry(name, value, kind))
        else:
            entries.append(_new_entry(name, value))
    if not entries:
        return b""
    return b"".join((_FEATURES_TAG, _varint(sum(map(len, entries))), *entries))


@functools.lru_cache(maxsize=64)
def _in_order(names: tuple[str, ...]) -> list[str]:
    """As protocol buffers sort a map: "floats" before "float". No UTF-8 has a byte of 255."""
    return sorted(names, key=lambda name: name.encode() + b"\xff")


@functools.lru_cache(maxsize=1 << 14)
def _kept_entry(name: str, value: Any, kind: type) -> bytes:
    """What many records have in common: format, channels, class, no boxes.

    `kind` tells values apart that are equal: no floats and no numbers.
    """
    return _new_entry(name, value)


def _new_entry(name: str, value: Any) -> bytes:
    """One feature, but for bytes, as it stands among the others of an Example."""
    if isinstance(value, str):
        data = value.encode()
        return _head(name, len(data)) + data
    return _entry(name, value)


def _head(name: str, size_bytes: int) -> bytes:
    """What `_entry` puts before a value of so many bytes."""
    head = b"\n" + _varint(size_bytes)  # field 1 of BytesList
    head = b"\n" + _varint(len(head) + size_bytes) + head  # field 1 of Feature
    key = _key(name)
    head = b"".join((key, b"\x12", _varint(len(head) + size_bytes), head))  # field 2 of the entry
    return b"".join((b"\n", _varint(len(head) + size_bytes), head))


_kept_head = functools.lru_cache(maxsize=1 << 12)(_head)


@functools.lru_cache(maxsize=1 << 10)
def _key(name: str) -> bytes:
    """A feature's name as field 1 of its entry."""
    key = name.encode()
    return b"\n" + _varint(len(key)) + key


def _entry(name: str, value: FeatureValue) -> bytes:
    example = _example_class()()
    try:
        _set_feature(example.features.feature[name], value)
    except TypeError as error:
        raise TypeError(f"the feature {name!r} cannot be stored: {error}") from error
    data: bytes = example.SerializeToString(deterministic=True)
    last_of_length = next(at for at in itertools.count(1) if data[at] < 0x80)
    return data[last_of_length + 1 :]


def _varint(number: int) -> bytes:
    """As protocol buffers write lengths: seven bits a byte, the lowest first."""
    higher = b""
    while number > 0x7F:
        higher += _BYTES[number & 0x7F | 0x80]
        number >>= 7
    return higher + _BYTES[number]


def parse_example(data: bytes) -> dict[str, list[Any]]:
    """Reads an Example back as plain lists; for tests and for looking at records."""
    return {name: values for name, (_, values) in typed_features(data).items()}


def typed_features(data: bytes) -> dict[str, tuple[str, list[Any]]]:
    """Reads an Example back, with the kind of each list: `bytes_list`."""
    features = _example_class().FromString(data).features.feature.items()
    kinds = {name: (feature, feature.WhichOneof("kind")) for name, feature in features}
    return {
        name: (kind, list(getattr(feature, kind).value))
        for name, (feature, kind) in kinds.items()
        if kind
    }


def _set_feature(feature: Any, value: FeatureValue) -> None:
    if isinstance(value, bytes):
        feature.bytes_list.value.append(value)
    elif isinstance(value, str):
        feature.bytes_list.value.append(value.encode())
    elif isinstance(value, int):
        feature.int64_list.value.append(int(value))  # True is 1
    elif isinstance(value, float):
        feature.float_list.value.append(value)
    elif isinstance(value, (tuple, list)):
        _set_list(feature, value)
    elif hasattr(value, "tolist"):
        _set_feature(feature, _without_numpy(value))
    else:
        raise TypeError(f"no feature can hold a {type(value).__name__}")


def _without_numpy(value: Any) -> Any:
    """Returns what a scalar or an array of numpy holds, told without importing numpy."""
    if not hasattr(value, "tolist"):
        return value
    if value.ndim > 1:
        raise TypeError(f"an array of {value.ndim} dimensions; flatten it")
    plain = value.tolist()
    if plain == []:
        return {"f": Floats, "i": Ints, "u": Ints, "b": Ints}.get(value.dtype.kind, tuple)()
    return plain


def _set_list(feature: Any, value: Sequence[Any]) -> None:
    first = value[0] if value else None
    items = value
    if hasattr(first, "tolist"):
        items = [_without_numpy(item) for item in value]
        first = items[0]
    if isinstance(value, Floats) or isinstance(first, float):
        chosen = feature.float_list
    elif isinstance(value, Ints) or isinstance(first, int):
        chosen = feature.int64_list
    else:
        chosen = feature.bytes_list
        items = [item.encode() if isinstance(item, str) else item for item in items]
    chosen.SetInParent()
    try:
        chosen.value.extend(items)
    except TypeError as error:
        kinds = " and ".join(sorted({type(item).__name__ for item in items}))
        raise TypeError(f"a list of {kinds}; accepted are lists of one type") from error


@functools.cache
def _example_class() -> Any:
    message = descriptor_pb2.DescriptorProto
    lists = [message(name=name, field=[_field("value", 1, kind, True)]) for name, _, kind in _LISTS]
    feature = message(name="Feature", oneof_decl=[{"name": "kind"}])
    for number, (type_name, name, _) in enumerate(_LISTS, start=1):
        feature.field.append(_field(name, number, type_name))
        feature.field[-1].oneof_index = 0
    entry = message(name="FeatureEntry", options={"map_entry": True})
    entry.field.extend([_field("key", 1, _FIELD.TYPE_STRING), _field("value", 2, "Feature")])
    entries = _field("feature", 1, "Features.FeatureEntry", True)
    features = message(name="Features", nested_type=[entry], field=[entries])
    example = message(name="Example", field=[_field("features", 1, "Features")])
    file = descriptor_pb2.FileDescriptorProto(
        name="imagenet_beam/example.proto",
        package="imagenet_beam",
        syntax="proto3",
        message_type=[*lists, feature, features, example],
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("imagenet_beam.Example"))


def _field(name: str, number: int, kind: Any, is_repeated: bool = False) -> Any:
    """A field of a scalar type, or of the message of that name."""
    label = _FIELD.LABEL_REPEATED if is_repeated else _FIELD.LABEL_OPTIONAL
    if not isinstance(kind, str):
        return _FIELD(name=name, number=number, label=label, type=kind)
    type_name = f".imagenet_beam.{kind}"
    return _FIELD(
        name=name, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=type_name
    )
