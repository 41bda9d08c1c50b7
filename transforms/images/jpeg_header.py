"""What can be known about a JPEG without decoding it (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from imagenet_beam.transforms.errors import ImageRejected

ADOBE_ABSENT = -1
"""Value of `JpegHeader.adobe_transform` where there is no Adobe segment."""

SKIPPED_MARKERS = frozenset({0xDC, *range(0xE0, 0xF0), 0xFE})
"""DNL, APP0 to APP15 and COM: segments that pixels do not depend on."""

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
_SOI_BYTES = 2
_EOI_MARKER = b"\xff\xd9"
_APP1, _APP14 = 0xE1, 0xEE
# Start-of-frame markers are C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Not stuffing, TEM, and RST0 to RST7, which have no length and say nothing here; nor filling.
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xD8), 0xFF})
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
_ADOBE_SEGMENT = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"


class JpegHeader(NamedTuple):
    """The facts of a JPEG's header, up to its first scan.

    Attributes:
        width: Pixels.
        height: Pixels.
        components: 1 is gray, 3 colour, 4 CMYK or YCCK.
        precision_bits: Bits of a sample; everyday JPEGs have 8.
        sof_marker: The coding: 0xC0 baseline, 0xC1 extended, 0xC2 progressive; the
            others are lossless (0xC3), arithmetic (0xC9, 0xCA) or hierarchical.
        adobe_transform: The colour transform that the Adobe segment (APP14) names,
            0 none, 1 YCbCr, 2 YCCK; `ADOBE_ABSENT` without such a segment.
        is_subsampled_ycck: Whether there are four components of which the middle two
            have a lower resolution than the first and the last: only chroma is
            stored so, hence the components are YCCK even where no marker says it.
        exif_spans: Start and end of each Exif segment, marker and length included.
        frame: Name, sampling and quantisation table of each component: three bytes.
        tables: The segments that decoding depends on, without the frame header; the last is
            the header of the first scan.
        scan_start: Where the first scan begins.
    """

    width: int
    height: int
    components: int
    precision_bits: int
    sof_marker: int
    adobe_transform: int
    is_subsampled_ycck: bool
    exif_spans: tuple[tuple[int, int], ...]
    frame: bytes
    tables: tuple[bytes, ...]
    scan_start: int


class _Frame(NamedTuple):
    marker: int
    precision_bits: int
    height: int
    width: int
    components: bytes


def parse_jpeg_header(data: bytes) -> JpegHeader:
    """Reads a JPEG's markers up to the first scan, and looks for its end marker.

    Nothing is decoded. What this therefore cannot notice: damage inside the
    entropy-coded data (flipped bits, a lost block in mid-file) and tables that
    contradict each other. A cut-off file has no end marker and is noticed: 0xFFD9
    cannot occur in entropy-coded data, where each 0xFF is followed by a zero byte.
    Bytes after the end marker (padding, a second picture) are tolerated, as are
    bytes that are no marker between segments, which libjpeg skips too.

    Raises:
        ImageRejected: `truncated` where the data end before they should, `corrupt`
            where the structure is wrong, `unsupported` without a height (DNL).
    """
    frame: _Frame | None = None
    adobe_transform = ADOBE_ABSENT
    exif_spans: tuple[tuple[int, int], ...] = ()
    tables = []
    for marker, start, end in segments(data):
        if marker in _SOF_MARKERS:
            if frame is not None:
                raise ImageRejected("corrupt", "the JPEG has two frame headers")
            frame = _parse_frame(marker, data[start + 4 : end])
        elif marker not in SKIPPED_MARKERS:
            if marker == EOI:
                raise ImageRejected("corrupt", "the JPEG ends before its first scan")
            tables.append(data[start:end])
            if marker == SOS:
                break
        elif marker == _APP1 and data.startswith(b"Exif\0\0", start + 4):
            exif_spans += ((start, end),)
        elif marker == _APP14 and data.startswith(b"Adobe", start + 4) and end >= start + 16:
            adobe_transform = data[start + 15]
    if frame is None:
        raise ImageRejected("corrupt", "the JPEG has no frame header before its first scan")
    if not data.endswith(_EOI_MARKER) and data.rfind(_EOI_MARKER, end) < 0:
        raise ImageRejected("truncated", f"the JPEG has no end marker in its {len(data)} bytes")
    sampling = frame.components[1::3]
    return JpegHeader(
        width=frame.width,
        height=frame.height,
        components=len(sampling),
        precision_bits=frame.precision_bits,
        sof_marker=frame.marker,
        adobe_transform=adobe_transform,
        is_subsampled_ycck=len(sampling) == 4
        and sampling[0] == sampling[3] != sampling[1] == sampling[2],
        exif_spans=exif_spans,
        frame=frame.components,
        tables=tuple(tables),
        scan_start=end,
    )


def segments(data: bytes, position: int = _SOI_BYTES) -> Iterator[tuple[int, int, int]]:
    """Yields marker, start and end of each segment, up to and with the end of the image.

    Between them lie the scans, which are the pixels, and what libjpeg skips, too.

    Args:
        data: The JPEG.
        position: Where the first is looked for.

    Raises:
        ImageRejected: `truncated` where the data end before the image does, `corrupt` where
            a segment is shorter than its length.
    """
    marker = 0
    try:
        while marker != EOI:
            prefix, marker = data[position], data[position + 1]
            if prefix != 0xFF or marker in _NO_SEGMENT:
                found = _MARKER.search(data, position)
                if found is None:
                    raise IndexError
                position = found.start()
                marker = data[position + 1]
            end = position + 2
            if marker not in (SOI, EOI):
                end += data[end] << 8 | data[end + 1]
                if end < position + 4:
                    if marker not in SKIPPED_MARKERS:
                        raise ImageRejected(
                            "corrupt", f"JPEG segment of bad length at byte {position}"
                        )
                    end = position + 4
                if end > len(data):
                    raise IndexError
            yield marker, position, end
            position = end
    except IndexError:
        raise ImageRejected(
            "truncated", f"the JPEG header goes beyond the {len(data)} bytes there are"
        ) from None


def _parse_frame(marker: int, segment: bytes) -> _Frame:
    """Reads a frame header: precision, height, width, then three bytes a component."""
    components = segment[5] if len(segment) > 5 else 0
    if components == 0 or len(segment) != 6 + 3 * components:
        raise ImageRejected("corrupt", f"JPEG frame header of {len(segment)} bytes is malformed")
    height = segment[1] << 8 | segment[2]
    width = segment[3] << 8 | segment[4]
    if width == 0:
        raise ImageRejected("corrupt", "the JPEG is 0 pixels wide")
    if height == 0:
        raise ImageRejected("unsupported", "the JPEG does not tell its height in its header (DNL)")
    return _Frame(marker, segment[0], height, width, segment[6:])


def without_exif(data: bytes, header: JpegHeader) -> bytes:
    """Cuts the Exif segments out of a JPEG; the pixels do not depend on them.

    Pillow reads Exif when it opens a file, and warns through the process's warnings
    where it is corrupt; that is neither thread safe to silence nor worth the time.
    """
    start = 0
    parts = []
    for span_start, span_end in header.exif_spans:
        parts.append(data[start:span_start])
        start = span_end
    parts.append(data[start:])
    return b"".join(parts)


def with_adobe_transform(data: bytes, transform: int) -> bytes:
    """Adds the Adobe segment that tells a decoder the colour transform (2 = YCCK)."""
    return data[:_SOI_BYTES] + _ADOBE_SEGMENT + bytes((transform,)) + data[_SOI_BYTES:]


def exif_orientation(exif: bytes) -> int:
    """Reads the orientation, 1 (as stored, or not told) to 8, from an Exif block.

    The block begins with its byte-order mark. Only the first directory is walked (Exif
    3.0, 4.6.2, which is TIFF 6.0's), so damage elsewhere, such as in a maker note, goes
    unnoticed and does no harm.

    Raises:
        ValueError: The block is corrupt: no byte order, or its directory or the
            orientation lies outside of what it may be.
    """
    if not exif.startswith((b"II*\0", b"MM\0*")):
        raise ValueError("the Exif block has no byte order")
    order: Literal["little", "big"] = "little" if exif.startswith(b"II") else "big"
    directory = int.from_bytes(exif[4:8], order)
    entries_start = directory + 2
    entries_end = entries_start + 12 * int.from_bytes(exif[directory:entries_start], order)
    if directory < 8 or not entries_start <= entries_end <= len(exif):
        raise ValueError("the Exif directory lies outside of its block")
    for start in range(entries_start, entries_end, 12):
        if int.from_bytes(exif[start : start + 2], order) == 0x0112:
            # Type SHORT: the value stands in the first two of the four value bytes.
            value = int.from_bytes(exif[start + 8 : start + 10], order)
            if not 1 <= value <= 8:
                raise ValueError(f"the Exif orientation is {value}")
            return value
    return 1
