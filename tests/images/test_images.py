"""From image files and raw pixels to the image bytes of a record."""

import dataclasses
import io
import math
import runpy
import subprocess
import sys
import tarfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images import modes as image_modes
from imagenet_beam.transforms.images.encode import EncodedImage, encode_image, encode_pixels
from imagenet_beam.transforms.images.options import ImageOptions, libraries
from imagenet_beam.transforms.images.resize import Resize

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))

KEEP = ImageOptions(Resize("none"))
LOSSLESS = ImageOptions(Resize("none"), output_format="PNG")
COLOURS = [hard.RED, hard.GREEN, hard.BLUE, hard.ORANGE]
SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "ilsvrc_sample"


@pytest.fixture(autouse=True)
def no_warning_leaks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def decoded(encoded: EncodedImage) -> Image.Image:
    """The picture, after a check that the record's facts are the picture's."""
    image = Image.open(io.BytesIO(encoded.data))
    assert image.format == encoded.format
    assert image.size == (encoded.width, encoded.height)
    expected = {"RGB": ("RGB", 3), "L": ("Grayscale", 1)}
    assert (encoded.colorspace, encoded.channels) == expected[image.mode]
    return image


def psnr(first: Image.Image, second: Image.Image) -> float:
    error = np.mean((np.asarray(first, float) - np.asarray(second, float)) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


@pytest.mark.parametrize(
    ("data", "channels"),
    [
        (hard.jpeg(), 3),
        (hard.jpeg("L"), 1),
        (hard.jpeg(progressive=True), 3),
        (hard.jpeg(subsampling="4:2:0"), 3),
        (hard.jpeg() + b"\0" * 99, 3),
    ],
)
def test_none_keeps_sound_bytes(data: bytes, channels: int) -> None:
    encoded = encode_image(data, KEEP)
    assert encoded.data == data
    assert encoded.channels == channels
    assert encoded.notes == ()
    decoded(encoded)


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (hard.cmyk_jpeg(), ("repaired:cmyk",)),
        (hard.cmyk_jpeg(None), ("repaired:cmyk_unmarked",)),
        (hard.ycck_jpeg(), ("repaired:ycck",)),
        (hard.ycck_jpeg(subsampled=False), ("repaired:ycck",)),
        (hard.ycck_jpeg(None), ("repaired:ycck_unmarked",)),
        (hard.save(hard.quadrants("CMYK"), "JPEG", quality=95), ("repaired:cmyk",)),
        (hard.save(hard.quadrants(), "PNG"), ("repaired:png",)),
        (hard.save(hard.quadrants("RGBA"), "PNG"), ("repaired:png", "repaired:alpha")),
        (hard.palette_png(), ("repaired:png", "repaired:palette")),
        (hard.save(hard.quadrants().quantize(8), "GIF"), ("repaired:gif", "repaired:palette")),
        (hard.save(hard.quadrants(), "WEBP", lossless=True), ("repaired:webp",)),
        (hard.save(hard.quadrants(), "BMP"), ("repaired:bmp",)),
    ],
)
@pytest.mark.usefixtures("each_kind")
def test_colours_survive_repair(data: bytes, notes: tuple[str, ...]) -> None:
    for options in (KEEP, ImageOptions(Resize("exact", 24, 16)), ImageOptions()):
        encoded = encode_image(data, options)
        found = hard.quadrant_colours(decoded(encoded))
        np.testing.assert_allclose(found, COLOURS, atol=6)
        assert encoded.notes == notes
        assert encoded.format == "JPEG"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("value", "expected"), [(0, 0), (255, 0), (0x8040, 0x80), (65535, 255)])
def test_sixteen_bits_are_scaled_not_clipped(channels: int, value: int, expected: int) -> None:
    encoded = encode_image(hard.deep_png(channels, value), LOSSLESS)
    assert encoded.channels == channels
    assert decoded(encoded).getpixel((0, 0)) == (expected if channels == 1 else (expected,) * 3)


def test_alpha_lies_on_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(200, 0, 0, 255), (200, 0, 0, 0), (200, 0, 0, 128)])
    flat = decoded(encode_image(hard.save(image, "PNG"), LOSSLESS))
    assert [flat.getpixel((x, 0)) for x in range(3)] == [
        (200, 0, 0),
        (255, 255, 255),
        (227, 127, 127),
    ]


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (Image.new("LA", (2, 2), (90, 0)), {}, 255),
        (Image.new("L", (2, 2), 90), {"transparency": 90}, 255),
        (Image.new("L", (2, 2), 90), {"transparency": 91}, 90),
        (Image.new("1", (2, 2), 1), {}, 255),
        (Image.new("RGB", (2, 2), (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        (hard.quadrants().quantize(4), {"transparency": bytes(4)}, (255, 255, 255)),
    ],
)
def test_modes_of_png(image: Image.Image, options: dict, expected: object) -> None:
    encoded = encode_image(hard.save(image, "PNG", **options), LOSSLESS)
    assert decoded(encoded).getpixel((1, 1)) == expected
    assert "repaired:png" not in encoded.notes


def test_chunks_that_warn_or_burst_are_left_out() -> None:
    data = hard.save(hard.quadrants(), "PNG")
    odd = (
        hard.png_chunk(b"acTL", bytes(8))
        + hard.png_chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(2**26), 1))
        + hard.png_chunk(b"iCCP", b"bad\0\0junk")
    )
    assert encode_image(data[:33] + odd + data[33:], KEEP) == encode_image(data, KEEP)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP"])
