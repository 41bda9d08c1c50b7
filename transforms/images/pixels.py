"""Raw pixels: how they lie in a file, and how to untangle them.

A layout is written as a kind and sizes, slowest-varying first: `planar:3x32x32` is
CIFAR's (a plane each of red, green and blue, rows from the top), `gray:28x28`
is MNIST's (one plane).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from imagenet_beam.transforms.errors import ImageRejected, InputError

_GRAMMAR = re.compile(r"(?:planar:([13])x|gray:)([1-9]\d{0,4})x([1-9]\d{0,4})")


class PixelLayout(NamedTuple):
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

    def __str__(self) -> str:
        """As it stands in `ImageRef.pixels`."""
        kind = "gray:" if self.channels == 1 else f"planar:{self.channels}x"
        return f"{kind}{self.height}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> PixelLayout:
        """Reads what `str` gives, such as `planar:3x32x32` or `gray:28x28`.

        Raises:
            InputError: The text is neither.
        """
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise InputError(
                f"the pixel layout {text!r} is not known; accepted are "
                "planar:<channels>x<height>x<width> with 1 or 3 channels, and gray:<height>x<width>"
            )
        channels, height, width = match.groups(default="1")
        return cls(int(channels), int(height), int(width))


class Pixels(NamedTuple):
    """One image as rows of interleaved samples (height, width, channels)."""

    data: bytes
    width: int
    height: int
    channels: int


def interleave(data: bytes, layout: PixelLayout) -> Pixels:
    """Turns planes into interleaved samples, which image encoders take.

    Raises:
        ImageRejected: The bytes are not one image of this layout.
    """
    channels, height, width = layout
    if len(data) != layout.size_bytes:
        raise ImageRejected(
            "truncated", f"{len(data)} bytes, but {layout} takes {layout.size_bytes}"
        )
    if channels > 1:
        mixed = bytearray(len(data))
        for channel in range(channels):
            start = channel * height * width
            mixed[channel::channels] = data[start : start + height * width]
        data = bytes(mixed)
    return Pixels(data, width, height, channels)
