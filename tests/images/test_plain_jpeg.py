"""Plain JPEGs through TurboJPEG: they have Pillow's pixels, and the others are left to Pillow."""

import io
import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features
from PIL.JpegImagePlugin import JpegImageFile

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images import plain_jpeg
from imagenet_beam.transforms.images.encode import EncodedImage, encode_image
from imagenet_beam.transforms.images.formats import libjpeg_scale, load_pixels, open_jpeg
from imagenet_beam.transforms.images.jpeg_header import parse_jpeg_header
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.plain_jpeg import decode_plain
from imagenet_beam.transforms.images.resize import Resize

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))

pytestmark = pytest.mark.skipif(
    plain_jpeg.turbojpeg is None or not features.check_feature("libjpeg_turbo"),
    reason="simplejpeg, or a Pillow with TurboJPEG, is not installed",
)


def noisy(mode: str, size: tuple[int, int], **options: object) -> bytes:
    """Every coefficient counts in it, so that another decoder would show."""
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return hard.save(Image.fromarray(pixels).convert(mode), "JPEG", **options)


KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "4:4:4": ("RGB", {"subsampling": "4:4:4"}),
    "4:2:2": ("RGB", {"subsampling": "4:2:2"}),
    "4:2:0": ("RGB", {"subsampling": "4:2:0"}),
    "gray": ("L", {}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive gray": ("L", {"progressive": True, "quality": 100}),
    "restarts": ("RGB", {"restart_marker_blocks": 3}),
    "RGB as stored": ("RGB", {"keep_rgb": True}),
}


@pytest.mark.parametrize("size", [(9, 1), (13, 9), (64, 48), (131, 77)])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_are_pillows(kind: str, scale: int, size: tuple[int, int]) -> None:
    mode, options = KINDS[kind]
    data = noisy(mode, size, **options)
    target = (max(1, size[0] // scale), max(1, size[1] // scale))
    samples = decode_plain(data, parse_jpeg_header(data), target)
    assert samples
    image, box = open_jpeg(data, size, target)
    load_pixels("JPEG", image)
    assert samples.mode == image.mode == mode
    assert samples.size == image.size
    assert samples.box == (box or (0, 0, *size))
    assert samples.data == image.tobytes()


@given(size=st.tuples(*[st.integers(1, 600)] * 2), target=st.tuples(*[st.integers(1, 600)] * 2))
def test_the_scale_is_that_of_pillows_draft(size: tuple[int, int], target: tuple[int, int]) -> None:
    image = JpegImageFile(io.BytesIO(hard.jpeg("L", (8, 8))))
    image._size = size
    image.tile = [image.tile[0]._replace(extents=(0, 0, *size))]
    image.draft(None, target)
    scale = libjpeg_scale(size, target)
    assert image.decoderconfig == (scale, 0)
    assert image.size == (math.ceil(size[0] / scale), math.ceil(size[1] / scale))


def damaged() -> bytes:
    data = bytearray(noisy("RGB", (64, 48)))
    scan = data.index(b"\xff\xda")
    data[scan + 200 : scan + 202] = b"\xff\xd5"  # a restart that libjpeg warns of, and skips
    return bytes(data)


LEFT = {
    "cmyk": hard.cmyk_jpeg,
    "ycck": lambda: hard.ycck_jpeg(None),
    "damaged": damaged,
    "cut off": lambda: noisy("RGB", (64, 48))[:-300] + b"\xff\xd9",
    "arithmetic": lambda: noisy("RGB", (64, 48)).replace(b"\xff\xc0", b"\xff\xc9", 1),
    "12 bit": lambda: hard.jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "tiny": lambda: noisy("RGB", (8, 8)),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_awkward_is_left_to_pillow(kind: str) -> None:
    data = LEFT[kind]()
    assert decode_plain(data, parse_jpeg_header(data), (5, 5)) is None


def test_a_size_that_two_parsers_read_differently_is_left_to_pillow() -> None:
    data = hard.jpeg()
    header = parse_jpeg_header(data)
    assert decode_plain(data, header, (5, 5))
    assert decode_plain(data, header._replace(width=header.width + 1), (5, 5)) is None


def test_images_that_keep_their_size_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("imagenet_beam.transforms.images.encode.decode_plain", never)
    data = hard.jpeg()
    for options in (
        ImageOptions(Resize("none"), output_format="PNG"),
        ImageOptions(Resize("exact", *hard.SIZE)),
    ):
        assert encode_image(data, options).width == hard.SIZE[0]
    with pytest.raises(AssertionError, match="decoded"):
        encode_image(data, ImageOptions(Resize("exact", 5, 5)))


def outcome(data: bytes, options: ImageOptions) -> EncodedImage | str:
    try:
        return encode_image(data, options)
    except ImageRejected as rejected:
        return rejected.reason


SEEDS: list[bytes] = [
    hard.with_orientation(hard.jpeg(), 6),
    hard.jpeg(progressive=True),
    hard.jpeg("L"),
    hard.jpeg(subsampling=2),
    noisy("RGB", (40, 30), restart_marker_blocks=2),
]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4),
    resize=st.sampled_from(["exact:7x5", "shorter:40"]),
)
def test_no_byte_and_no_reject_depends_on_the_decoder(
    seed: bytes, changes: list[tuple[float, int]], resize: str
) -> None:
    data = bytearray(seed)
    for place, value in changes:
        data[int(place**2 * len(data))] = value  # Squared: headers are hit more often.
    options = ImageOptions(Resize.parse(resize), max_pixels=10**6)
    through_turbojpeg = outcome(bytes(data), options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_jpeg, "turbojpeg", None)
        assert outcome(bytes(data), options) == through_turbojpeg
