"""Receipts: exact bytes, exact counts, and no trust in what is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.elements import Record, Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import (
    ReceiptBuilder,
    figures_of,
    receipt_from_json,
    receipt_to_json,
    sum_counts,
)
from imagenet_beam.transforms.tally import Tally

REJECT = Reject("a.tar", "x.JPEG", 512, "n1", "truncated", "it ends after 3 bytes", 3)
RECEIPT = ShardReceipt(
    "train-00000-of-00002", 4, 3, 99, 0xABC, (("n1", 1), ("n2", 2)), (("repaired:cmyk", 1),),
    (REJECT,), "plan",
    (("bytes:448", 1), ("height:32", 1), ("image_bytes", 453), ("shape:12", 1), ("width:44", 1)),
    (("repaired:cmyk", 1),),
)  # fmt: skip
JSON = (
    b'{"check":"be6f91ad","class_counts":{"n1":1,"n2":2},"crc32c":"00000abc",'
    b'"figures":{"bytes:448":1,"height:32":1,"image_bytes":453,"shape:12":1,"width:44":1},'
    b'"first_with":{"repaired:cmyk":1},"images":4,'
    b'"name":"train-00000-of-00002","notes":{"repaired:cmyk":1},"plan":"plan","records":3,'
    b'"rejects":[{"archive":"a.tar","detail":"it ends after 3 bytes","filename":"x.JPEG",'
    b'"offset_bytes":512,"reason":"truncated","size_bytes":3,"wnid":"n1"}],"size_bytes":99}\n'
)


def test_a_builder_counts_what_it_is_given():
    builder = ReceiptBuilder()
    builder.add(Record(b"", "n2"))
    builder.add(Record(b"", "n2", ("repaired:cmyk",), 44, 34, 453))
    builder.add(REJECT)
    builder.add(Record(b"", "n1"))
    assert builder.build("train-00000-of-00002", 99, 0xABC, "plan") == RECEIPT


def test_records_without_a_class_are_counted_as_records_only():
    builder = ReceiptBuilder()
    builder.add(Record(b"x"))
    assert builder.build("a", 1, 2, "") == ShardReceipt("a", 1, 1, 1, 2)


def test_the_form_on_disk():
    assert receipt_to_json(RECEIPT) == JSON
    assert receipt_from_json(JSON, "r.json") == RECEIPT


@pytest.mark.parametrize(
    ("size", "figures"),
    [
        ((500, 375, 0), ("width:480", "height:352", "shape:13", "bytes:0")),
        ((1, 16, 1), ("width:1", "height:16", "shape:0", "bytes:1")),
        ((17, 28, 2**20 - 1), ("width:16", "height:28", "shape:6", f"bytes:{15 * 2**16}")),
        ((256, 256, 2**20), ("width:256", "height:256", "shape:10", f"bytes:{2**20}")),
    ],
)
def test_an_image_is_counted_by_size_shape_and_length(size, figures):
    builder = ReceiptBuilder()
    for _ in range(3):
        builder.add(Record(b"", "", (), *size))
    counted = dict.fromkeys(figures, 3) | {"image_bytes": 3 * size[2]}
    assert dict(builder.build("s", 0, 0, "").figures) == counted


def test_figures_of_images_of_other_sizes_are_added_up():
    builder = ReceiptBuilder()
    for size in ((500, 375, 99), (499, 375, 100), (375, 500, 1)):
        builder.add(Record(b"", "", (), *size))
    assert dict(builder.build("s", 0, 0, "").figures) == {
        "width:480": 2, "width:352": 1, "height:352": 2, "height:480": 1, "shape:13": 2,
        "shape:7": 1, "bytes:96": 2, "bytes:1": 1, "image_bytes": 200,
    }  # fmt: skip


@given(st.integers(1, 2**40))
def test_the_classes_of_figures_are_an_eighth_wide_at_most(value):
    low = int(figures_of(value, 1)[0].partition(":")[2])
    assert low <= value < low + max(1, low / 8)


SIZES = st.integers(0, 2**63 - 2)
COUNTS = st.dictionaries(st.text(), SIZES).map(lambda d: tuple(sorted(d.items())))
TEXT = st.text()


@given(st.builds(
    lambda name, records, size, crc, classes, notes, rejects, plan, figures: ShardReceipt(
        name, records + len(rejects), records, size, crc, classes, notes, tuple(rejects), plan,
        figures, notes),
    TEXT, st.integers(0, 10**9), SIZES, st.integers(0, 2**32 - 1), COUNTS, COUNTS,
    st.lists(st.builds(Reject, TEXT, TEXT, SIZES, TEXT, TEXT, TEXT, SIZES)), TEXT, COUNTS,
))  # fmt: skip
def test_every_receipt_is_read_back_from_one_line(receipt):
    data = receipt_to_json(receipt)
    assert data.count(b"\n") == 1
    assert receipt_from_json(data, "r.json") == receipt


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Expecting value"),
        (JSON[:-20], ""),
        (b"\xff\xfe", ""),
        (b"[]", ""),
        (b"null", ""),
        (JSON.replace(b'"plan":"plan"', b'"plan":"plan","extra":1'), "unexpected keyword"),
        (JSON.replace(b'"reason"', b'"cause"'), "it has no rejects[0].reason"),
        (JSON.replace(b'"name"', b'"title"'), "it has no name"),
        (JSON.replace(b'"00000abc"', b'"xyz"'), "invalid literal"),
        (JSON.replace(b'"00000abc"', b"12"), ""),
        (JSON.replace(b'"images":4', b'"images":"4"'), "its images is str, not int"),
        (JSON.replace(b'"size_bytes":99', b'"size_bytes":null'), "its size_bytes is NoneType"),
        (JSON.replace(b'"size_bytes":99', b'"size_bytes":-1'), "its counts are less than nothing"),
        (JSON.replace(b'"images":4', b'"images":4e99'), "its images is float, not int"),
        (JSON.replace(b'"n1":1', b'"n1":true'), "its class_counts.n1 is bool, not int"),
        (JSON.replace(b'"n1":1', b'"n1":1' + b"0" * 30), "its class_counts.n1 is too large"),
        (JSON.replace(b'"n1":1', b'"n1":' + b"1" * 5000), ""),
        (JSON.replace(b'"plan":"plan"', b'"plan":"\\ud800"'), "surrogates not allowed"),
        (JSON.replace(b'"plan":"plan"', b'"plan":' + b"[" * 10**5), "nested too deeply"),
        (JSON.replace(b'"plan":"plan"', b'"plan":NaN'), "NaN is no number"),
        (JSON.replace(b'"notes"', b'"n\\n":{},"notes"').replace(b"{}", b"[[[1]]]"), ""),
        (JSON.replace(b'"images":4', b'"images":5'), "its records and rejects are not its images"),
        (JSON.replace(b'"n1":1', b'"n1":2'), "it was altered: its checksum is not be6f91ad"),
        (JSON.replace(b"00000abc", b"00000abd"), "it was altered: its checksum is not be6f91ad"),
        (JSON.replace(b"{", b"{ ", 1), "it was altered: its checksum is not be6f91ad"),
        (JSON.replace(b'"check":"be6f91ad",', b""), "it was altered: its checksum is not there"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_what_is_no_receipt_is_refused_by_its_path(data, why):
    with pytest.raises(
        InputError, match=r"^out/r\.json is not a receipt of this program \("
    ) as error:
        receipt_from_json(data, "out/r.json")
    assert why in str(error.value)
    assert str(error.value).endswith("; remove it and run again")


def test_sums_are_sorted_by_name():
    total = sum_counts([(("n2", 2), ("n1", 1)), (("n2", 3),), ()])
    assert list(total.items()) == [("n1", 1), ("n2", 5)]


def test_a_tally_is_reset_to_zero():
    tally = Tally(images_listed=1, images=2, rejects=3)
    tally.images += 4
    tally.selected["train"] += 5
    tally.assigning()
    tally.reset()
    assert not any(vars(tally).values())


def test_the_first_bundle_that_goes_to_shards_is_told_once():
    told = []
    tally = Tally(on_assigning=lambda: told.append(1))
    tally.assigning()
    tally.assigning()
    assert (told, tally.is_assigning) == ([1], True)