def test_first_frame_of_animations(image_format: str) -> None:
    frames = [Image.new("RGB", hard.SIZE, colour) for colour in (hard.BLUE, hard.RED)]
    data = hard.save(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert (
        hard.quadrant_colours(decoded(encode_image(data, LOSSLESS)))
        == [pytest.approx(hard.BLUE, abs=3)] * 4
    )


SEEN = {  # Which quadrants are seen at top left, top right, bottom left, bottom right.
    1: "RGBO", 2: "GROB", 3: "OBGR", 4: "BORG", 5: "RBGO", 6: "BROG", 7: "OGBR", 8: "GORB",
}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", ["none", "shorter:16", "exact:20x60"])
@pytest.mark.usefixtures("each_kind")
def test_orientation_is_applied_only_on_demand(orientation: int, resize: str) -> None:
    data = hard.with_orientation(hard.jpeg(), orientation)
    options = ImageOptions(Resize.parse(resize))
    notes = () if orientation == 1 else (f"orientation:{orientation}",)
    stored = encode_image(data, options)
    np.testing.assert_allclose(hard.quadrant_colours(decoded(stored)), COLOURS, atol=6)
    assert stored.notes == notes

    turned = encode_image(data, dataclasses.replace(options, apply_exif_orientation=True))
    colours = dict(zip("RGBO", COLOURS, strict=True))
    expected = [colours[name] for name in SEEN[orientation]]
    np.testing.assert_allclose(hard.quadrant_colours(decoded(turned)), expected, atol=6)
    sides = hard.SIZE if orientation < 5 else hard.SIZE[::-1]
    assert (turned.width, turned.height) == options.resize.target_size(*sides)
    assert (turned.data == data) == (resize == "none" and orientation == 1)
    assert turned.notes == notes


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1"])
def test_strips_on_white_equal_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (37, 23, 4), np.uint8), "RGBA")
    tag = {"P": bytes(range(0, 256, 32)), "L": 7, "RGB": (1, 2, 3), "1": 0}.get(mode)
    picture = picture.quantize(8) if mode == "P" else picture.convert(mode)
    data = hard.save(picture, "PNG", **({} if tag is None else {"transparency": tag}))
    whole = encode_image(data, LOSSLESS)
    assert whole.notes == ("repaired:alpha",)
    monkeypatch.setattr(image_modes, "_STRIP_PIXELS", 100)
    assert encode_image(data, LOSSLESS) == whole


def test_orientation_of_png() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = hard.save(hard.quadrants(), "PNG", exif=exif)
    options = dataclasses.replace(LOSSLESS, apply_exif_orientation=True)
    assert encode_image(data, LOSSLESS).notes == ("orientation:6",)
    assert decoded(encode_image(data, options)).size == hard.SIZE[::-1]


@pytest.mark.parametrize(
    "exif", [b"", b"junk", hard.exif_block(6)[:18], b"II*\0\x08\0\0\0\xff\xff"]
)
def test_corrupt_exif_is_noted(exif: bytes) -> None:
    data = hard.with_segment(hard.jpeg(), 0xE1, b"Exif\0\0" + exif)
    for options in (KEEP, ImageOptions(apply_exif_orientation=True)):
        assert encode_image(data, options).notes == ("exif:corrupt",)


def test_no_metadata_is_carried_over() -> None:
    image = hard.quadrants()
    image.info["comment"] = b"secret"
    data = hard.save(image, "JPEG", icc_profile=b"secret" * 9, comment=b"secret")
    assert data.count(b"secret") == 10
    for options in (ImageOptions(), LOSSLESS):
        assert b"secret" not in encode_image(data, options).data


