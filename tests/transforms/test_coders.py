"""Coders: what goes in comes out, in one form, and nothing is pickled on the way."""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
from apache_beam.coders import registry
from apache_beam.internal import pickler
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.pipeline.listing import Listing
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.request import add_convert_parser, config_from_flags
from imagenet_beam.transforms.archives.forms import Span
from imagenet_beam.transforms.boxes.index import BoxCounts
from imagenet_beam.transforms.coders import ElementCoder
from imagenet_beam.transforms.elements import (
    BoundingBox,
    ImageRef,
    LabeledImage,
    PassedOver,
    Record,
    Reject,
    ShardReceipt,
)
from imagenet_beam.transforms.encode_images import DecodedImage
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.shards import ShardLayout

TEXT = st.text(max_size=20)
MORE = st.dictionaries(TEXT, st.tuples(st.binary(), st.booleans()), max_size=2)
INT = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**63 - 1)
UNIT = st.floats(0, 1)
REF = st.builds(ImageRef, TEXT, COUNT, COUNT, TEXT, TEXT, INT, TEXT, TEXT, st.binary())
BOXES = st.lists(st.builds(BoundingBox, UNIT, UNIT, UNIT, UNIT), max_size=3).map(tuple)
IMAGE = st.builds(LabeledImage, REF, INT, TEXT, TEXT, BOXES)
REJECT = st.builds(Reject, TEXT, TEXT, COUNT, TEXT, TEXT, TEXT)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
RECORD = st.builds(Record, st.binary(), TEXT, TEXTS)
KEYS = st.lists(st.binary(min_size=16, max_size=16), max_size=4).map(tuple)
COUNTS = st.lists(st.tuples(TEXT, COUNT), max_size=3).map(tuple)
LAYOUT = st.builds(ShardLayout, COUNT, KEYS, st.lists(COUNT, max_size=4).map(tuple), KEYS)
RECEIPT = st.builds(
    ShardReceipt, TEXT, COUNT, COUNT, COUNT, st.integers(0, 2**32 - 1), COUNTS, COUNTS,
    st.lists(REJECT, max_size=3).map(tuple), TEXT,
)  # fmt: skip
INFO = st.builds(ClassInfo, TEXT, TEXT, COUNT)
CLASSES = st.lists(INFO, max_size=4, unique_by=lambda info: info.wnid).map(tuple)
KNOWN = CLASSES.map(lambda infos: {info.wnid: info for info in infos})
FOLDERS = st.dictionaries(TEXT, TEXT, max_size=3)
LABELS = st.builds(
    Labels, CLASSES.map(ClassTable), st.dictionaries(COUNT, TEXT, max_size=3), KNOWN,
    st.dictionaries(TEXT, TEXTS, max_size=3), FOLDERS, COUNT,
)  # fmt: skip
ENCODED = st.builds(EncodedImage, st.binary(), COUNT, COUNT, COUNT, TEXT, TEXT, TEXTS, COUNT)
LISTING = st.builds(
    Listing, TEXT, COUNT, COUNT, st.dictionaries(TEXT, COUNT, max_size=3),
    st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=2).map(tuple), COUNT, COUNT,
    COUNT, st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple), FOLDERS,
)  # fmt: skip
PASSED = st.builds(PassedOver, st.dictionaries(TEXT, COUNT, max_size=3), TEXTS)

ELEMENTS = {
    BoundingBox: st.builds(BoundingBox, UNIT, UNIT, UNIT, UNIT),
    ImageRef: REF,
    LabeledImage: IMAGE,
    Reject: REJECT,
    Record: RECORD,
    ShardLayout: LAYOUT,
    ShardReceipt: RECEIPT,
    Labels: LABELS,
    PassedOver: PASSED,
    Span: st.builds(Span, TEXT, TEXT, COUNT, COUNT, TEXT, TEXT, PASSED),
    EncodedImage: ENCODED,
    DecodedImage: st.builds(DecodedImage, IMAGE, ENCODED),
    BoxCounts: st.builds(BoxCounts, COUNT, COUNT, COUNT, COUNT, COUNT),
    Listing: LISTING,
}


def same(value, other):
    assert type(value) is type(other)
    assert value == other
    if isinstance(value, tuple):
        for part, other_part in zip(value, other, strict=True):
            same(part, other_part)


