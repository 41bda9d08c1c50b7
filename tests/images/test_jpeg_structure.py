"""Of which JPEGs the bytes are kept: those that decoders get through, whatever they warn of."""

import io
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))

KEEP = ImageOptions(Resize("none"))
VERIFY = ImageOptions(Resize("none"), verify_images=True)
SMALL = (16, 16)
BASELINE = hard.jpeg(size=SMALL, subsampling=2, optimize=True)
GRAY = hard.jpeg("L", SMALL)
RESTARTS = hard.jpeg(size=SMALL, restart_marker_blocks=1, optimize=True)
PROGRESSIVE = hard.jpeg(size=SMALL, progressive=True, quality=30)
DHT, DQT, DRI, SOF, SOS = 0xC4, 0xDB, 0xDD, 0xC0, 0xDA


def fate(data: bytes, options: ImageOptions = KEEP) -> str:
    """`kept`, the notes of what was encoded again, or the reason of the reject."""
    try:
        encoded = encode_image(data, options)
    except ImageRejected as rejected:
        return rejected.reason
    return "kept" if encoded.data == data else " ".join(encoded.notes)


def decodes(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True


def flips(data: bytes, end: int) -> list[bytes]:
    """Copies with one bit changed, each bit of the first bytes in turn."""
    number = int.from_bytes(data, "big")
    bits = 8 * len(data)
    return [(number ^ 1 << bits - 1 - bit).to_bytes(len(data), "big") for bit in range(8 * end)]


def scan_start(data: bytes) -> int:
    start = data.index(b"\xff\xda")
    return start + 2 + data[start + 3]


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (BASELINE, scan_start(BASELINE)),
        (GRAY, scan_start(GRAY)),
        (RESTARTS, scan_start(RESTARTS)),
        (PROGRESSIVE, len(PROGRESSIVE)),
    ],
    ids=["baseline", "gray", "restarts", "progressive"],
)
def test_no_flipped_bit_of_a_header_is_kept_that_decoders_give_up_on(data: bytes, end: int) -> None:
    kept = [flipped for flipped in flips(data, end) if fate(flipped) == "kept"]
    assert kept
    assert [flipped for flipped in kept if not decodes(flipped)] == []


def changed(marker: int, offset: int, value: bytes, data: bytes = BASELINE) -> bytes:
    """A JPEG with other bytes in the first segment of a kind; offset 0 is its content."""
    at = data.index(bytes((0xFF, marker))) + 4 + offset
    return data[:at] + value + data[at + len(value) :]


def without(marker: int, data: bytes) -> bytes:
    """A JPEG without its segments of a kind."""
    while (start := data.find(bytes((0xFF, marker)), 0, scan_start(data))) >= 0:
        data = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    return data


def before_scan(segment: bytes, data: bytes = BASELINE) -> bytes:
    start = data.index(b"\xff\xda")
    return data[:start] + segment + data[start:]


