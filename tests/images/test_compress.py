"""How JPEGs are encoded: outside the interpreter's lock, and nothing of one in another."""

import io
import os

import pytest
from PIL import Image

from imagenet_beam.transforms.images import compress
from imagenet_beam.transforms.images.compress import compressed
from imagenet_beam.transforms.images.options import ImageOptions

OPTIONS = ImageOptions()


@pytest.fixture(autouse=True)
def nothing_kept():
    compress._kept.__dict__.clear()
    yield
    compress._kept.__dict__.clear()


def noise(side):
    return Image.effect_noise((side, side), 90).convert("RGB")


def plainly(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=OPTIONS.jpeg_quality, subsampling="4:2:0")
    return buffer.getvalue()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs files in memory")
def test_pillow_is_given_a_file_of_the_systems(monkeypatch):
    """Only into one with a descriptor does Pillow encode without the interpreter's lock."""
    given = []
    save = Image.Image.save

    def note(image, file, *args, **kwargs):
        given.append(file.fileno())
        save(image, file, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", note)
    compressed(noise(16), OPTIONS)
    assert len(given) == 1


def test_of_a_larger_image_before_nothing_stays():
    large, small = noise(300), noise(20)
    for image in (large, small, large):
        assert compressed(image, OPTIONS) == plainly(image)


def test_a_large_file_is_not_kept(monkeypatch):
    monkeypatch.setattr(compress, "_KEPT_BYTES", 1000)
    assert compressed(noise(300), OPTIONS)
    assert not hasattr(compress._kept, "memory")
    image = noise(20)
    assert compressed(image, OPTIONS) == plainly(image)


def test_an_image_that_failed_leaves_nothing_behind(monkeypatch):
    image = noise(20)
    expected = plainly(image)

    def fail(image, file, *args, **kwargs):
        file.write(b"half an image")
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", fail)
        with pytest.raises(OSError, match="no space"):
            compressed(image, OPTIONS)
    assert compressed(image, OPTIONS) == expected


def test_another_process_has_a_file_of_its_own(monkeypatch):
    image = noise(20)
    compressed(image, OPTIONS)
    ours = compress._kept.memory
    monkeypatch.setattr(os, "getpid", lambda: -1)
    compressed(image, OPTIONS)
    assert compress._kept.memory is not ours


def test_where_there_are_no_such_files_the_bytes_are_the_same(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    image = noise(20)
    assert compressed(image, OPTIONS) == plainly(image)
