"""Whether decoders go through a JPEG: its tables, components and scan headers, not its pixels.

Pillow, TensorFlow, OpenCV and browsers have the same library inside, so wrong is what
libjpeg-turbo gives up on (`ERREXIT` in its jdmarker.c, jdinput.c, jdhuff.c, jdphuff.c and
jdsample.c). What it only warns of, and repairs, is right here, too: such files are among the
photographs that people train on.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import NamedTuple

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.jpeg_header import (
    EOI,
    SKIPPED_MARKERS,
    SOS,
    JpegHeader,
    segments,
)

_SIGNATURE = b"\xff\xd8\xff"
"""libjpeg would skip what stands before the second marker; those who call it look for this."""

_DHT, _DQT, _DRI = 0xC4, 0xDB, 0xDD
_PROGRESSIVE = 0xC2
_AC = 0x10
"""Added to the number of a Huffman table for AC coefficients; those for DC are 0 to 3."""

_STANDARD_TABLES = {0: True, 1: True, _AC: True, _AC | 1: True}
"""What libjpeg-turbo takes where a sequential frame brings none, as in Motion JPEG."""

_CODES = tuple(1 << 16 - length for length in range(1, 17))
"""How many of the codes of 16 bits begin with a code of 1 bit, of 2 and so on."""

_WHOLE_BLOCKS = b"\0\x3f\0"
"""The end of a sequential scan's header; with another one it may be a progressive scan's."""

_MAX_DC_SYMBOL = 15
_MAX_SAMPLING = 4
_MAX_MCU_BLOCKS = 10
_MAX_BIT_POSITION = 13
_REMEMBERED = 512
"""How many sets of tables, of 600 bytes each: most files have one of a few."""

_REMEMBERED_BYTES = 4096


class _Fatal(Exception):
    """What libjpeg gives up on."""


class _Scan(NamedTuple):
    """What the header of a scan says.

    Attributes:
        components: By number in the frame, the quantisation table of each.
        huffman: The Huffman tables that it needs.
        has_all: Whether it holds the whole picture.
    """

    components: Mapping[int, int]
    huffman: frozenset[int]
    has_all: bool


def is_decodable(data: bytes, header: JpegHeader, to_the_end: bool = False) -> bool:
    """Whether libjpeg goes through a JPEG: baseline, extended or progressive, in Huffman coding.

    Damage inside the scans, which are the pixels, goes unnoticed.

    Args:
        data: The JPEG.
        header: What `parse_jpeg_header` knows of it.
        to_the_end: Whether to look for markers in the scan even where there is but one: damage
            that looks like a marker may end the decoding. That takes longer than all else.
    """
    is_progressive = header.sof_marker == _PROGRESSIVE
    if not data.startswith(_SIGNATURE):
        return False
    is_usual = sum(map(len, header.tables)) <= _REMEMBERED_BYTES
    first_has_all = _first_has_all if is_usual else _first_has_all.__wrapped__
    try:
        if first_has_all(header.frame, is_progressive, header.tables) and not to_the_end:
            return True
        decoder = _Decoder(header.frame, is_progressive)
        for table in header.tables:
            decoder.read(table)
        for marker, start, end in segments(data, header.scan_start):
            if marker not in SKIPPED_MARKERS:
                decoder.read(data[start:end])
    except (ImageRejected, _Fatal):
        return False
    return True


@functools.lru_cache(_REMEMBERED)
def _first_has_all(frame: bytes, is_progressive: bool, tables: tuple[bytes, ...]) -> bool:
    """Whether libjpeg finds the whole picture in it, and so nothing is expected after it.

    Raises:
        _Fatal: If it does not come so far.
    """
    decoder = _Decoder(frame, is_progressive)
    for table in tables:
        decoder.read(table)
    return decoder.has_all and tables[-1].endswith(_WHOLE_BLOCKS)


class _Decoder:
    """What libjpeg knows of a JPEG on its way through it.

    Attributes:
        has_all: Whether no more scans may come: the first one held the whole picture.
    """

    def __init__(self, frame: bytes, is_progressive: bool) -> None:
        self.has_all = False
        self._frame = frame, is_progressive
        self._quantization: set[int] = set()
        self._huffman = {} if is_progressive else dict(_STANDARD_TABLES)
        self._scanned: set[int] = set()

    def read(self, segment: bytes) -> None:
        """Takes a segment; raises `_Fatal` where libjpeg gives up."""
        marker, content = segment[1], segment[4:]
        if marker == _DQT:
            self._quantization |= _quantization_tables(content)
        elif marker == _DHT:
            self._huffman |= _huffman_tables(content)
        elif marker == SOS and not self.has_all:
            scan = _parse_scan(*self._frame, content)
            new = scan.components.keys() - self._scanned  # others have a table from their first
            if not self._quantization.issuperset(scan.components[one] for one in new):
                raise _Fatal
            if not all(map(self._huffman.get, scan.huffman)):
                raise _Fatal
            self.has_all = scan.has_all and not self._scanned
            self._scanned |= new
        elif marker != EOI and not (marker == _DRI and len(content) == 2):
            raise _Fatal


@functools.lru_cache(_REMEMBERED)
def _parse_scan(frame: bytes, is_progressive: bool, content: bytes) -> _Scan:
    """The header of a scan, where it agrees with the frame's components."""
    count = content[0] if content else 0
    if count == 0 or len(content) != 4 + 2 * count:
        raise _Fatal
    names, sampling, quantization = frame[::3], frame[1::3], frame[2::3]
    for sides in ([both >> 4 for both in sampling], [both & 15 for both in sampling]):
        if not all(1 <= side <= _MAX_SAMPLING and max(sides) % side == 0 for side in sides):
            raise _Fatal
    # libjpeg finds components in the order of the frame only.
    chosen = [names.find(name, at) for at, name in enumerate(content[1:-3:2])]
    if -1 in chosen or len(set(chosen)) != count:
        raise _Fatal
    if (
        count > 1
        and sum((sampling[one] >> 4) * (sampling[one] & 15) for one in chosen) > _MAX_MCU_BLOCKS
    ):
        raise _Fatal
    return _Scan(
        {one: quantization[one] for one in chosen},
        _huffman_needs(is_progressive, content),
        count == len(names) and not is_progressive,
    )


