"""What travels through the shuffle: packed references, encoded neighbours."""

import apache_beam as beam
import pytest
from apache_beam.pvalue import AsSingleton
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.batches import Columns, ImageBatch, images_of
from imagenet_beam.transforms.coders import ElementCoder
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.encode_images import ImageEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plan_shards import key_of
from imagenet_beam.transforms.records.shard_writer import ShardTarget
from imagenet_beam.transforms.records.shards import cut_shards
from imagenet_beam.transforms.shuffle import CHUNK_BYTES, PackFn, ShardAssigner, chunk_of
from imagenet_beam.transforms.write_shards import WriteShards

COLUMNS = Columns(LabeledImage)


def image(number: int) -> LabeledImage:
    name = f"n01440764_{number}.JPEG"
    ref = ImageRef("/archives/train.tar", number * 512, 300, name, "n01440764")
    return LabeledImage(ref, 1, "n01440764", "tench, Tinca tinca")


@given(st.lists(st.integers(0, 2**40)))
def test_what_is_packed_comes_back_in_order(numbers: list[int]) -> None:
    images = [image(number) for number in numbers]
    assert COLUMNS.decode(COLUMNS.encode(images)) == images


def test_references_of_one_shard_shrink_to_a_fifth() -> None:
    images = [image(number * 7919 % 100_003) for number in range(1000)]
    alone = sum(len(ElementCoder(LabeledImage).encode(one)) for one in images)
    assert len(COLUMNS.encode(images)) < alone / 5


def test_what_is_left_out_comes_back_empty() -> None:
    images = [image(number) for number in range(3)]
    columns = Columns(LabeledImage, ("text", "ref.wnid"))
    packed = columns.encode(images)
    assert columns.decode(packed) == [
        one._replace(text="", ref=one.ref._replace(wnid="")) for one in images
    ]
    assert len(packed) < len(COLUMNS.encode(images))


ENCODER = ImageEncoder()
LAYOUT = cut_shards(b"".join(key_of(image(number), ENCODER, 0) for number in range(50)), 3)


def shard_of(number: int) -> int:
    return LAYOUT.shard_of(key_of(image(number), ENCODER, 0))


@pytest.mark.parametrize("max_values", [1, 7, 1000])
@pytest.mark.parametrize("done", [frozenset[int](), frozenset({1})])
def test_each_value_stays_with_its_shard(max_values: int, done: frozenset[int]) -> None:
    batches = [ImageBatch(tuple(map(image, range(at, at + 10)))) for at in range(0, 50, 10)]
    pack = PackFn(ShardAssigner(ENCODER, done=done, values_of=images_of), COLUMNS, max_values)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        layout = pipeline | "Layout" >> beam.Create([LAYOUT])
        unpacked = (
            pipeline
            | beam.Create(batches)
            | beam.ParDo(pack, AsSingleton(layout)).with_output_types(tuple[int, bytes])
            | beam.FlatMap(lambda packed: [(packed[0], one) for one in COLUMNS.decode(packed[1])])
        )
        expected = [(shard_of(number), image(number)) for number in range(50)]
        assert_that(unpacked, equal_to([one for one in expected if one[0] not in done]))


def test_a_bundle_is_packed_into_one_element_a_shard() -> None:
    fn = PackFn(ShardAssigner(ENCODER), COLUMNS)
    fn.start_bundle()
    for number in range(50):
        assert list(fn.process(image(number), LAYOUT)) == []
    packed = [element.value for element in fn.finish_bundle()]
    assert {shard: len(COLUMNS.decode(data)) for shard, data in packed} == {0: 16, 1: 17, 2: 17}


def test_a_name_that_occurs_twice_is_refused() -> None:
    twice = cut_shards(b"".join(key_of(image(7), ENCODER, 0) for _ in range(2)), 1)
    fn = PackFn(ShardAssigner(ENCODER), COLUMNS)
    fn.start_bundle()
    with pytest.raises(InputError, match=r"two images are called n01440764_7\.JPEG"):
        list(fn.process(image(7), twice))


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


def test_a_way_to_the_values_needs_their_type() -> None:
    layout = beam.Pipeline(runner=FnApiRunner()) | beam.Create([LAYOUT])
    with pytest.raises(TypeError, match="value_type"):
        WriteShards(ShardTarget("x", 1), ENCODER, layout, values_of=images_of)
