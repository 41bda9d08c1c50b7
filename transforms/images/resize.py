"""What size an image will have: the arithmetic behind `ImageOptions.resize`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagenet_beam.transforms.errors import InputError

MAX_SIDE_PX = 65_500
"""Longest side of an image. JPEG's own limit is 65,535 (ITU-T T.81, B.2.2), but
libjpeg stops at `JPEG_MAX_DIMENSION` = 65,500, and every reader here is libjpeg."""

RESIZE_FORMS = ("none", "shorter:N", "longer:N", "exact:WxH")
"""What `Resize.parse` reads, for people."""

RESIZE_PATTERN = "none|shorter:[0-9]+|longer:[0-9]+|exact:[0-9]+x[0-9]+"
"""The same as a regular expression."""

RESIZE_ACCEPTED = (
    f"accepted are {', '.join(RESIZE_FORMS[:-1])} and {RESIZE_FORMS[-1]} with 1 to {MAX_SIDE_PX} "
    "pixels"
)
_MAX_CHARACTERS = 40  # longer numbers than any size has are not even read


@dataclass(frozen=True)
class Resize:
    """How images are resized; never by cropping, so relative boxes stay true.

    `shorter:N` gives the shorter side exactly N pixels, `longer:N` the longer one;
    both keep the aspect ratio and, like torchvision's `Resize`, enlarge images that
    are smaller: training crops N x N regions and must find them in every image.
    `exact:WxH` does not keep the aspect ratio.

    Attributes:
        mode: `none`, `shorter`, `longer` or `exact`.
        width: Pixels; N for `shorter` and `longer`, 0 for `none`.
        height: Pixels; N for `shorter` and `longer`, 0 for `none`.
    """

    mode: str
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        if self.mode == "none":
            valid = self.width == self.height == 0
        else:
            valid = 1 <= self.width <= MAX_SIDE_PX and 1 <= self.height <= MAX_SIDE_PX
            if self.mode in ("shorter", "longer"):
                valid = valid and self.width == self.height
            else:
                valid = valid and self.mode == "exact"
        if not valid:
            raise InputError(f"`image.resize`={self} is not a size: {RESIZE_ACCEPTED}.")

    @classmethod
    def parse(cls, text: str) -> Resize:
        """Reads a size as people write it, one of `RESIZE_FORMS`.

        Raises:
            InputError: The text is none of these, or a size is out of range.
        """
        if len(text) > _MAX_CHARACTERS or not re.fullmatch(RESIZE_PATTERN, text):
            hint = f" (did you mean {meant}?)" if (meant := _meant(text)) else ""
            raise InputError(f"`image.resize`={text} is not understood{hint}: {RESIZE_ACCEPTED}.")
        mode, _, sides = text.partition(":")
        width, _, height = sides.partition("x")
        return cls(mode, int(width or 0), int(height or width or 0))

    def __str__(self) -> str:
        """The canonical text, which `parse` reads back."""
        if self.mode == "none":
            return self.mode
        if self.mode == "exact" or self.width != self.height:
            return f"{self.mode}:{self.width}x{self.height}"
        return f"{self.mode}:{self.width}"

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """The size of the output for the size of the input, in pixels.

        The side that the mode does not fix is the exact quotient rounded to the
        nearest integer, halves up, in integer arithmetic (so it is the same on each
        machine), and at least 1. It may exceed `MAX_SIDE_PX`; the caller checks.
        """
        if self.mode == "none":
            return width, height
        if self.mode == "exact":
            return self.width, self.height
        fixes_width = (width <= height) == (self.mode == "shorter")
        if fixes_width:
            return self.width, _scaled(height, self.width, width)
        return _scaled(width, self.height, height), self.height


def _scaled(length: int, numerator: int, denominator: int) -> int:
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


def _meant(text: str) -> str:
    """What a size without its mode may stand for: `256`, `224x224`; "" for another text."""
    sides = re.fullmatch("([0-9]{1,5})(?:[x,]([0-9]{1,5}))?", text)
    if not sides or not all(1 <= int(side) <= MAX_SIDE_PX for side in sides.groups() if side):
        return ""
    return f"exact:{sides[1]}x{sides[2]}" if sides[2] else f"shorter:{sides[1]}"