def photograph(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Smooth shapes with some texture: as much detail as a photograph has."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    waves = [np.sin(x / (9 + 5 * c)) * np.cos(y / (7 + 3 * c)) for c in range(3)]
    noise = np.random.default_rng(1).normal(0, 4, (size[1], size[0], 3))
    return Image.fromarray(np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype("uint8"))


@pytest.mark.parametrize("side", [480, 300, 240, 239, 201, 120, 100, 61, 20])
def test_resizing_equals_the_full_path(side: int, each_kind: str) -> None:
    data = hard.save(photograph((641, 481)), "JPEG", quality=95)
    options = ImageOptions(Resize("shorter", side, side), output_format="PNG")
    target = options.resize.target_size(641, 481)
    full = Image.open(io.BytesIO(data)).convert("RGB").resize(target, Image.Resampling.BICUBIC)
    difference = psnr(decoded(encode_image(data, options)), full)
    assert difference > 36
    # From one half on libjpeg does the first part, and pixels differ a little.
    exact = math.inf if each_kind == "pillow" else 54
    assert (difference >= exact) == (side > 240)


@pytest.mark.usefixtures("each_kind")
def test_resizing_is_antialiased() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], "uint8"), (64, 64)))
    options = ImageOptions(Resize("exact", 16, 16), output_format="PNG")
    shrunk = np.asarray(decoded(encode_image(hard.save(stripes, "PNG"), options)))
    assert shrunk.min() > 100
    assert shrunk.max() < 155


def test_quality_and_format_take_effect() -> None:
    data = hard.save(photograph(), "JPEG", quality=98)
    sizes = [len(encode_image(data, ImageOptions(jpeg_quality=q)).data) for q in (10, 50, 95, 100)]
    assert sizes == sorted(set(sizes))
    encoded, expected = encode_image(data, ImageOptions()).data, hard.jpeg(quality=95)
    tables = [JpegImageFile(io.BytesIO(jpeg)).quantization for jpeg in (encoded, expected)]
    assert tables[0] == tables[1]
    assert encode_image(data, LOSSLESS).data.startswith(b"\x89PNG")


@pytest.mark.usefixtures("each_kind")
def test_raw_pixels_are_kept_exactly() -> None:
    pixels = bytes(range(2 * 3 * 3))
    encoded = encode_pixels(pixels, 3, 2, 3, LOSSLESS)
    assert decoded(encoded).tobytes() == pixels
    assert (encoded.height, encoded.width, encoded.notes) == (2, 3, ())
    assert encoded == encode_pixels(pixels, 3, 2, 3, LOSSLESS)
    gray = encode_pixels(pixels, 3, 6, 1, LOSSLESS)
    assert decoded(gray).tobytes() == pixels
    enlarged = encode_pixels(pixels, 3, 2, 3, ImageOptions(Resize("shorter", 8, 8)))
    assert decoded(enlarged).size == (12, 8)


@pytest.mark.parametrize(("size", "reason"), [(17, "truncated"), (19, "corrupt")])
def test_raw_pixels_of_the_wrong_size(size: int, reason: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        encode_pixels(bytes(size), 3, 2, 3, LOSSLESS)
    assert caught.value.reason == reason


@pytest.mark.usefixtures("each_kind")
def test_threads_agree_with_one_thread() -> None:
    images = [hard.save(photograph((300 + n, 200)), "JPEG") for n in range(8)] * 4
    images += [hard.ycck_jpeg(None), hard.palette_png(), hard.deep_png(1, 700)] * 4
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: encode_image(data, ImageOptions()), images))
    assert together == [encode_image(data, ImageOptions()) for data in images]


def test_importing_changes_nothing_of_pillows() -> None:
    code = (
        "from PIL import Image, ImageFile, PngImagePlugin as p, GifImagePlugin as g\n"
        "state = lambda: (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES,"
        " ImageFile.MAXBLOCK, p.MAX_TEXT_CHUNK, g.LOADING_STRATEGY)\n"
        "before = state()\n"
        "import imagenet_beam.transforms.images.encode as images\n"
        f"images.encode_image({hard.jpeg()!r}, images.ImageOptions())\n"
        "assert state() == before\n"
        "import sys; assert not {'tensorflow', 'apache_beam', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_libraries_name_what_decides_pixels() -> None:
    found = libraries()
    assert list(found) == ["pillow", "libjpeg", "zlib", "libwebp", "filter", "jpeg_decoder"]
    assert all(any(c.isdigit() for c in version) for version in found.values())


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample of photographs is not here")
@pytest.mark.usefixtures("each_kind")
def test_photographs() -> None:
    with tarfile.open(SAMPLE / "ILSVRC2012_img_val.tar") as archive:
        files = [archive.extractfile(member).read() for member in archive.getmembers()[:40]]
    for data in files:
        original = Image.open(io.BytesIO(data))
        assert encode_image(data, KEEP)[:3] == (data, original.height, original.width)
        resized = encode_image(data, ImageOptions())
        assert min(resized.width, resized.height) == 256
        full = original.convert("RGB").resize((resized.width, resized.height))
        assert psnr(decoded(resized), full) > 25
