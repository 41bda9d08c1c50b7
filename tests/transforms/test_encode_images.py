"""From labelled images to records: the encoders, and the same as steps."""

import io
from dataclasses import replace

import apache_beam as beam
import pytest
from apache_beam.coders import StrUtf8Coder
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from PIL import Image

from imagenet_beam.transforms.archives.zip import ZipEntry
from imagenet_beam.transforms.elements import ImageRef, LabeledImage, Record, Reject
from imagenet_beam.transforms.encode_images import (
    DecodeAndResize,
    ExampleEncoder,
    ImageEncoder,
    ReadImages,
    ToExample,
    reject,
)
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.filter import filter_name
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.records.example import parse_example


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 32), (10, 200, 30)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def image(tmp_path):
    data = jpeg()
    (tmp_path / "a.tar").write_bytes(b"?" * 100 + data + b"?" * 100)
    ref = ImageRef(f"{tmp_path}/a.tar", 100, len(data), "n01440764_1.JPEG", "n01440764")
    return LabeledImage(ref, 1, "n01440764", "tench")


def test_an_image_is_read_from_its_range_and_becomes_its_example(image):
    encoder = ImageEncoder(ImageOptions(resize=Resize.parse("none")))
    assert encoder.name(image) == "n01440764_1.JPEG"
    assert encoder.size_bytes(image) == len(jpeg())
    data = encoder.load(image)
    assert data == jpeg()
    record = encoder.finish(image, data)
    assert (record.wnid, record.notes) == ("n01440764", ())
    example = parse_example(record.data)
    assert example["image/encoded"] == [jpeg()]
    assert (example["image/height"], example["image/width"]) == ([32], [64])
    assert example["image/class/label"] == [1]


def test_the_options_decide_the_size(image):
    record = ImageEncoder(ImageOptions(resize=Resize.parse("shorter:16"))).finish(image, jpeg())
    assert parse_example(record.data)["image/width"] == [32]


def test_raw_pixels_are_laid_out_as_the_reference_says(image):
    ref = image.ref._replace(pixels="planar:3x1x2")
    encoder = ImageEncoder(ImageOptions(resize=Resize.parse("none")))
    record = encoder.finish(image._replace(ref=ref), bytes([1, 2, 3, 4, 5, 6]))
    example = parse_example(record.data)
    assert (example["image/height"], example["image/width"]) == ([1], [2])


def test_what_is_no_image_is_a_reject_that_says_where(image):
    ref = image.ref._replace(archive="gs://bucket/a.tar#123")
    rejected = ImageEncoder().finish(image._replace(ref=ref), b"not an image")
    assert isinstance(rejected, Reject)
    assert rejected[:4] == ("gs://bucket/a.tar", "n01440764_1.JPEG", 100, "n01440764")
    assert rejected.reason
    assert rejected.detail


def test_a_reject_has_the_reason_and_the_detail(image):
    size_bytes = image.ref.size_bytes
    assert reject(image, ImageRejected("empty", "0 bytes"))[4:] == ("empty", "0 bytes", size_bytes)


def test_a_missing_archive_is_no_reject_but_fails_the_job(image, tmp_path):
    (tmp_path / "a.tar").unlink()
    with pytest.raises(InputError, match=r"a\.tar does not exist"):
        ImageEncoder().load(image)


def test_a_worker_with_other_libraries_refuses_to_begin():
    encoder = ImageEncoder()
    encoder.check()
    other = replace(encoder, versions=(("pillow", "0.1"),))
    with pytest.raises(InputError, match=r"the launcher has pillow 0\.1: they would write"):
        other.check()


def test_a_worker_with_another_filter_refuses_to_begin(monkeypatch):
    used, encoder = filter_name(), ImageEncoder()
    monkeypatch.setattr("imagenet_beam.transforms.images.options.filter_name", lambda: "other 1.0")
    with pytest.raises(InputError, match=r"this worker has filter other 1\.0, .*") as refused:
        encoder.check()
    assert f"the launcher has filter {used}, " in str(refused.value)


