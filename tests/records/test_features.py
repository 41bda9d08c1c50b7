"""Examples parsed by hand: the same as protocol buffers say, of whatever bytes."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from imagenet_beam.transforms.records import features
from imagenet_beam.transforms.records.example import (
    Floats,
    Ints,
    parse_example,
    serialize_example,
)
from imagenet_beam.transforms.records.features import ExampleParser

IMAGE = bytes(range(256)) * 40
RECORD = {
    "image/channels": 3,
    "image/class/label": 7,
    "image/class/text": "tench, Tinca tinca",
    "image/encoded": IMAGE,
    "image/filename": "n01440764_1.JPEG",
    "image/object/bbox/xmin": Floats((0.25, 0.5)),
    "image/object/bbox/ymin": Floats(),
    "image/object/class/label": Ints(),
    "image/width": 500,
}


def plain(name, values):
    return name, values


def read_of(data):
    return lambda at, length: data[at : at + length]


def parse(data, parser=None):
    parser = parser or ExampleParser(plain)
    found = parser.parse(read_of(data), 0, len(data))
    return parser.parse_any(data) if found is None else found


def by_protobuf(data):
    return {name: tuple(values) for name, values in parse_example(data).items()}


def refuse(data):
    raise AssertionError("left to protobuf")


@pytest.fixture
def by_hand(monkeypatch):
    monkeypatch.setattr(features, "parse_example", refuse)


def test_what_the_schemas_write_is_read_by_hand(by_hand):
    assert parse(serialize_example(RECORD)) == {
        "image/channels": (3,),
        "image/class/label": (7,),
        "image/class/text": (b"tench, Tinca tinca",),
        "image/encoded": (IMAGE,),
        "image/filename": (b"n01440764_1.JPEG",),
        "image/object/bbox/xmin": (0.25, 0.5),
        "image/object/bbox/ymin": (),
        "image/object/class/label": (),
        "image/width": (500,),
    }


def test_one_parser_tells_records_apart(by_hand):
    parser = ExampleParser(plain)
    for turn in range(3):
        for label in (-1, 0, 7, 2**62, -(2**63)):
            for name in ("a.JPEG", "b.JPEG"):
                record = RECORD | {"image/class/label": label, "image/filename": name}
                found = parse(serialize_example(record), parser)
                assert (found["image/class/label"], found["image/filename"]) == (
                    (label,),
                    (name.encode(),),
                ), turn


def test_what_is_given_away_may_be_changed(by_hand):
    parser, data = ExampleParser(plain), serialize_example(RECORD)
    for _ in range(4):
        assert parse(data, parser).pop("image/width") == (500,)


def test_the_large_value_is_read_alone(by_hand):
    data, asked = serialize_example(RECORD), []

    def read(at, length):
        asked.append(length)
        return data[at : at + length]

    ExampleParser(plain).parse(read, 0, len(data))
    assert asked[1] == len(IMAGE) and len(asked) == 3
    assert max(asked[0], asked[2]) <= 4096


def test_what_is_remembered_stays_bounded(monkeypatch, by_hand):
    monkeypatch.setattr(features, "_MAX_REMEMBERED", 4)
    parser = ExampleParser(plain)
    for number in range(50):
        data = serialize_example(RECORD | {"image/filename": f"{number}.JPEG"})
        assert parse(data, parser)["image/filename"] == (f"{number}.JPEG".encode(),)
        assert len(parser._known) <= 4 and len(parser._known_runs) <= 4


VALUES = st.one_of(
    st.lists(st.binary(max_size=300), max_size=3),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40).map(Ints),
    st.lists(st.floats(width=32, allow_nan=False), max_size=40).map(Floats),
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=12), VALUES, max_size=12), max_size=4))
def test_any_example_is_what_protobuf_says(records):
    parser = ExampleParser(plain)
    for record in [*records, *records]:
        data = serialize_example(record)
        assert parse(data, parser) == by_protobuf(data)


@settings(deadline=None)
@given(st.data())
def test_damaged_examples_are_what_protobuf_says(data):
    """One parser for all: what it remembers of sound ones does not hide the damage."""
    spoilt = bytearray(serialize_example(RECORD | {"image/encoded": IMAGE[:200]}))
    parser = ExampleParser(plain)
    parse(bytes(spoilt), parser)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    cut = (
        bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))]) if data.draw(st.booleans()) else b""
    )
    for one in (bytes(spoilt), cut):
        try:
            expected = by_protobuf(one)
        except DecodeError:
            with pytest.raises(ValueError, match=r"^no tf"):
                parse(one, parser)
        else:
            assert same(parse(one, parser), expected)


def same(found, expected):
    """Equal, where a damaged float may be no number."""
    return {name: repr(values) for name, values in found.items()} == {
        name: repr(values) for name, values in expected.items()
    }