GIVEN_UP = {
    "no second marker": BASELINE[:2] + b"\0" + BASELINE[2:],
    "two starts": before_scan(b"\xff\xd8"),
    "reserved marker": before_scan(hard.segment(0xF0, b"")),
    "short restart interval": before_scan(hard.segment(DRI, b"\0")),
    "no quantisation": without(DQT, BASELINE),
    "quantisation table 4": changed(DQT, 0, b"\x04"),
    "short quantisation table": before_scan(hard.segment(DQT, bytes(64))),
    "unknown quantisation table": changed(SOF, 8, b"\x03"),
    "no sampling": changed(SOF, 7, b"\0"),
    "sampling by 5": changed(SOF, 7, b"\x51"),
    "two thirds of a resolution": changed(SOF, 6, b"\x01\x31\0\x02\x21"),
    "18 blocks at once": changed(SOF, 6, b"\x01\x44\0"),
    "another component": changed(SOF, 6, b"\x05"),
    "a component too few": changed(SOS, 0, b"\x02"),
    "components in another order": changed(SOS, 1, b"\x02\0\x01"),
    "unknown DC table": changed(SOS, 2, b"\x20"),
    "unknown AC table": changed(SOS, 2, b"\x02"),
    "Huffman table 4": changed(DHT, 0, b"\x04"),
    "a code of ones": changed(DHT, 1, b"\x02"),
    "DC of 16 bits": before_scan(hard.segment(DHT, b"\0" + bytes(15) + b"\x01\x10")),
    "a symbol too few": before_scan(hard.segment(DHT, b"\0" + bytes(15) + b"\x02\x01")),
    "short Huffman table": before_scan(hard.segment(DHT, b"\0")),
    "DC and AC in one scan": changed(SOS, 7, b"\0\x01", PROGRESSIVE),
    "bit 14": changed(SOS, 9, b"\x0e", PROGRESSIVE),
    "two bits at once": changed(SOS, 9, b"\x31", PROGRESSIVE),
    "progressive without tables": without(DHT, PROGRESSIVE),
    "many scans in baseline": PROGRESSIVE.replace(b"\xff\xc2", b"\xff\xc0"),
}


@pytest.mark.parametrize("data", GIVEN_UP.values(), ids=GIVEN_UP)
def test_what_decoders_give_up_on_is_rejected(data: bytes) -> None:
    assert not decodes(data)
    assert fate(data) == "corrupt"


GONE_THROUGH = {
    "junk and filling": BASELINE.replace(b"\xff\xdb", b"junk\xff\xff\xdb"),
    "junk at the end": BASELINE[:-2] + b"junk\xff\xff\xd9" + b"more junk",
    "a length without itself": BASELINE[:2] + b"\xff\xe5\0\x01" + BASELINE[2:],
    "number of lines": before_scan(hard.segment(0xDC, b"\0\x10")),
    "restarts that are not there": before_scan(hard.segment(DRI, b"\0\x01")),
    "no Huffman table": before_scan(hard.segment(DHT, b"")),
    "a bad table without use": before_scan(hard.segment(DHT, b"\x13\xff" + bytes(270))),
    "quantisation by 16 bits": before_scan(hard.segment(DQT, b"\x12" + bytes(128))),
    "zeroes for coefficients": changed(SOS, 7, b"\0\0\0"),
    "Motion JPEG": without(DHT, hard.jpeg(size=SMALL)),
    "restarts": RESTARTS,
    "progressive gray": hard.jpeg("L", SMALL, progressive=True),
    "restarts after the last scan": PROGRESSIVE[:-2] + hard.segment(DRI, b"\0\x07") + b"\xff\xd9",
}


@pytest.mark.parametrize("data", GONE_THROUGH.values(), ids=GONE_THROUGH)
def test_what_decoders_get_through_keeps_its_bytes(data: bytes) -> None:
    assert decodes(data)
    assert fate(data) == fate(data, VERIFY) == "kept"


def test_what_pillow_alone_is_sure_to_get_through_is_encoded_again_and_noted() -> None:
    data = hard.jpeg(progressive=True, restart_marker_blocks=1)
    restart = data.index(b"\xff\xd0")
    assert fate(data[:restart] + b"\xff\x02" + data[restart:]) == "repaired:header"


HIDDEN = {
    "a marker at the end": BASELINE[:-2] + b"\xff\x05\xff\xd9",
    "a marker in the scan": changed(SOS, 10, b"\xff\xf0"),
    "cut off before another picture": BASELINE[:-2] + BASELINE,
    "too short for Pillow alone": hard.with_segment(BASELINE, 0xE0, b"JFIF"),
}


@pytest.mark.parametrize("damaged", HIDDEN.values(), ids=HIDDEN)
def test_decoding_finds_what_the_header_does_not_tell(damaged: bytes) -> None:
    assert not decodes(damaged)
    assert fate(damaged) == "kept"
    assert fate(damaged, VERIFY) == "corrupt"
