"""The last step from element to record."""

import io
from dataclasses import replace

import pytest
from apache_beam.coders import StrUtf8Coder
from PIL import Image

from imagenet_beam.transforms.elements import ImageRef, LabeledImage, Record, Reject
from imagenet_beam.transforms.encoders import ExampleEncoder, ImageEncoder, reject
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.encode import ImageOptions
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
    ref = image.ref._replace(encoding="planar:3x1x2")
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
    assert reject(image, ImageRejected("empty", "0 bytes"))[4:] == ("empty", "0 bytes")


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