def test_an_unknown_schema_is_refused_when_the_encoder_is_made():
    with pytest.raises(InputError, match=r"^`schema`=x is not known"):
        ImageEncoder(schema="x")


@pytest.mark.parametrize(
    ("value", "name", "record"),
    [
        (("a", b"data"), "a", Record(b"data")),
        (("a", Record(b"data", "n1", ("note",))), "a", Record(b"data", "n1", ("note",))),
        ("é", "", Record("é".encode())),
    ],
)
def test_elements_that_are_records_already(value, name, record):
    encoder = ExampleEncoder(StrUtf8Coder())
    encoder.check()
    assert encoder.name(value) == name
    assert encoder.finish(value, encoder.load(value)) == record
    assert encoder.size_bytes(value) == 0


def test_bytes_that_came_along_are_not_read_again(image, tmp_path):
    (tmp_path / "a.tar").unlink()
    carried = image._replace(ref=image.ref._replace(data=jpeg()))
    assert ImageEncoder().load(carried) == jpeg()
    empty = image._replace(ref=image.ref._replace(size_bytes=0))
    encoder = ImageEncoder(takes_references=False)
    assert encoder.finish(empty, encoder.load(empty)).reason == "empty"


def test_the_steps_make_the_record_that_the_encoder_makes(image, tmp_path):
    broken = image._replace(ref=image.ref._replace(offset_bytes=0, size_bytes=50, filename="b"))

    def is_read(images):
        assert sorted(image.ref.data for image in images) == [b"?" * 50, jpeg()]

    def drops_the_original(images):
        assert [decoded.labeled for decoded in images] == [image]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | beam.Create([image, broken]) | ReadImages()
        assert_that(read, is_read, "Read")
        decoded = read | DecodeAndResize()
        assert_that(decoded.images, drops_the_original, "Decoded")
        rejected = decoded.rejects | beam.Map(lambda reject: (reject.filename, reject.reason))
        assert_that(rejected, equal_to([("b", "not_an_image")]), "Rejects")
        record = ImageEncoder().finish(image, jpeg())
        assert_that(decoded.images | ToExample(), equal_to([(image.ref.filename, record)]))


def test_features_of_ones_own_stand_beside_those_of_the_schema(image):
    def extra(labeled, encoded):
        return {"ratio": encoded.width / encoded.height, "image/filename": labeled.wnid}

    def has_both(pairs):
        [(name, record)] = pairs
        example = parse_example(record.data)
        assert (name, record.wnid) == ("n01440764_1.JPEG", "n01440764")
        assert example["ratio"] == [2.0]
        assert example["image/filename"] == [b"n01440764"]
        assert example["image/class/label"] == [1]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        decoded = pipeline | beam.Create([image]) | ReadImages() | DecodeAndResize()
        assert_that(decoded.images | ToExample(extra=extra), has_both)


def test_an_image_that_was_not_read_is_a_mistake_and_no_reject(image):
    for ref in (image.ref, image.ref._replace(pixels="planar:3x1x2")):
        with (
            pytest.raises(TypeError, match=r"_1\.JPEG comes without its bytes; read it with Read"),
            beam.Pipeline(runner=FnApiRunner()) as pipeline,
        ):
            _ = pipeline | beam.Create([image._replace(ref=ref)]) | DecodeAndResize()
    too_large = image._replace(ref=image.ref._replace(size_bytes=1 << 40))
    empty = image._replace(ref=image.ref._replace(size_bytes=0))
    hollow = image._replace(ref=image.ref._replace(zip_entry=str(ZipEntry(8, 0, 50, 7, 0))))
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        images = pipeline | beam.Create([too_large, empty, hollow])
        reasons = (images | DecodeAndResize()).rejects | beam.Map(lambda reject: reject.reason)
        assert_that(reasons, equal_to(["too_large", "empty", "damaged_zip_member"]))
