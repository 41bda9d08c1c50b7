"""Which record lands in which shard: known answers, and what holds for any keys."""

import itertools

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.records.shards import (
    KEY_BYTES,
    ShardLayout,
    cut_shards,
    fingerprint,
    shard_name,
)

NAMES = [f"n01440764_{number}.JPEG" for number in range(10)]


def test_known_keys():
    # hashlib.blake2b(name, digest_size=16, salt=seed as 16 little-endian bytes).hexdigest()
    assert fingerprint("n01440764_10026.JPEG", 0).hex() == "9e4edec37444b27448f3027879a97bb9"
    assert fingerprint("n01440764_10026.JPEG", 1).hex() == "901135f44e59e7b62941489b8bd2834d"
    assert fingerprint("n01440764_10026.JPEG", -1).hex() == "6e751d1c1bcc76dd128a89c87d519251"
    assert fingerprint("狗.JPEG", 0).hex() == "818794e4973ceaa31627109732b3286e"


def test_known_assignment():
    plan = cut_shards(b"".join(fingerprint(name, 0) for name in NAMES), 3)
    assert plan.counts == (3, 3, 4)
    assert [plan.shard_of(fingerprint(name, 0)) for name in NAMES] == [2, 0, 1, 0, 1, 2, 1, 2, 2, 0]
    other = cut_shards(b"".join(fingerprint(name, 1) for name in NAMES), 3)
    assert [other.shard_of(fingerprint(name, 1)) for name in NAMES] == [
        1,
        0,
        2,
        2,
        1,
        2,
        1,
        0,
        2,
        0,
    ]


BYTE = st.sampled_from([0, 1, 127, 128, 255])
KEYS = st.lists(BYTE, min_size=KEY_BYTES, max_size=KEY_BYTES).map(bytes)
SHORT_KEYS = st.integers(0, 300).map(lambda n: n.to_bytes(2, "big") + bytes(KEY_BYTES - 2))


@given(st.sets(KEYS | SHORT_KEYS | st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)),
       st.integers(1, 12))  # fmt: skip
def test_shards_in_a_row_are_the_sorted_keys_and_equally_long(keys, num_shards):
    plan = cut_shards(b"".join(keys), num_shards)
    ordered = sorted(keys)
    shards = [plan.shard_of(key) for key in ordered]
    assert shards == sorted(shards)
    counts = [shards.count(shard) for shard in range(num_shards)]
    assert list(plan.counts) == counts
    assert sum(counts) == len(keys)
    if len(keys) >= num_shards:
        assert max(counts) - min(counts) <= 1
    assert (plan.num_shards, plan.duplicates) == (num_shards, ())


@given(st.lists(SHORT_KEYS, max_size=60), st.integers(1, 12))
def test_equal_keys_stay_together_and_are_told(keys, num_shards):
    plan = cut_shards(b"".join(keys), num_shards)
    shards = [plan.shard_of(key) for key in keys]
    assert list(plan.counts) == [shards.count(shard) for shard in range(num_shards)]
    repeated = {key for key in keys if keys.count(key) > 1}
    assert set(plan.duplicates) <= repeated
    assert bool(plan.duplicates) == bool(repeated)


def test_the_order_of_the_input_does_not_matter():
    keys = [fingerprint(name, 0) for name in NAMES[:4]]
    plans = {cut_shards(b"".join(order), 2) for order in itertools.permutations(keys)}
    assert len(plans) == 1


def test_keys_that_end_in_zero_bytes_keep_their_length():
    keys = [bytes([first]) + bytes(15) for first in (1, 1, 2, 3)]
    plan = cut_shards(b"".join(keys), 2)
    assert plan == ShardLayout(2, (keys[2],), (2, 2), (keys[0],))


def test_more_shards_than_keys_leave_some_empty():
    key = fingerprint("x", 0)
    plan = cut_shards(key, 3)
    assert sorted(plan.counts) == [0, 0, 1]
    assert plan.counts[plan.shard_of(key)] == 1
    assert cut_shards(b"", 2).counts == (0, 0)


def test_up_to_ten_duplicates_are_told():
    keys = [bytes([number]) * KEY_BYTES for number in range(20)]
    assert cut_shards(b"".join(keys * 2), 1).duplicates == tuple(keys[:10])
    assert cut_shards(b"".join([keys[0]] * 30 + [keys[1]] * 2), 1).duplicates == tuple(keys[:2])


@pytest.mark.parametrize("num_shards", [1, 3])
def test_names_equal_those_of_beams_writer(tmp_path, num_shards):
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    prefix = str(tmp_path / "train")
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        written = pipeline | beam.Create([b"x"]) | beam.Reshuffle()
        written | beam.io.WriteToTFRecord(prefix, num_shards=num_shards, file_name_suffix=".tfr")
    expected = [shard_name("train", shard, num_shards, ".tfr") for shard in range(num_shards)]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    assert shard_name("p/train", 7, 1024) == "p/train-00007-of-01024"