@pytest.mark.parametrize("element_type", ELEMENTS, ids=lambda kind: kind.__name__)
def test_each_element_type_has_a_deterministic_coder_that_survives_pickling(element_type):
    @settings(max_examples=40, deadline=None)
    @given(ELEMENTS[element_type])
    def round_trip(value):
        data = coder.encode(value)
        same(value, coder.decode(data))
        assert travelled.encode(value) == data == coder.encode(coder.decode(data))
        assert travelled.decode(data) == value
        nested = registry.get_coder(beam.typehints.Tuple[element_type, bytes])
        same((value, b"x"), nested.decode(nested.encode((value, b"x"))))

    coder = registry.get_coder(element_type)
    assert coder.is_deterministic()
    assert type(coder).__module__.startswith("imagenet_beam."), coder
    travelled = pickler.loads(pickler.dumps(coder))
    assert type(pickle.loads(pickle.dumps(coder))) is type(coder)  # noqa: S301 - its own bytes
    round_trip()


@settings(max_examples=50, deadline=None)
@given(RECORD | REJECT)
def test_outcomes_keep_their_kind(outcome):
    coder = ElementCoder(Record | Reject)
    same(outcome, coder.decode(coder.encode(outcome)))
    assert coder.is_deterministic()


def test_bytes_stand_unchanged_behind_the_rest():
    ref = ImageRef("a.tar", 512, 4, "a\n.JPEG", data=b"\n\xff\0[")
    encoded = ElementCoder(LabeledImage).encode(LabeledImage(ref, 1, "n1", "tench"))
    head, data = encoded[: -len(ref.data)], encoded[-len(ref.data) :]
    assert head == b'[["a.tar",512,4,"a\\n.JPEG","",-1,"","",4,""],1,"n1","tench",[]]\n'
    assert data == ref.data


class Inner(NamedTuple):
    data: bytes
    more: Mapping[str, tuple[bytes, bool]]


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    either: Inner | int
    ratio: float


@given(
    st.builds(
        Outer,
        st.lists(st.builds(Inner, st.binary(), MORE), max_size=3).map(tuple),
        st.builds(Inner, st.binary(), MORE) | INT,
        UNIT,
    )
)
def test_whatever_elements_may_hold_can_be_nested(value):
    coder = ElementCoder(Outer)
    assert coder.decode(coder.encode(value)) == value


@pytest.mark.parametrize("kind", [list[int], set, Any, tuple[complex, ...], dict[str, int]])
def test_other_types_are_refused_when_the_coder_is_made(kind):
    with pytest.raises(TypeError):
        ElementCoder(kind)


def test_labels_have_one_form_whatever_the_order_they_were_found_in():
    table = ClassTable((ClassInfo("n1", "a"),), 1)
    infos = {"n3": ClassInfo("n3"), "n2": ClassInfo("n2")}
    one = Labels(table, {2: "n1", 1: "n1"}, infos)
    other = Labels(table, {1: "n1", 2: "n1"}, dict(reversed(infos.items())))
    coder = ElementCoder(Labels)
    assert coder.encode(one) == coder.encode(other)


INSIDE_BEAM = re.compile(r"/(KeyWithVoid|CombinePerKey|UnKey|ReshufflePerKey|WaitOn\d+)(/|$)")
"""The void key of a global Combine, panes, WaitOn's dummies."""


@pytest.mark.parametrize("shuffle", ["references", "images"])
def test_no_element_of_the_job_is_pickled(shuffle, clean, tmp_path):
    commands = SentenceParser().add_subparsers()
    flags = [*clean.flags, f"--output_dir={tmp_path}", f"--shuffle={shuffle}", "--train_shards=2"]
    config = config_from_flags(add_convert_parser(commands).parse_args(flags))
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | ConvertImages(config)
    parts = pipeline.to_runner_api().components

    def payloads(coder_id):
        coder = parts.coders[coder_id]
        yield coder.spec.payload
        for part in coder.component_coder_ids:
            yield from payloads(part)

    fallbacks = {
        name
        for transform in parts.transforms.values()
        for name in [transform.unique_name]
        for output in transform.outputs.values()
        for payload in payloads(parts.pcollections[output].coder_id)
        if re.search(rb"FastPrimitivesCoder|PickleCoder|DillCoder|CloudpickleCoder", payload)
        and not transform.subtransforms
    }
    assert {name for name in fallbacks if not INSIDE_BEAM.search(name)} == set()
    assert any(INSIDE_BEAM.search(name) for name in fallbacks), "the search finds something"
