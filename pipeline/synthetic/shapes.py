"""Plain shapes for invented classes."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from imagenet_beam.pipeline.synthetic.pen import Pen


def _circle(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.5, 0.45, 0.45)
    pen.face(0.5, 0.46, 0.42)


def _star(pen: Pen) -> None:
    pen.burst(pen.color, 0.5, 0.53, 5, 0.5, 0.23)
    pen.face(0.5, 0.5, 0.28)


def _triangle(pen: Pen) -> None:
    pen.points(pen.color, "50,5 97,92 3,92")
    pen.face(0.5, 0.62, 0.36)


def _square(pen: Pen) -> None:
    pen.box(pen.color, 0.08, 0.08, 0.92, 0.92, 0.06)
    pen.face(0.5, 0.46, 0.42)


def _heart(pen: Pen) -> None:
    pen.oval(pen.color, 0.28, 0.32, 0.24, 0.24)
    pen.oval(pen.color, 0.72, 0.32, 0.24, 0.24)
    pen.points(pen.color, "8,45 28,32 50,30 72,32 92,45 50,94")
    pen.face(0.5, 0.46, 0.36)


def _moon(pen: Pen) -> None:
    turns = [step * math.pi / 18 for step in range(-12, 13)]
    outer = [(0.62 - 0.5 * math.cos(turn), 0.5 + 0.45 * math.sin(turn)) for turn in turns]
    # The inner edge runs between the same two tips, on a flatter curve.
    tip = math.cos(turns[0])
    inner = [
        (0.62 - 0.5 * tip - 0.28 * (math.cos(turn) - tip), y)
        for turn, (_, y) in zip(turns, outer, strict=True)
    ]
    pen.shape(pen.color, *(value for point in (*outer, *reversed(inner)) for value in point))
    pen.face(0.29, 0.46, 0.24)


def _hexagon(pen: Pen) -> None:
    pen.burst(pen.color, 0.5, 0.5, 3, 0.48, 0.48)
    pen.face(0.5, 0.46, 0.4)


def _cross(pen: Pen) -> None:
    pen.box(pen.color, 0.34, 0.06, 0.66, 0.94, 0.04)
    pen.box(pen.color, 0.06, 0.34, 0.94, 0.66, 0.04)
    pen.face(0.5, 0.46, 0.32)


def _drop(pen: Pen) -> None:
    pen.points(pen.color, "50,3 80,50 20,50")
    pen.oval(pen.color, 0.5, 0.63, 0.34, 0.32)
    pen.face(0.5, 0.6, 0.34)


SHAPES: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {
        "circle": _circle,
        "star": _star,
        "triangle": _triangle,
        "square": _square,
        "heart": _heart,
        "moon": _moon,
        "hexagon": _hexagon,
        "cross": _cross,
        "drop": _drop,
    }
)
