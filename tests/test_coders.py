"""Coders: what goes in comes out, in one form, and nothing is pickled on the way."""

import pickle

import apache_beam as beam
import pytest
from apache_beam.coders import registry
from apache_beam.internal import pickler
from hypothesis import given, settings
from hypothesis import strategies as st

from imagenet_beam.transforms import coders, image_steps, list_images
from imagenet_beam.transforms.core.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.core.receipts import ShardReceipt
from imagenet_beam.transforms.core.records import (
    BoundingBox,
    ImageRef,
    LabeledImage,
    Record,
    Reject,
)
from imagenet_beam.transforms.core.shards import ShardPlan
from imagenet_beam.transforms.labels import Labels

TEXT = st.text(max_size=20)
INT = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**63 - 1)
UNIT = st.floats(0, 1)
REF = st.builds(ImageRef, TEXT, COUNT, COUNT, TEXT, TEXT, TEXT)
BOXES = st.lists(st.builds(BoundingBox, UNIT, UNIT, UNIT, UNIT), max_size=3).map(tuple)
IMAGE = st.builds(LabeledImage, REF, INT, TEXT, TEXT, BOXES)
REJECT = st.builds(Reject, TEXT, TEXT, COUNT, TEXT, TEXT, TEXT)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
RECORD = st.builds(Record, st.binary(), TEXT, TEXTS)
KEYS = st.lists(st.binary(min_size=16, max_size=16), max_size=4).map(tuple)
COUNTS = st.lists(st.tuples(TEXT, COUNT), max_size=3).map(tuple)
PLAN = st.builds(ShardPlan, COUNT, KEYS, st.lists(COUNT, max_size=4).map(tuple), KEYS)
RECEIPT = st.builds(
    ShardReceipt, TEXT, COUNT, COUNT, COUNT, st.integers(0, 2**32 - 1), COUNTS, COUNTS,
    st.lists(REJECT, max_size=3).map(tuple), TEXT,
)  # fmt: skip
INFO = st.builds(ClassInfo, TEXT, TEXT, COUNT)
CLASSES = st.lists(INFO, max_size=4, unique_by=lambda info: info.wnid).map(tuple)
KNOWN = CLASSES.map(lambda infos: {info.wnid: info for info in infos})
LABELS = st.builds(Labels, CLASSES.map(ClassTable), st.dictionaries(COUNT, TEXT, max_size=3), KNOWN)
ENCODED = st.builds(
    image_steps.EncodedImage, st.binary(), COUNT, COUNT, COUNT, TEXT, TEXT, TEXTS
)  # fmt: skip

ELEMENTS = {
    BoundingBox: st.builds(BoundingBox, UNIT, UNIT, UNIT, UNIT),
    ImageRef: REF,
    LabeledImage: IMAGE,
    Reject: REJECT,
    Record: RECORD,
    ShardPlan: PLAN,
    ShardReceipt: RECEIPT,
    Labels: LABELS,
    list_images.Span: st.builds(list_images.Span, TEXT, TEXT, COUNT, COUNT, TEXT, TEXT),
    list_images.StreamedImage: st.builds(list_images.StreamedImage, REF, st.binary()),
    image_steps.ImageBytes: st.builds(image_steps.ImageBytes, IMAGE, st.binary()),
    image_steps.EncodedImage: ENCODED,
    image_steps.DecodedImage: st.builds(image_steps.DecodedImage, IMAGE, ENCODED),
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
    coder = coders.OutcomeCoder()
    same(outcome, coder.decode(coder.encode(outcome)))
    assert coder.is_deterministic()


def test_labels_have_one_form_whatever_the_order_they_were_found_in():
    table = ClassTable((ClassInfo("n1", "a"),), 1)
    infos = {"n3": ClassInfo("n3"), "n2": ClassInfo("n2")}
    one = Labels(table, {2: "n1", 1: "n1"}, infos)
    other = Labels(table, {1: "n1", 2: "n1"}, dict(reversed(infos.items())))
    coder = coders.LabelsCoder()
    assert coder.encode(one) == coder.encode(other)
