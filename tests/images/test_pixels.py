"""Layouts of raw pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.pixels import PixelLayout, interleave


def test_the_layouts_of_cifar_and_mnist():
    assert PixelLayout.parse("planar:3x32x32") == PixelLayout(channels=3, height=32, width=32)
    assert PixelLayout.parse("gray:28x20") == PixelLayout(channels=1, height=28, width=20)


@pytest.mark.parametrize(
    "text",
    ["", "planar", "planar:3x32", "planar:2x32x32", "gray:0x28", "gray:28x28x1", "gray:28x28 ",
     "rgb:32x32", "gray:999999x1", "gray:-1x4"],
)  # fmt: skip
def test_other_layouts_are_refused(text):
    with pytest.raises(InputError, match="accepted are planar:"):
        PixelLayout.parse(text)


def test_planes_become_samples():
    layout = PixelLayout(channels=3, height=1, width=2)
    assert interleave(b"RrGgBb", layout) == (b"RGBrgb", 2, 1, 3)


def test_one_plane_stays_as_it_is():
    assert interleave(b"abcdef", PixelLayout(1, 2, 3)) == (b"abcdef", 3, 2, 1)


@given(st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9), st.randoms())
def test_samples_are_where_numpy_puts_them(channels, height, width, random):
    layout = PixelLayout(channels, height, width)
    data = random.randbytes(layout.size_bytes)
    planes = np.frombuffer(data, np.uint8).reshape(channels, height, width)
    assert interleave(data, layout).data == planes.transpose(1, 2, 0).tobytes()
    assert PixelLayout.parse(str(layout)) == layout


@pytest.mark.parametrize("size", [0, 11, 13])
def test_bytes_that_are_not_one_image_are_rejected(size):
    with pytest.raises(ImageRejected) as caught:
        interleave(bytes(size), PixelLayout(3, 2, 2))
    assert caught.value.reason == "truncated"
    assert f"{size} bytes" in caught.value.detail
