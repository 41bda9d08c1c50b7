"""Batches: equal images back, little room, bounded lengths, the same steps."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.batches import (
    BATCH_BYTES,
    BATCH_IMAGES,
    BatchCoder,
    BatchImages,
    ImageBatch,
    RefBatch,
    _GatherFn,
    flat_map_images,
    map_images,
)
from imagenet_beam.transforms.elements import BoundingBox, ImageRef, LabeledImage

TEXT = st.text(max_size=9)
NUMBERS = st.integers(-(2**63), 2**63)
REFS = st.builds(
    ImageRef, TEXT, NUMBERS, NUMBERS, TEXT, TEXT, NUMBERS, TEXT, TEXT, st.binary(max_size=9)
)
SIDES = st.floats(0, 1) | st.just(-0.0)
BOXES = st.lists(st.builds(BoundingBox, SIDES, SIDES, SIDES, SIDES), max_size=3).map(tuple)
IMAGES = st.builds(LabeledImage, REFS, NUMBERS, TEXT, TEXT, BOXES)


@given(st.lists(REFS).map(tuple))
def test_references_come_back(refs):
    coder = BatchCoder(RefBatch)
    assert coder.decode(coder.encode(RefBatch(refs))) == RefBatch(refs)


@given(st.lists(IMAGES).map(tuple))
def test_labelled_images_come_back_exactly(images):
    coder = BatchCoder(ImageBatch)
    found = coder.decode(coder.encode(ImageBatch(images)))
    assert repr(found) == repr(ImageBatch(images)), "repr tells -0.0 from 0.0"
    assert {type(image.ref) for image in found.images} <= {ImageRef}


def ref(number: int, data: bytes = b"") -> ImageRef:
    name = f"n{number // 1300:08d}_{number * 7 % 10007}.JPEG"
    return ImageRef(
        "/data/train.tar", number * 110_592, 109_000 + number % 977, name, name[:9], data=data
    )


def test_a_reference_of_a_full_batch_takes_less_than_16_bytes():
    batch = RefBatch(tuple(map(ref, range(BATCH_IMAGES))))
    assert len(BatchCoder(RefBatch).encode(batch)) < 16 * BATCH_IMAGES


@pytest.mark.parametrize(
    ("data_bytes", "lengths"),
    [(0, [BATCH_IMAGES, 904]), (BATCH_BYTES // 4, [4] * 1250), (BATCH_BYTES, [1] * 5000)],
)
def test_a_batch_ends_with_enough_images_or_bytes(data_bytes, lengths):
    data = bytes(data_bytes)
    fn = _GatherFn()
    fn.start_bundle()
    batches = [batch for number in range(5000) for batch in fn.process(ref(number, data))]
    batches += [found.value for found in fn.finish_bundle()]
    assert [len(batch.images) for batch in batches] == lengths
    assert [one.filename for batch in batches for one in batch.images] == [
        ref(number).filename for number in range(5000)
    ]


def test_steps_on_batches_are_the_steps_on_images():
    def labeled(ref, label):
        return LabeledImage(ref, label, ref.wnid, "")

    def are_right(batches):
        assert [len(batch.images) for batch in batches] == [3]
        assert [image.label for batch in batches for image in batch.images] == [7, 7, 7]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | beam.Create([ref(0), ref(1), ref(2), ref(3)]) | BatchImages()
        images = batches | map_images(labeled, 7)
        some = images | "Some" >> flat_map_images(
            lambda image, number: [image] * (image.ref.offset_bytes < number), 3 * 110_592
        )
        none = images | "None" >> flat_map_images(lambda image, side: [], 0)
        assert_that(some, are_right)
        assert_that(none, lambda batches: batches == [] or pytest.fail("an empty batch"), "empty")
