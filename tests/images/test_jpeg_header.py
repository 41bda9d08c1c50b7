"""What the header parser knows of a JPEG without decoding it."""

import contextlib
import io
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.jpeg_header import (
    ADOBE_ABSENT,
    JpegHeader,
    exif_orientation,
    parse_jpeg_header,
    with_adobe_transform,
    without_exif,
)

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))


def reason(data: bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        parse_jpeg_header(data)
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "components", "sof_marker"),
    [
        (hard.jpeg(), 3, 0xC0),
        (hard.jpeg("L"), 1, 0xC0),
        (hard.jpeg(progressive=True), 3, 0xC2),
        (hard.cmyk_jpeg(), 4, 0xC0),
    ],
)
def test_facts_agree_with_the_file(data: bytes, components: int, sof_marker: int) -> None:
    header = parse_jpeg_header(data)
    assert (header.width, header.height) == hard.SIZE
    assert header.components == components
    assert header.sof_marker == sof_marker
    assert header.precision_bits == 8
    assert header.exif_spans == ()


def test_adobe_transform_and_sampling() -> None:
    facts = {
        name: (header.adobe_transform, header.is_subsampled_ycck)
        for name, header in {
            "cmyk": parse_jpeg_header(hard.cmyk_jpeg()),
            "cmyk unmarked": parse_jpeg_header(hard.cmyk_jpeg(None)),
            "ycck": parse_jpeg_header(hard.ycck_jpeg(subsampled=False)),
            "ycck unmarked": parse_jpeg_header(hard.ycck_jpeg(None)),
            "subsampled rgb": parse_jpeg_header(hard.jpeg(subsampling="4:2:0")),
        }.items()
    }
    assert facts == {
        "cmyk": (0, False),
        "cmyk unmarked": (ADOBE_ABSENT, False),
        "ycck": (2, False),
        "ycck unmarked": (ADOBE_ABSENT, True),
        "subsampled rgb": (ADOBE_ABSENT, False),
    }


def test_adobe_transform_can_be_added() -> None:
    assert parse_jpeg_header(with_adobe_transform(hard.ycck_jpeg(None), 2)).adobe_transform == 2


def test_an_app14_segment_that_is_too_short_is_not_adobes() -> None:
    data = hard.with_segment(hard.jpeg(), 0xEE, b"Adobe\0d")
    assert parse_jpeg_header(data).adobe_transform == ADOBE_ABSENT


@given(cut=st.integers(2, len(hard.jpeg()) - 1))
def test_each_cut_is_noticed(cut: int) -> None:
    assert reason(hard.jpeg()[:cut]) == "truncated"


def test_thumbnail_in_exif_does_not_hide_a_cut() -> None:
    thumbnail = b"Exif\0\0" + hard.exif_block(1) + hard.jpeg("L", (8, 8))
    data = hard.with_segment(hard.jpeg(), 0xE1, thumbnail)
    assert parse_jpeg_header(data).components == 3
    assert reason(data[:-2]) == "truncated"


@pytest.mark.parametrize("tail", [b"\0" * 700, b"\n", hard.jpeg("L"), b"\xff\xff"])
def test_bytes_after_the_end_are_tolerated(tail: bytes) -> None:
    assert parse_jpeg_header(hard.jpeg() + tail) == parse_jpeg_header(hard.jpeg())


def facts(data: bytes) -> JpegHeader:
    """What is known of a JPEG wherever in it that stands."""
    return parse_jpeg_header(data)._replace(tables=(), scan_start=0)


def test_what_libjpeg_skips_is_skipped() -> None:
    data = hard.jpeg()
    table = data.index(b"\xff\xdb")
    junk = data[:table] + b"\0junk\xff\xff\xff\xd3" + data[table:]
    empty_huffman_table = hard.with_segment(data, 0xC4, b"")
    assert facts(junk) == facts(empty_huffman_table) == facts(data)
    for odd in (junk, empty_huffman_table):
        Image.open(io.BytesIO(odd)).load()


def patched(offset: int, value: bytes) -> bytes:
    """The frame header with some bytes changed; offset 0 is its marker."""
    data = hard.jpeg()
    frame = data.index(b"\xff\xc0") + offset
    return data[:frame] + value + data[frame + len(value) :]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (patched(5, b"\0\0"), "unsupported"),  # Height in a later DNL segment.
        (patched(7, b"\0\0"), "corrupt"),
        (patched(9, b"\x02"), "corrupt"),  # Three components' bytes, two announced.
        (patched(2, b"\0\x01"), "corrupt"),
        (patched(0, b"\xff\xfe"), "corrupt"),  # The frame header is a comment now.
        (b"\xff\xd8\xff\xd9", "corrupt"),
        (hard.with_segment(hard.jpeg(), 0xC0, b"\x08\0\x05\0\x05\x01\x01\x11\0"), "corrupt"),
        (b"\xff\xd8", "truncated"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8" + b"\0" * 400, "truncated"),
    ],
)
def test_broken_headers(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_exif_is_cut_out_and_nothing_else() -> None:
    plain = hard.jpeg()
    data = hard.with_orientation(hard.with_segment(plain, 0xE1, b"http://ns.adobe.com"), 6)
    header = parse_jpeg_header(data)
    assert len(header.exif_spans) == 1
    assert without_exif(data, header) == hard.with_segment(plain, 0xE1, b"http://ns.adobe.com")


@given(orientation=st.integers(1, 8), order=st.sampled_from("<>"))
def test_orientation_is_read(orientation: int, order: str) -> None:
    assert exif_orientation(hard.exif_block(orientation, order)) == orientation


def test_orientation_is_1_where_no_tag_tells_it() -> None:
    assert exif_orientation(b"II*\0\x08\0\0\0" + b"\0\0" + b"\0\0\0\0") == 1


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"XX*\0\x08\0\0\0\0\0",
        hard.exif_block(6)[:20],
        hard.exif_block(0),
        hard.exif_block(9),
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\0\0\0",
    ],
)
def test_corrupt_exif_is_a_value_error(exif: bytes) -> None:
    with pytest.raises(ValueError, match="Exif"):
        exif_orientation(exif)


@given(exif=st.binary(max_size=60), order=st.sampled_from([b"II*\0", b"MM\0*"]))
def test_any_exif_has_an_orientation_or_is_corrupt(exif: bytes, order: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert 1 <= exif_orientation(order + exif) <= 8
