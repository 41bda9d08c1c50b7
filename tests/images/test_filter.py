"""The filter that resizes: its two libraries, and what they have to agree on."""

import io
import math
import re
import runpy
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagenet_beam.transforms.images import filter as image_filter
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.filter import filter_name, resized
from imagenet_beam.transforms.images.options import ImageOptions, libraries
from imagenet_beam.transforms.images.plain_jpeg import decoder_name
from imagenet_beam.transforms.images.resize import Resize

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))
SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "ilsvrc_sample"

needs_fast = pytest.mark.skipif(
    image_filter.vectorised is None, reason="cykooz-resizer is not installed"
)


def photograph(mode: str = "RGB", size: tuple[int, int] = (641, 481)) -> Image.Image:
    """Smooth shapes with some texture: as much detail as a photograph has."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    waves = [np.sin(x / (9 + 5 * c)) * np.cos(y / (7 + 3 * c)) for c in range(3)]
    noise = np.random.default_rng(1).normal(0, 4, (size[1], size[0], 3))
    pixels = np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype("uint8")
    return Image.fromarray(pixels).convert(mode)


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def off_and_psnr(first: Image.Image, second: Image.Image) -> tuple[float, float]:
    """The share of samples off by more than 1, and the peak signal-to-noise ratio in dB."""
    assert (first.mode, first.size) == (second.mode, second.size)
    difference = np.asarray(first, float) - np.asarray(second, float)
    error = np.mean(difference**2)
    off = float(np.mean(abs(difference) > 1))
    return off, 10 * math.log10(255**2 / error) if error else math.inf


def by_pillow(image: Image.Image, *target: object) -> Image.Image:
    return image.resize(target[0], Image.Resampling.BICUBIC, *target[1:])


TARGETS = [(341, 256), (600, 450), (64, 48), (1000, 750), (7, 500), (1280, 3), (641, 100)]


@needs_fast
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("target", TARGETS)
def test_close_to_pillows_filter(mode: str, target: tuple[int, int]) -> None:
    for box in (None, (0.0, 0.0, 640.5, 480.25)):
        off, decibel = off_and_psnr(
            resized(photograph(mode), target, box), by_pillow(photograph(mode), target, box)
        )
        assert off < 0.0001
        assert decibel > 54


@needs_fast
@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample of photographs is not here")
def test_close_to_pillows_filter_on_photographs() -> None:
    with tarfile.open(SAMPLE / "ILSVRC2012_img_val.tar") as archive:
        files = [archive.extractfile(member).read() for member in archive.getmembers()]
    found = []
    for data in files:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        target = Resize("shorter", 256, 256).target_size(*image.size)
        found.append(off_and_psnr(resized(image.copy(), target), by_pillow(image, target)))
    off, decibel = np.array(found).T
    assert np.mean(off) < 0.002
    assert max(off) < 0.03
    assert np.mean(decibel) > 56
    assert min(decibel) > 50


def extensions() -> list[object]:
    """What this processor has, and none."""
    fast = image_filter.vectorised
    if fast is None:
        return []
    kinds = fast.CpuExtensions
    best = fast.Resizer().cpu_extensions
    x86 = [kinds.none, kinds.sse4_1, kinds.avx2]
    return x86[: x86.index(best) + 1] if best in x86 else [kinds.none, best]


@needs_fast
@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(["RGB", "L"]),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    target=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    cut=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
)
def test_the_same_bytes_on_every_processor(
    mode: str, size: tuple[int, int], target: tuple[int, int], cut: tuple[float, float]
) -> None:
    box = (0.0, 0.0, size[0] - cut[0], size[1] - cut[1])
    found = set()
    for extension in extensions():
        resizer = image_filter.vectorised.Resizer()
        resizer.cpu_extensions = extension
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(image_filter, "_resizer", lambda _, resizer=resizer: resizer)
            found.add(resized(noise(mode, size), target, box).tobytes())
    assert len(found) == 1
    assert found == {resized(noise(mode, size), target, box).tobytes()}


@needs_fast
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("target", TARGETS)
def test_the_same_photographs_on_every_processor(
    mode: str, target: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {resized(photograph(mode), target).tobytes()}
    for extension in extensions():
        resizer = image_filter.vectorised.Resizer()
        resizer.cpu_extensions = extension
        monkeypatch.setattr(image_filter, "_resizer", lambda _, resizer=resizer: resizer)
        found.add(resized(photograph(mode), target).tobytes())
    assert len(found) == 1


PNG = {"output_format": "PNG"}
AWKWARD = {
    "gray": hard.jpeg("L", (480, 320)),
    "colour": hard.jpeg(size=(480, 320)),
    "progressive": hard.jpeg(size=(480, 320), progressive=True),
    "cmyk": hard.cmyk_jpeg(),
    "ycck": hard.ycck_jpeg(None),
    "palette": hard.palette_png(),
    "palette with alpha": hard.palette_png(transparency=bytes((0, 128))),
    "alpha": hard.save(hard.quadrants("RGBA"), "PNG"),
    "gray and alpha": hard.save(hard.quadrants("LA"), "PNG"),
    "1 bit": hard.save(hard.quadrants("L").point(lambda v: 255 * (v > 110), "1"), "PNG"),
    "16 bit": hard.deep_png(1, 0x8040),
    "16 bit colour": hard.deep_png(3, 0x8040),
    "gif": hard.save(hard.quadrants().quantize(8), "GIF"),
    "webp": hard.save(hard.quadrants(), "WEBP", lossless=True),
    "1 pixel": hard.jpeg(size=(1, 1)),
    "1 gray pixel": hard.save(Image.new("L", (1, 1), 90), "PNG"),
    "flat": hard.jpeg(size=(2000, 3)),
    "high": hard.save(hard.quadrants(size=(3, 2000)), "PNG"),
    "turned": hard.with_orientation(hard.jpeg(size=(480, 320)), 6),
}
SIZES = ["shorter:20", "longer:100", "shorter:256", "exact:24x16", "exact:60x2", "exact:1x1"]


@needs_fast
@pytest.mark.parametrize("resize", SIZES)
@pytest.mark.parametrize("kind", AWKWARD)
def test_each_kind_of_image_becomes_what_pillow_makes_of_it(
    kind: str, resize: str, request: pytest.FixtureRequest
) -> None:
    size = Resize.parse(resize)
    width, height = Image.open(io.BytesIO(AWKWARD[kind])).size
    options = ImageOptions(size, apply_exif_orientation=True, **PNG)
    if max(size.target_size(width, height)) > 65_500:
        pytest.skip("too large to be encoded")
    fast = encode_image(AWKWARD[kind], options)
    request.getfixturevalue("pillow_alone")
    slow = encode_image(AWKWARD[kind], options)
    assert fast._replace(data=b"") == slow._replace(data=b"")
    images = [Image.open(io.BytesIO(one.data)) for one in (fast, slow)]
    # Between quadrants of strong colours it matters which side is shrunk first, as samples
    # beyond 0 and 255 are cut off in between.
    off, decibel = off_and_psnr(*images)
    assert off < 0.02
    assert decibel > 45
    gray = kind in ("gray", "gray and alpha", "1 bit", "16 bit", "1 gray pixel")
    assert (fast.channels, fast.colorspace) == ((1, "Grayscale") if gray else (3, "RGB"))


def test_both_kinds_have_a_name(each_kind: str) -> None:
    found = libraries()
    assert (found["filter"], found["jpeg_decoder"]) == (filter_name(), decoder_name())
    if each_kind == "fast":
        assert re.fullmatch(r"cykooz-resizer 4\.\d+\.\d+", filter_name())
        assert re.fullmatch(r"simplejpeg 1\.\d+\.\d+", decoder_name())
    else:
        assert filter_name() == decoder_name() == f"pillow {found['pillow']}"


def test_without_the_libraries_the_filter_is_pillows() -> None:
    """As on machines that they have no wheels for."""
    code = (
        "import io, sys\n"
        "sys.modules['cykooz_resizer'] = sys.modules['simplejpeg'] = None\n"
        "from PIL import Image\n"
        "from imagenet_beam.transforms.images.encode import encode_image\n"
        "from imagenet_beam.transforms.images.options import ImageOptions, Resize, libraries\n"
        f"data = {hard.jpeg(size=(60, 40))!r}\n"
        "options = ImageOptions(Resize('exact', 33, 31), output_format='PNG')\n"
        "encoded = Image.open(io.BytesIO(encode_image(data, options).data))\n"
        "full = Image.open(io.BytesIO(data)).resize((33, 31), Image.Resampling.BICUBIC)\n"
        "assert encoded.tobytes() == full.tobytes()\n"
        "print(libraries()['filter'], libraries()['jpeg_decoder'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    pillow = f"pillow {libraries()['pillow']}"
    assert run.stdout.strip() == f"{pillow} {pillow}"


@needs_fast
def test_each_thread_keeps_one_resizer_and_no_large_buffer() -> None:
    most = image_filter._KEPT_BYTES
    kept = image_filter._resizer(most)
    assert image_filter._resizer(1) is kept
    assert image_filter._resizer(most + 1) is not kept
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(image_filter._resizer, 1).result(30) is not kept


@pytest.mark.parametrize(("mode", "size"), [("RGB", (1, 1)), ("L", (9, 50)), ("RGB", (101, 50))])
def test_the_bytes_of_a_large_picture(
    mode: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_filter, "_STRIP_PIXELS", 100)
    assert image_filter._bytes(noise(mode, size)) == noise(mode, size).tobytes()
