"""Raw pixels: how `ImageRef.encoding` names their layout, and how to untangle it.

An encoding is a kind and sizes, slowest-varying first: `planar:3x32x32` is
CIFAR's (a plane each of red, green and blue, rows from the top), `gray:28x28`
is MNIST's (one plane).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.errors import ImageRejected, InputError

PLANAR = "planar"
GRAY = "gray"

_GRAMMAR = re.compile(
    r"planar:(1|3)x([1-9]\d{0,4})x([1-9]\d{0,4})|gray:([1-9]\d{0,4})x([1-9]\d{0,4})"
)


@dataclass(frozen=True)
class PixelLayout:
    """How the bytes of one raw image are arranged; one byte a sample.

    Attributes:
        channels: 1 for gray, 3 for red, green and blue.
        height: Rows.
        width: Columns.
    """

    channels: int
    height: int
    width: int

    @property
    def size_bytes(self) -> int:
        """How long one image is."""
        return self.channels * self.height * self.width

    @property
    def encoding(self) -> str:
        """The text that `parse_encoding` reads back."""
        if self.channels == 1:
            return f"{GRAY}:{self.height}x{self.width}"
        return f"{PLANAR}:{self.channels}x{self.height}x{self.width}"


class Pixels(NamedTuple):
    """One image as rows of interleaved samples (height, width, channels)."""

    data: bytes
    width: int
    height: int
    channels: int


def parse_encoding(text: str) -> PixelLayout:
    """Reads an `ImageRef.encoding` such as `planar:3x32x32` or `gray:28x28`.

    Raises:
        InputError: The text is neither.
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise InputError(
            f"the pixel encoding {text!r} is not known; accepted are "
            "planar:<channels>x<height>x<width> with 1 or 3 channels, and gray:<height>x<width>"
        )
    channels, height, width = match.group(1, 2, 3) if match[1] else ("1", match[4], match[5])
    return PixelLayout(int(channels), int(height), int(width))


def interleave(data: bytes, layout: PixelLayout) -> Pixels:
    """Turns planes into interleaved samples, which image encoders take.

    Raises:
        ImageRejected: The bytes are not one image of this layout.
    """
    if len(data) != layout.size_bytes:
        raise ImageRejected(
            "truncated", f"{len(data)} bytes, but {layout.encoding} takes {layout.size_bytes}"
        )
    if layout.channels > 1:
        data = _interleave_planes(data, layout.channels)
    return Pixels(data, layout.width, layout.height, layout.channels)


def _interleave_planes(data: bytes, channels: int) -> bytes:
    plane_bytes = len(data) // channels
    mixed = bytearray(len(data))
    for channel in range(channels):
        mixed[channel::channels] = data[channel * plane_bytes : (channel + 1) * plane_bytes]
    return bytes(mixed)
