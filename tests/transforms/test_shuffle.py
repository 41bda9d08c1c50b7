"""What travels through the shuffle: packed references, encoded neighbours."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.batches import Columns
from imagenet_beam.transforms.coders import ElementCoder
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.shuffle import CHUNK_BYTES, PackFn, chunk_of

COLUMNS = Columns(LabeledImage)


def image(number: int) -> LabeledImage:
    name = f"n01440764_{number}.JPEG"
    ref = ImageRef("/archives/train.tar", number * 512, 300, name, "n01440764")
    return LabeledImage(ref, 1, "n01440764", "tench, Tinca tinca")


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


@given(st.lists(st.integers(0, 2**40)))
def test_what_is_packed_comes_back_in_order(numbers: list[int]) -> None:
    images = [image(number) for number in numbers]
    assert COLUMNS.decode(COLUMNS.encode(images)) == images


def test_references_of_one_shard_shrink_to_a_fifth() -> None:
    images = [image(number * 7919 % 100_003) for number in range(1000)]
    alone = sum(len(ElementCoder(LabeledImage).encode(one)) for one in images)
    assert len(COLUMNS.encode(images)) < alone / 5


@pytest.mark.parametrize("max_values", [1, 7, 1000])
def test_each_value_stays_with_its_shard(max_values: int) -> None:
    elements = [(number % 3, (key(number), image(number))) for number in range(50)]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        unpacked = (
            pipeline
            | beam.Create(elements)
            | beam.ParDo(PackFn(COLUMNS, max_values=max_values)).with_output_types(
                tuple[int, bytes]
            )
            | beam.FlatMap(lambda packed: [(packed[0], one) for one in COLUMNS.decode(packed[1])])
        )
        assert_that(unpacked, equal_to([(shard, one) for shard, (_, one) in elements]))


def test_a_bundle_is_packed_into_one_element_a_shard() -> None:
    fn = PackFn(COLUMNS)
    fn.start_bundle()
    for number in range(40):
        assert list(fn.process((number % 4, (key(number), image(number))))) == []
    packed = [element.value for element in fn.finish_bundle()]
    assert sorted(shard for shard, _ in packed) == [0, 1, 2, 3]
    assert [len(COLUMNS.decode(data)) for _, data in packed] == [10] * 4


def test_neighbours_in_an_archive_are_encoded_together() -> None:
    def chunk(archive: str, offset_bytes: int, data: bytes) -> bytes:
        ref = ImageRef(archive, offset_bytes, 9, "a.JPEG", data=data)
        return chunk_of((0, (b"key", LabeledImage(ref, 1, "", ""))))

    for data in (b"x", b""):
        first = chunk("a.tar", 512, data)
        assert chunk("a.tar", CHUNK_BYTES - 1, data) == first
        assert chunk("a.tar", CHUNK_BYTES, data) != first
        assert chunk("b.tar", 512, data) != first
    assert chunk_of((0, (b"key", b"plain"))) == b"k"
