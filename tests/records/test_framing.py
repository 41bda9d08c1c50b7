"""The TFRecord format, byte for byte."""

import io
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.records.framing import (
    framed,
    framed_size_bytes,
    masked_crc32c,
    read_records,
)

# Made by TensorFlow 2.21.0:
#   with tf.io.TFRecordWriter("x") as writer:
#       writer.write(b"123456789"); writer.write(b"")
#   open("x", "rb").read().hex()
GOLDEN = bytes.fromhex(
    "090000000000000037f97139313233343536373839e5b08ac7000000000000000029039807d8ea82a2"
)


def test_bytes_equal_those_of_tensorflow():
    assert b"".join(framed(b"123456789")) + b"".join(framed(b"")) == GOLDEN
    assert list(read_records(io.BytesIO(GOLDEN), "x")) == [b"123456789", b""]


def test_the_check_value_of_crc32c():
    # CRC-32C("123456789") is 0xE3069283 (RFC 3720); masked as in crc32c.h.
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF


@given(st.lists(st.binary(max_size=300)))
def test_what_is_framed_is_read_back(records):
    file = b"".join(itertools.chain.from_iterable(map(framed, records)))
    assert len(file) == sum(framed_size_bytes(len(record)) for record in records)
    assert list(read_records(io.BytesIO(file), "x")) == records


def failure(data: bytes) -> str:
    with pytest.raises(ValueError, match=r"^x: the record at byte") as error:
        list(read_records(io.BytesIO(data), "x"))
    return str(error.value).removeprefix("x: the record at byte ")


@pytest.mark.parametrize("length", range(1, 25))
def test_each_truncation_is_told_with_its_place(length):
    data = b"".join(framed(b"12345678")) + b"".join(framed(b"12345678"))
    assert len(data) == 48
    assert failure(data[:length] if length < 24 else data[:-1]) == (
        "0 is cut short" if length < 24 else "24 is cut short"
    )


@pytest.mark.parametrize(
    ("position", "what"),
    [(0, "a damaged length"), (8, "a damaged length"), (12, "damaged data"), (20, "damaged data")],
)
def test_each_flipped_bit_is_told_with_its_place(position, what):
    data = bytearray(b"".join(framed(b"abcd")) + b"".join(framed(b"12345678")))
    data[20 + position] ^= 1
    assert failure(bytes(data)) == f"20 has {what}"


def test_a_length_that_no_record_has_does_not_take_all_memory():
    length = struct.pack("<Q", 1 << 62)
    data = length + struct.pack("<I", masked_crc32c(length)) + b"abc"
    assert (
        failure(data) == "0 has 4,611,686,018,427,387,904 bytes, and no Example has more than 2 GiB"
    )
