"""Pictures of the synthetic classes: one shape in one colour, and a caption."""

import colorsys
import hashlib
import io
import struct
from collections.abc import Callable, Mapping
from functools import cache
from math import cos, pi, sin
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]
Outline = tuple[tuple[float, float], ...]
# Below this width nobody reads a caption; such pictures exist for their number only.
TINY_PIXELS = 32
_EDGE = "#33363f"
# Pillow draws hard edges; drawing larger and averaging makes them smooth.
_OVERSAMPLING = 3

COLORS: Mapping[str, str] = MappingProxyType({
    "red": "#e02f2f", "orange": "#f98a1c", "yellow": "#fddc2f", "green": "#3ea345",
    "teal": "#00998a", "sky": "#4fbdf5", "blue": "#1e4fd6", "purple": "#8a2bb0",
    "pink": "#f77fb3", "brown": "#7a4f37", "gray": "#8a8f98", "white": "#fbfbfb",
    "black": "#20232c",
})  # fmt: skip


def _outline(*points: tuple[float, float]) -> Outline:
    """Moves and scales a polygon so that it just fits into the unit square."""
    xs, ys = zip(*points, strict=True)
    left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return tuple(((x - left) / width, (y - top) / height) for x, y in points)


def _around(radius: Callable[[float], float], corners: int = 120) -> Outline:
    """The polygon whose distance from the middle depends on the angle, 0 at the top."""
    angles = (2 * pi * step / corners for step in range(corners))
    return _outline(*((radius(t) * sin(t), -radius(t) * cos(t)) for t in angles))


_HALF = [step * pi / 60 for step in range(61)]
_FULL = [step * pi / 60 for step in range(120)]
SHAPES: Mapping[str, Outline] = MappingProxyType({
    "circle": _around(lambda t: 1),
    "square": _outline((0, 0), (1, 0), (1, 1), (0, 1)),
    "triangle": _around(lambda t: 1, 3),
    "diamond": _around(lambda t: 1, 4),
    "hexagon": _around(lambda t: 1, 6),
    "star": _around(lambda t: 0.7 + 0.3 * cos(5 * t), 10),
    "flower": _around(lambda t: 0.82 + 0.18 * cos(8 * t)),
    "heart": _outline(*((16 * sin(t) ** 3, 5 * cos(2 * t) + 2 * cos(3 * t) + cos(4 * t)
                         - 13 * cos(t)) for t in _FULL)),
    "drop": _outline(*((sin(t) * sin(t / 2) ** 2, -cos(t)) for t in _FULL)),
    "moon": _outline(*((-sin(t), cos(t)) for t in _HALF), *((-sin(t) / 3, -cos(t)) for t in _HALF)),
    "cross": _outline((3, 0), (6, 0), (6, 3), (9, 3), (9, 6), (6, 6), (6, 9), (3, 9), (3, 6),
                      (0, 6), (0, 3), (3, 3)),
    "fish": _outline((0, 5), (1, 3), (3, 1), (6, 1), (10, 4), (13, 1), (12, 5), (13, 9), (10, 6),
                     (6, 9), (3, 9), (1, 7)),
    "arrow": _outline((0, 3), (6, 3), (6, 0), (12, 5), (6, 10), (6, 7), (0, 7)),
    "crown": _outline((0, 0), (3, 4), (6, 0), (9, 4), (12, 0), (12, 10), (0, 10)),
    "cat": _outline((0, 0), (3, 2), (9, 2), (12, 0), (12, 8), (9, 10), (3, 10), (0, 8)),
})  # fmt: skip
"""By name: the outline in the unit square, each side of which it touches."""


class Layout(NamedTuple):
    """The composition of one picture: pixels, and the background's hue from 0 to 1."""

    width: int
    height: int
    box: Box
    hue: float


def numbers(count: int, *key: object) -> tuple[int, ...]:
    """`count` integers in [0, 2**32) that depend on the key only, in any version of Python."""
    text = "/".join(map(str, key)).encode()
    return struct.unpack(f"<{count}I", hashlib.shake_128(text).digest(4 * count))


def fractions(count: int, *key: object) -> tuple[float, ...]:
    """`count` numbers in [0, 1) that depend on the key only."""
    return tuple(number / 2**32 for number in numbers(count, *key))


def shuffled(count: int, *key: object) -> list[int]:
    """The numbers 0 … count - 1 in an order that depends on the key only."""
    ranks = numbers(count, *key)
    return sorted(range(count), key=lambda index: (ranks[index], index))


def plan_layout(width: int, height: int, *key: object) -> Layout:
    """Composes one picture by its key: both sides vary by a tenth, one in six is portrait."""
    wide, high, turn, hue, scale, stretch, x, y = fractions(8, *key)
    width = max(1, round(width * (0.9 + 0.2 * wide)))
    height = max(1, round(height * (0.9 + 0.2 * high)))
    if turn < 1 / 6:
        width, height = height, width
    stage = height - _caption_height(width, height)
    side = (0.5 + 0.35 * scale) * min(width, stage)
    across = max(1, int(side * (0.9 + 0.2 * stretch)))
    down = max(1, int(side * (1.1 - 0.2 * stretch)))
    left, top = int(x * (width - across)), int(y * (stage - down))
    return Layout(width, height, (left, top, left + across, top + down), hue)


def draw_picture(shape: str, color: str, layout: Layout, caption: str) -> Image.Image:
    """Draws one picture, a tiny one without its caption."""
    column = Image.new("RGB", (1, 2))
    column.putdata([_tone(layout.hue, 0.92), _tone(layout.hue, 0.74)])
    column = column.resize((1, layout.height), Image.Resampling.BILINEAR)
    image = column.resize((layout.width, layout.height), Image.Resampling.NEAREST)
    draw_shape(image, shape, color, layout.box)
    if strip := _caption_height(*image.size):
        draw, top = ImageDraw.Draw(image), layout.height - strip
        draw.rectangle((0, top, *image.size), fill=_tone(layout.hue, 0.2))
        size = int(strip * 0.62)
        size = min(size, int(size * 0.94 * layout.width / _font(size).getlength(caption)))
        middle = (layout.width / 2, top + strip / 2)
        draw.text(middle, caption, "white", _font(max(6, size)), anchor="mm")
    return image


def draw_shape(image: Image.Image, shape: str, color: str, box: Box) -> None:
    """Draws a shape, with a dark edge, so that it touches all sides of a box."""
    width, height = _OVERSAMPLING * (box[2] - box[0]), _OVERSAMPLING * (box[3] - box[1])
    points = [(x * (width - 1), y * (height - 1)) for x, y in SHAPES[shape]]
    edge_pixels = max(1, min(width, height) // 50)
    for paint, outline in ((_EDGE, 255), (COLORS[color], 0)):
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).polygon(points, 255, outline, edge_pixels)
        image.paste(paint, box, mask.reduce(_OVERSAMPLING))


def encode_jpeg(image: Image.Image, **options: object) -> bytes:
    """Encodes a picture as the ordinary files of the archives are: baseline JPEG."""
    image.save(buffer := io.BytesIO(), "JPEG", quality=90, **options)
    return buffer.getvalue()


def encode_png(image: Image.Image) -> bytes:
    """Encodes a picture as some files of the archives are."""
    image.save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


def _caption_height(width: int, height: int) -> int:
    return 0 if min(width, height) < TINY_PIXELS else max(10, min(width, height) // 7)


_font = cache(ImageFont.load_default)


def _tone(hue: float, lightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.5)
    return round(red * 255), round(green * 255), round(blue * 255)
