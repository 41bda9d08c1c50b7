"""Drawings for the classes of the small data sets that ImageNet's do not cover."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from imagenet_beam.pipeline.synthetic.pen import INK, Pen

_STEM = "#3c8a3c"
_LEAF = "#4ba24b"


def _stalk(pen: Pen, top: float) -> None:
    pen.line(_STEM, 0.035, 0.5, top, 0.5, 0.98)
    pen.oval(_LEAF, 0.63, 0.84, 0.13, 0.045)
    pen.oval(_LEAF, 0.37, 0.9, 0.13, 0.045)


def _ring(pen: Pen, color: str, petals: int, radius: float, size: float, turn: float) -> None:
    for petal in range(petals):
        angle = 2 * math.pi * (petal + turn) / petals
        x, y = 0.5 + radius * math.cos(angle), 0.36 + radius * math.sin(angle)
        pen.oval(color, x, y, size, size)


def _sunflower(pen: Pen) -> None:
    _stalk(pen, 0.4)
    pen.burst(pen.dark, 0.5, 0.36, 16, 0.36, 0.24)
    pen.burst(pen.color, 0.5, 0.36, 14, 0.33, 0.22)
    pen.oval("#5b3a1c", 0.5, 0.36, 0.2, 0.2)
    pen.face(0.5, 0.34, 0.24)


def _dandelion(pen: Pen) -> None:
    _stalk(pen, 0.4)
    for ray in range(40):
        angle = ray * math.pi / 20
        x, y = 0.5 + 0.3 * math.cos(angle), 0.36 + 0.3 * math.sin(angle)
        pen.line(pen.dark, 0.01, 0.5, 0.36, x, y)
        pen.oval(pen.color, x, y, 0.03, 0.03)
    _ring(pen, pen.color, 24, 0.2, 0.035, 0.5)
    pen.oval(pen.color, 0.5, 0.36, 0.17, 0.17)
    pen.face(0.5, 0.34, 0.22)


def _rose(pen: Pen) -> None:
    _stalk(pen, 0.5)
    pen.points(_LEAF, "28,52 50,72 72,52 60,62 50,56 40,62")
    _ring(pen, pen.dark, 5, 0.17, 0.16, 0.25)
    _ring(pen, pen.color, 5, 0.13, 0.14, 0.75)
    for radius, span in ((0.21, "200-340"), (0.15, "20-170"), (0.09, "180-400")):
        pen.arc(pen.dark, 0.022, 0.5, 0.33, radius, span)
    pen.face(0.5, 0.42, 0.17)


def _tulip(pen: Pen) -> None:
    pen.line(_STEM, 0.035, 0.5, 0.5, 0.5, 0.98)
    pen.points(_LEAF, "50,96 26,54 32,50 52,86")
    pen.points(_LEAF, "50,96 74,54 68,50 48,86")
    pen.oval(pen.color, 0.5, 0.42, 0.24, 0.22)
    pen.points(pen.color, "26,44 24,8 42,28 50,4 58,28 76,8 74,44")
    pen.points(pen.light, "42,28 50,4 58,28 50,44")
    pen.face(0.5, 0.44, 0.24)


def _deer(pen: Pen) -> None:
    for side in (-1, 1):
        base, tip = 0.5 + side * 0.1, 0.5 + side * 0.3
        pen.line("#8a6a45", 0.035, base, 0.36, tip, 0.2, tip, 0.02)
        pen.line("#8a6a45", 0.03, tip, 0.2, 0.5 + side * 0.44, 0.1)
        pen.line("#8a6a45", 0.03, 0.5 + side * 0.2, 0.28, 0.5 + side * 0.16, 0.1)
        pen.oval(pen.color, 0.5 + side * 0.3, 0.44, 0.14, 0.06)
    pen.oval(pen.color, 0.5, 0.5, 0.21, 0.2)
    pen.points(pen.color, "31,54 69,54 60,88 40,88")
    pen.oval(pen.light, 0.5, 0.86, 0.13, 0.1)
    pen.eye(0.41, 0.5, 0.06)
    pen.eye(0.59, 0.5, 0.06)
    pen.oval(INK, 0.5, 0.83, 0.07, 0.045)


def _horse(pen: Pen) -> None:
    for x in (0.26, 0.36, 0.64, 0.74):
        pen.box(pen.dark, x, 0.6, x + 0.07, 0.95, 0.02)
    pen.line("#3d2a1c", 0.06, 0.82, 0.5, 0.93, 0.56, 0.95, 0.76)
    pen.oval(pen.color, 0.54, 0.56, 0.31, 0.17)
    pen.points(pen.color, "24,56 20,24 36,18 50,48")
    pen.points(pen.color, "32,10 40,26 16,44 4,42 4,32")
    pen.points(pen.dark, "29,16 32,2 37,14")
    pen.points("#3d2a1c", "33,10 40,12 56,44 44,44 36,24")
    pen.eye(0.24, 0.24, 0.04)


def _truck(pen: Pen) -> None:
    pen.box("#f1f1f4", 0.34, 0.2, 0.98, 0.72, 0.03)
    pen.points(pen.color, "2,50 10,34 32,34 32,74 2,74")
    pen.points("#cfe8f4", "7,50 12,38 24,38 24,50")
    pen.box("#777788", 0.02, 0.7, 0.98, 0.78)
    for x in (0.2, 0.68, 0.86):
        pen.oval(INK, x, 0.8, 0.09, 0.09)
        pen.oval("#c8c8d0", x, 0.8, 0.04, 0.04)
    pen.face(0.66, 0.42, 0.28)


MORE_SKETCHES: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {
        "sunflower": _sunflower,
        "dandelion": _dandelion,
        "rose": _rose,
        "tulip": _tulip,
        "deer": _deer,
        "horse": _horse,
        "truck": _truck,
    }
)
