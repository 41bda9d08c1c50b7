"""What is no image, or is a damaged or dangerous one, and options that cannot be right."""

import io
import math
import runpy
import struct
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import REJECT_REASONS, ImageOptions
from imagenet_beam.transforms.images.resize import Resize

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))

KEEP = ImageOptions(Resize("none"))


@pytest.fixture(autouse=True)
def no_warning_leaks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def rejected(data: bytes, options: ImageOptions = KEEP) -> str:
    with pytest.raises(ImageRejected) as caught:
        encode_image(data, options)
    assert caught.value.reason in REJECT_REASONS
    assert caught.value.detail
    return caught.value.reason


def sized_gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF that asks for a canvas for the next frame, as bombs may."""
    data = hard.save(hard.quadrants().quantize(8), "GIF", transparency=1, disposal=2)
    at = data.index(b"!\xf9") + 8
    resized = data[:6] + struct.pack("<HH", *screen) + data[10 : at + 5]
    return resized + struct.pack("<HH", *frame) + data[at + 9 :]


def sized_webp(width: int, height: int) -> bytes:
    data = hard.save(hard.quadrants(), "WEBP")
    at = data.index(b"\x9d\x01\x2a") + 3
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def sized_png(width: int, height: int) -> bytes:
    data = hard.save(hard.quadrants(), "PNG")
    header = hard.png_chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29])
    return data[:8] + header + data[33:]


def sized_jpeg(width: int, height: int) -> bytes:
    data = hard.jpeg()
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def sized_bmp(width: int, height: int) -> bytes:
    data = hard.save(hard.quadrants(), "BMP")
    return data[:18] + struct.pack("<II", width, height) + data[26:]


def bmp_of_colours(colours: int) -> bytes:
    data = hard.save(hard.quadrants().quantize(8), "BMP")
    return data[:46] + struct.pack("<I", colours) + data[50:]


def damaged_png(kind: bytes, at: int) -> bytes:
    """With one bit changed in a chunk: 0 to 3 is its name, what it holds follows."""
    data = bytearray(hard.palette_png(transparency=b"\0\x80"))
    data[data.index(kind) + at] ^= 0x20
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\0" * 600, "not_an_image"),
        (b"<!DOCTYPE html><title>404</title>", "not_an_image"),
        (b"BM is how this text begins", "not_an_image"),
        (b"\x1f\x8b\x08\0" + b"\0" * 99, "gzip"),
        (hard.save(hard.quadrants(), "TIFF"), "unsupported"),
        (b"\0\0\0\x20ftypavif" + b"\0" * 99, "unsupported"),
        (hard.jpeg()[:-1], "truncated"),
        (hard.jpeg()[:-2] + b"\0" * 512, "truncated"),
        (hard.save(hard.quadrants(), "PNG")[:-5], "truncated"),
        (hard.save(hard.quadrants().quantize(8), "GIF")[:-40], "truncated"),
        (hard.save(hard.quadrants(), "WEBP")[:-9], "truncated"),
        (hard.save(hard.quadrants(), "BMP")[:-9], "truncated"),
        (damaged_png(b"IDAT", 34), "corrupt"),
        (damaged_png(b"PLTE", 5), "corrupt"),
        (damaged_png(b"PLTE", 0), "corrupt"),
        (damaged_png(b"tRNS", 1), "corrupt"),
        (sized_png(30_000, 30_000), "too_large"),
        (sized_png(65_501, 1), "too_large"),
        (sized_jpeg(65_000, 65_000), "too_large"),
        (sized_jpeg(65_501, 1), "too_large"),
        (sized_bmp(30_000, 30_000), "too_large"),
        (sized_gif((30_000, 30_000), hard.SIZE), "too_large"),
        (sized_gif(hard.SIZE, (30_000, 30_000)), "too_large"),
        (sized_webp(7_000, 7_000), "too_large"),
        (sized_gif(hard.SIZE, (0, 8)), "corrupt"),
        (bmp_of_colours(300), "corrupt"),
        (hard.jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "unsupported"),
        (hard.jpeg().replace(b"\xff\xc0", b"\xff\xc5"), "unsupported"),
    ],
)
def test_rejects(data: bytes, reason: str) -> None:
    assert rejected(data) == reason
    assert rejected(data, ImageOptions()) == reason


def test_limits_between_pillows_two_stay_quiet() -> None:
    options = ImageOptions(Resize("exact", 8, 8), max_pixels=10**9)
    assert rejected(sized_png(10_000, 10_000), options) == "truncated"
    assert rejected(sized_png(20_000, 20_000), options) == "truncated"


def test_a_second_frame_header_does_not_evade_the_size_check() -> None:
    hidden = b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, 60_000, 60_000, 1, 1, 0x11, 0)
    data = hard.jpeg("L")
    scan = data.index(b"\xff\xda")
    data = data[:scan] + hard.segment(0xF0, hidden) + data[scan:]
    with pytest.raises(ImageRejected, match="frame headers"):
        encode_image(data, ImageOptions())


def test_targets_beyond_the_limits_are_rejected() -> None:
    thin = hard.jpeg("L", (2000, 2))
    assert rejected(thin, ImageOptions()) == "too_large"
    assert rejected(thin, ImageOptions(Resize("exact", 100, 41), max_pixels=4099)) == "too_large"
    assert encode_image(thin, ImageOptions(Resize("exact", 100, 40), max_pixels=4099)).width == 100


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("jpeg_quality", 0, "`image.jpeg_quality`=0"),
        ("jpeg_quality", 101, "`image.jpeg_quality`=101"),
        ("output_format", "GIF", "`image.output_format`=GIF"),
        ("max_pixels", 0, "`image.max_pixels`=0"),
    ],
)
def test_options_validate_themselves(field: str, value: object, flag: str) -> None:
    with pytest.raises(InputError) as caught:
        ImageOptions(**{field: value})
    assert str(caught.value).startswith(f"{flag} ")


SEEDS = {
    "jpeg": hard.with_orientation(hard.jpeg(size=(16, 8)), 6),
    "progressive": hard.jpeg(progressive=True, size=(16, 8)),
    "ycck": hard.ycck_jpeg(None),
    "png": hard.palette_png(transparency=b"\0\x80"),
    "deep": hard.deep_png(1, 700),
    "gif": sized_gif(hard.SIZE, hard.SIZE),
    "webp": hard.save(hard.quadrants("RGBA"), "WEBP", lossless=True),
    "bmp": hard.save(hard.quadrants().quantize(8), "BMP"),
}


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
    options=st.sampled_from(
        [
            ImageOptions(Resize("none"), max_pixels=10**6),
            ImageOptions(Resize("exact", 7, 5), apply_exif_orientation=True, max_pixels=10**6),
            ImageOptions(Resize("shorter", 9, 9), output_format="PNG", max_pixels=10**6),
        ]
    ),
)
def test_any_damage_gives_an_image_or_a_reject(
    seed: str, changes: list[tuple[float, int]], kept: float, options: ImageOptions
) -> None:
    data = bytearray(SEEDS[seed])
    for place, value in changes:
        data[int(place**2 * len(data))] = value  # Squared: headers are hit more often.
    damaged = bytes(data[: math.ceil(kept * len(data))])
    try:
        encoded = encode_image(damaged, options)
    except ImageRejected as reject:
        assert reject.reason in REJECT_REASONS
    else:
        if encoded.data != damaged:
            Image.open(io.BytesIO(encoded.data)).load()