def _huffman_needs(is_progressive: bool, scan: bytes) -> frozenset[int]:
    """The Huffman tables that a scan needs."""
    tables = scan[2:-3:2]
    dc = frozenset(table >> 4 for table in tables)
    ac = frozenset(_AC | table & 15 for table in tables)
    first, last, bits = scan[-3:]
    high, low = divmod(bits, 16)
    if not is_progressive:  # which has these bytes, too, but there are files with zeroes in them
        return dc | ac
    is_band = first <= last <= 63 and len(tables) == 1 if first else last == 0
    if not is_band or low > _MAX_BIT_POSITION or high not in (0, low + 1):
        raise _Fatal
    if first:
        return ac
    return frozenset() if high else dc


@functools.lru_cache(_REMEMBERED)
def _quantization_tables(content: bytes) -> frozenset[int]:
    """The numbers of the tables in a segment, each of 64 values of one or two bytes."""
    found = set()
    position = 0
    while position < len(content):
        precision, number = divmod(content[position], 16)
        if number > 3:
            raise _Fatal
        found.add(number)
        position += 129 if precision else 65
    if position != len(content):
        raise _Fatal
    return frozenset(found)


@functools.lru_cache(_REMEMBERED)
def _huffman_tables(content: bytes) -> Mapping[int, bool]:
    """The tables in a segment, by number: whether a scan may use them."""
    found = {}
    position = 0
    while position + 16 < len(content):
        number = content[position]
        lengths = content[position + 1 : position + 17]
        position += 17
        symbols = content[position : position + sum(lengths)]
        position += sum(lengths)
        if number & ~(_AC | 3) or len(symbols) > 256:
            raise _Fatal
        # There must be a code for each symbol, and none may be all ones.
        is_code = sum(map(operator.mul, lengths, _CODES)) < 1 << 16
        found[number] = is_code and (number >= _AC or max(symbols, default=0) <= _MAX_DC_SYMBOL)
    if position != len(content):
        raise _Fatal
    return found
