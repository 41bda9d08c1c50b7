"""Small drawings by which a person tells the classes apart.

Each sketch is a few strokes on a unit square, x to the right and y down, in the
colour of its class.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image, ImageColor, ImageDraw

_INK = "#2b2b33"


class Pen:
    """Draws in fractions of a square picture.

    Args:
        image: The square picture to draw on.
        color: The colour of the class, as Pillow understands it.
    """

    def __init__(self, image: Image.Image, color: str) -> None:
        self._draw = ImageDraw.Draw(image)
        self._side = image.width
        self.color = color
        self.dark = _scaled(color, 0.68)
        self.light = _mixed_with_white(color, 0.55)

    def oval(self, color: str, x: float, y: float, rx: float, ry: float) -> None:
        """Fills an ellipse around (x, y)."""
        self._draw.ellipse(self._scale(x - rx, y - ry, x + rx, y + ry), fill=color)

    def shape(self, color: str, *xy: float) -> None:
        """Fills the polygon x0, y0, x1, y1, …."""
        self._draw.polygon(self._scale(*xy), fill=color)

    def line(self, color: str, width: float, *xy: float) -> None:
        """Draws a line through x0, y0, x1, y1, …."""
        pixels = max(1, round(width * self._side))
        self._draw.line(self._scale(*xy), fill=color, width=pixels, joint="curve")

    def arc(self, color: str, width: float, x: float, y: float, r: float, span: str) -> None:
        """Draws part of a circle around (x, y); the span is degrees, such as "20-160"."""
        first, last = map(int, span.split("-"))
        box = self._scale(x - r, y - r, x + r, y + r)
        self._draw.arc(box, first, last, fill=color, width=max(1, round(width * self._side)))

    def box(self, color: str, x0: float, y0: float, x1: float, y1: float, r: float = 0.0) -> None:
        """Fills a rectangle with corners of radius r."""
        self._draw.rounded_rectangle(self._scale(x0, y0, x1, y1), r * self._side, fill=color)

    def eye(self, x: float, y: float, r: float = 0.055) -> None:
        """Draws a wide-awake eye."""
        self.oval("white", x, y, r, r)
        self.oval(_INK, x + 0.15 * r, y + 0.1 * r, 0.6 * r, 0.6 * r)
        self.oval("white", x - 0.1 * r, y - 0.2 * r, 0.2 * r, 0.2 * r)

    def face(self, x: float, y: float, size: float = 0.3) -> None:
        """Draws two eyes and a smile."""
        self.eye(x - 0.35 * size, y, 0.22 * size)
        self.eye(x + 0.35 * size, y, 0.22 * size)
        self.arc(_INK, 0.08 * size, x, y + 0.12 * size, 0.42 * size, "25-155")

    def burst(
        self, color: str, x: float, y: float, points: int, outer: float, inner: float
    ) -> None:
        """Fills a star with that many points."""
        corners = []
        for corner in range(2 * points):
            radius = inner if corner % 2 else outer
            angle = math.pi * (corner / points - 0.5)
            corners += [x + radius * math.cos(angle), y + radius * math.sin(angle)]
        self.shape(color, *corners)

    def _scale(self, *values: float) -> list[float]:
        return [value * self._side for value in values]


def _fish(pen: Pen) -> None:
    pen.shape(pen.dark, 0.66, 0.5, 0.97, 0.24, 0.9, 0.5, 0.97, 0.76)
    pen.shape(pen.dark, 0.3, 0.36, 0.5, 0.14, 0.6, 0.36)
    pen.oval(pen.color, 0.4, 0.5, 0.36, 0.22)
    pen.arc(pen.dark, 0.02, 0.17, 0.5, 0.17, "310-50")
    pen.shape(pen.dark, 0.42, 0.52, 0.58, 0.46, 0.58, 0.62)
    pen.eye(0.2, 0.45)
    pen.arc(_INK, 0.015, 0.13, 0.53, 0.06, "10-100")


def _shark(pen: Pen) -> None:
    pen.shape(pen.dark, 0.4, 0.4, 0.56, 0.12, 0.62, 0.4)
    pen.shape(pen.dark, 0.82, 0.5, 0.98, 0.2, 0.94, 0.5, 0.98, 0.72)
    pen.shape(pen.color, 0.02, 0.48, 0.2, 0.36, 0.6, 0.36, 0.9, 0.5, 0.6, 0.62, 0.2, 0.64)
    pen.shape("#f4f4f4", 0.02, 0.5, 0.2, 0.66, 0.6, 0.62, 0.84, 0.52, 0.3, 0.56)
    pen.shape(pen.dark, 0.38, 0.58, 0.5, 0.8, 0.54, 0.58)
    pen.line(_INK, 0.012, 0.1, 0.56, 0.14, 0.6, 0.17, 0.565, 0.2, 0.6, 0.23, 0.565, 0.26, 0.6)
    pen.eye(0.19, 0.46, 0.035)


def _hammerhead(pen: Pen) -> None:
    _shark(pen)
    pen.box(pen.dark, 0.02, 0.26, 0.15, 0.74, 0.06)
    pen.eye(0.085, 0.32, 0.04)
    pen.eye(0.085, 0.68, 0.04)


def _bird(pen: Pen) -> None:
    for x in (0.42, 0.56):
        pen.line("#c87f1e", 0.025, x, 0.7, x, 0.93, x - 0.07, 0.95)
    pen.shape(pen.dark, 0.64, 0.5, 0.97, 0.3, 0.9, 0.62)
    pen.oval(pen.color, 0.5, 0.56, 0.28, 0.2)
    pen.oval(pen.color, 0.3, 0.3, 0.15, 0.15)
    pen.shape(pen.color, 0.17, 0.33, 0.44, 0.3, 0.6, 0.5, 0.3, 0.6)
    pen.oval(pen.dark, 0.58, 0.55, 0.17, 0.11)
    pen.shape("#f0a020", 0.17, 0.26, 0.02, 0.33, 0.17, 0.37)
    pen.eye(0.26, 0.27, 0.045)


def _cock(pen: Pen) -> None:
    for x in (0.24, 0.31, 0.38):
        pen.oval("#d8262c", x, 0.15, 0.05, 0.07)
    for x, y in ((0.9, 0.2), (0.96, 0.33), (0.93, 0.46)):
        pen.line("#1f6b4c", 0.07, 0.66, 0.55, x - 0.06, y, x, y + 0.12)
    _bird(pen)
    pen.oval("#d8262c", 0.2, 0.44, 0.035, 0.06)


def _wader(pen: Pen) -> None:
    for x in (0.54, 0.64):
        pen.line("#5a4a42", 0.02, x, 0.55, x, 0.96, x - 0.07, 0.97)
    pen.shape(pen.dark, 0.72, 0.4, 0.95, 0.56, 0.72, 0.58)
    pen.oval(pen.color, 0.6, 0.48, 0.22, 0.13)
    pen.line(pen.color, 0.06, 0.43, 0.48, 0.34, 0.42, 0.36, 0.28, 0.3, 0.14)
    pen.oval(pen.color, 0.28, 0.12, 0.075, 0.065)
    pen.shape("#3a3a3a", 0.22, 0.08, 0.02, 0.2, 0.22, 0.16)
    pen.oval("#d8262c", 0.29, 0.07, 0.045, 0.025)
    pen.eye(0.26, 0.11, 0.026)


def _owl(pen: Pen) -> None:
    pen.shape(pen.dark, 0.24, 0.32, 0.24, 0.06, 0.42, 0.2)
    pen.shape(pen.dark, 0.76, 0.32, 0.76, 0.06, 0.58, 0.2)
    pen.oval(pen.color, 0.5, 0.54, 0.32, 0.42)
    pen.oval(pen.light, 0.5, 0.7, 0.2, 0.24)
    for x in (0.37, 0.63):
        pen.oval(pen.light, x, 0.36, 0.15, 0.15)
        pen.oval("#f2c12e", x, 0.36, 0.1, 0.1)
        pen.oval(_INK, x, 0.36, 0.06, 0.06)
    pen.shape("#e08a1e", 0.46, 0.43, 0.54, 0.43, 0.5, 0.54)
    for y in (0.62, 0.72, 0.82):
        for x in (0.4, 0.5, 0.6):
            pen.arc(pen.dark, 0.014, x, y, 0.035, "10-170")


def _penguin(pen: Pen) -> None:
    pen.oval("#f0a020", 0.4, 0.93, 0.1, 0.04)
    pen.oval("#f0a020", 0.6, 0.93, 0.1, 0.04)
    pen.shape(pen.color, 0.24, 0.4, 0.1, 0.72, 0.32, 0.6)
    pen.shape(pen.color, 0.76, 0.4, 0.9, 0.72, 0.68, 0.6)
    pen.oval(pen.color, 0.5, 0.52, 0.29, 0.42)
    pen.oval("white", 0.5, 0.64, 0.2, 0.28)
    pen.oval("#f2c12e", 0.5, 0.4, 0.17, 0.06)
    pen.eye(0.42, 0.24)
    pen.eye(0.58, 0.24)
    pen.shape("#f0a020", 0.45, 0.3, 0.55, 0.3, 0.5, 0.38)


def _turtle(pen: Pen) -> None:
    for x in (0.28, 0.66):
        pen.box("#8fae4d", x, 0.62, x + 0.13, 0.84, 0.05)
    pen.shape("#8fae4d", 0.84, 0.66, 0.98, 0.72, 0.82, 0.72)
    pen.oval("#8fae4d", 0.15, 0.5, 0.13, 0.12)
    pen.shape(
        pen.color, 0.2, 0.68, 0.26, 0.42, 0.4, 0.26, 0.55, 0.22, 0.7, 0.26, 0.84, 0.42, 0.9, 0.68
    )
    pen.box(pen.dark, 0.18, 0.65, 0.92, 0.71, 0.03)
    for x, y in ((0.38, 0.5), (0.55, 0.38), (0.56, 0.56), (0.72, 0.48)):
        pen.burst("#e2b13c", x, y, 6, 0.08, 0.055)
    pen.eye(0.12, 0.46, 0.04)
    pen.arc(_INK, 0.014, 0.1, 0.5, 0.07, "30-130")


def _cat(pen: Pen) -> None:
    for side in (-1, 1):
        pen.shape(pen.color, 0.5 + side * 0.4, 0.06, 0.5 + side * 0.08, 0.3, 0.5 + side * 0.38, 0.5)
        pen.shape(
            "#f0a9a9", 0.5 + side * 0.34, 0.16, 0.5 + side * 0.17, 0.3, 0.5 + side * 0.34, 0.4
        )
    pen.oval(pen.color, 0.5, 0.56, 0.4, 0.36)
    for x in (0.4, 0.5, 0.6):
        pen.line(pen.dark, 0.035, x, 0.23, 0.5 + (x - 0.5) * 0.7, 0.36)
    for side in (-1, 1):
        pen.eye(0.5 + side * 0.17, 0.52, 0.085)
        pen.oval(pen.light, 0.5 + side * 0.07, 0.72, 0.09, 0.08)
        for y in (0.66, 0.72, 0.78):
            pen.line(_INK, 0.01, 0.5 + side * 0.16, 0.72, 0.5 + side * 0.46, y)
    pen.shape("#e0737a", 0.45, 0.64, 0.55, 0.64, 0.5, 0.7)


def _dog(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.52, 0.34, 0.4)
    pen.oval("#f6efe6", 0.5, 0.68, 0.22, 0.22)
    pen.shape("#f6efe6", 0.44, 0.5, 0.5, 0.12, 0.56, 0.5)
    for side in (-1, 1):
        pen.shape(
            pen.dark, 0.5 + side * 0.44, 0.04, 0.5 + side * 0.12, 0.2, 0.5 + side * 0.36, 0.46
        )
        pen.eye(0.5 + side * 0.16, 0.44, 0.065)
    pen.oval("#e0737a", 0.5, 0.83, 0.07, 0.09)
    pen.arc(_INK, 0.018, 0.5, 0.68, 0.13, "20-160")
    pen.oval(_INK, 0.5, 0.62, 0.08, 0.055)


def _frog(pen: Pen) -> None:
    pen.oval(pen.dark, 0.2, 0.8, 0.18, 0.1)
    pen.oval(pen.dark, 0.8, 0.8, 0.18, 0.1)
    pen.oval(pen.color, 0.5, 0.62, 0.4, 0.28)
    for x in (0.28, 0.72):
        pen.oval(pen.color, x, 0.3, 0.15, 0.16)
        pen.oval("#d8262c", x, 0.28, 0.1, 0.1)
        pen.oval(_INK, x, 0.28, 0.035, 0.08)
    pen.arc(_INK, 0.022, 0.5, 0.46, 0.28, "25-155")
    pen.oval(pen.light, 0.5, 0.84, 0.16, 0.06)


def _snail(pen: Pen) -> None:
    pen.line("#b98d5e", 0.02, 0.2, 0.52, 0.12, 0.3)
    pen.line("#b98d5e", 0.02, 0.24, 0.52, 0.26, 0.3)
    pen.oval("#c9a06e", 0.22, 0.62, 0.13, 0.15)
    pen.shape("#c9a06e", 0.12, 0.7, 0.3, 0.56, 0.97, 0.84, 0.14, 0.84)
    for r, color in ((0.29, pen.color), (0.22, pen.light), (0.15, pen.color), (0.07, pen.dark)):
        pen.oval(color, 0.58 - 0.1 * (0.29 - r), 0.48 + 0.2 * (0.29 - r), r, r)
    pen.eye(0.12, 0.28, 0.05)
    pen.eye(0.26, 0.28, 0.05)
    pen.arc(_INK, 0.016, 0.2, 0.6, 0.08, "30-150")


def _spider(pen: Pen) -> None:
    for side in (-1, 1):
        for y, end in ((0.42, 0.12), (0.5, 0.34), (0.58, 0.68), (0.66, 0.92)):
            knee = (y + end) / 2 - 0.08
            pen.line(pen.dark, 0.022, 0.5, y, 0.5 + side * 0.28, knee, 0.5 + side * 0.46, end)
    pen.oval(pen.color, 0.5, 0.62, 0.2, 0.25)
    pen.line("#f6e27a", 0.025, 0.5, 0.5, 0.5, 0.8)
    pen.line("#f6e27a", 0.025, 0.4, 0.6, 0.6, 0.6)
    pen.oval(pen.color, 0.5, 0.34, 0.15, 0.14)
    pen.face(0.5, 0.32, 0.22)


def _ladybug(pen: Pen) -> None:
    for x, tip in ((0.42, 0.32), (0.58, 0.68)):
        pen.line(_INK, 0.018, x, 0.2, tip, 0.06)
    pen.oval(_INK, 0.5, 0.25, 0.18, 0.15)
    pen.oval(pen.color, 0.5, 0.58, 0.36, 0.36)
    pen.line(_INK, 0.02, 0.5, 0.22, 0.5, 0.94)
    for x, y in ((0.32, 0.46), (0.68, 0.46), (0.28, 0.68), (0.72, 0.68), (0.4, 0.82), (0.6, 0.82)):
        pen.oval(_INK, x, y, 0.06, 0.06)
    pen.eye(0.43, 0.2, 0.045)
    pen.eye(0.57, 0.2, 0.045)


def _butterfly(pen: Pen) -> None:
    for side in (-1, 1):
        for y, rx, ry in ((0.34, 0.23, 0.25), (0.7, 0.17, 0.2)):
            pen.oval(_INK, 0.5 + side * 0.25, y, rx, ry)
            pen.oval(pen.color, 0.5 + side * 0.24, y, rx - 0.04, ry - 0.04)
            pen.line(_INK, 0.014, 0.5, 0.5, 0.5 + side * 0.4, y)
        pen.line(_INK, 0.014, 0.5, 0.25, 0.5 + side * 0.12, 0.06)
    pen.oval(_INK, 0.5, 0.52, 0.045, 0.28)
    pen.oval(_INK, 0.5, 0.26, 0.08, 0.08)
    pen.eye(0.47, 0.25, 0.03)
    pen.eye(0.54, 0.25, 0.03)


def _jellyfish(pen: Pen) -> None:
    for x in (0.28, 0.42, 0.58, 0.72):
        pen.line(pen.dark, 0.025, x, 0.5, x + 0.05, 0.62, x - 0.05, 0.75, x + 0.03, 0.95)
    pen.oval(pen.color, 0.5, 0.36, 0.36, 0.3)
    for x in (0.22, 0.41, 0.59, 0.78):
        pen.oval(pen.light, x, 0.5, 0.095, 0.07)
    pen.face(0.5, 0.3, 0.32)


def _flower(pen: Pen) -> None:
    pen.line("#3c8a3c", 0.03, 0.5, 0.5, 0.5, 0.98)
    pen.oval("#4ba24b", 0.62, 0.84, 0.12, 0.045)
    for petal in range(12):
        angle = petal * math.pi / 6
        pen.oval(pen.color, 0.5 + 0.23 * math.cos(angle), 0.36 + 0.23 * math.sin(angle), 0.1, 0.1)
    pen.oval("#f2b92c", 0.5, 0.36, 0.19, 0.19)
    pen.face(0.5, 0.33, 0.22)


def _mushroom(pen: Pen) -> None:
    pen.box("#f3e7d3", 0.36, 0.46, 0.64, 0.94, 0.12)
    pen.shape(
        pen.color, 0.06, 0.54, 0.12, 0.34, 0.28, 0.16, 0.5, 0.09, 0.72, 0.16, 0.88, 0.34, 0.94, 0.54
    )
    for x, y, r in ((0.3, 0.36, 0.07), (0.54, 0.24, 0.06), (0.72, 0.42, 0.065), (0.5, 0.46, 0.045)):
        pen.oval("white", x, y, r, r)
    pen.face(0.5, 0.66, 0.22)


def _banana(pen: Pen) -> None:
    pen.arc("#6b4a1e", 0.05, 0.42, 0.22, 0.56, "352-2")
    pen.arc(pen.dark, 0.22, 0.42, 0.22, 0.54, "2-128")
    pen.arc(pen.color, 0.18, 0.42, 0.22, 0.525, "0-130")
    pen.arc("#6b4a1e", 0.08, 0.42, 0.22, 0.47, "128-136")
    pen.face(0.68, 0.53, 0.2)


def _ball_fruit(pen: Pen) -> None:
    pen.line("#6b4a1e", 0.03, 0.5, 0.2, 0.54, 0.06)
    pen.oval("#4ba24b", 0.66, 0.1, 0.13, 0.05)
    pen.oval(pen.color, 0.5, 0.56, 0.4, 0.38)
    pen.oval(pen.light, 0.34, 0.36, 0.08, 0.05)
    pen.face(0.5, 0.54, 0.34)


def _strawberry(pen: Pen) -> None:
    pen.shape(
        pen.color, 0.14, 0.3, 0.3, 0.18, 0.7, 0.18, 0.86, 0.3, 0.82, 0.55, 0.5, 0.96, 0.18, 0.55
    )
    pen.burst("#3c9a4a", 0.5, 0.18, 7, 0.26, 0.1)
    for x, y in ((0.3, 0.42), (0.7, 0.42), (0.26, 0.56), (0.74, 0.56), (0.4, 0.76), (0.6, 0.76)):
        pen.oval("#f8e08a", x, y, 0.018, 0.026)
    pen.face(0.5, 0.5, 0.28)


def _pizza(pen: Pen) -> None:
    pen.shape(pen.dark, 0.06, 0.14, 0.94, 0.14, 0.94, 0.26, 0.5, 0.97, 0.06, 0.26)
    pen.shape(pen.color, 0.12, 0.26, 0.88, 0.26, 0.5, 0.92)
    for x, y in ((0.28, 0.36), (0.72, 0.36), (0.5, 0.72)):
        pen.oval("#c8372d", x, y, 0.08, 0.08)
    pen.face(0.5, 0.46, 0.26)


def _balloon(pen: Pen) -> None:
    pen.line("#6b4a1e", 0.012, 0.3, 0.55, 0.4, 0.8)
    pen.line("#6b4a1e", 0.012, 0.7, 0.55, 0.6, 0.8)
    pen.oval(pen.color, 0.5, 0.36, 0.34, 0.34)
    pen.oval(pen.light, 0.5, 0.36, 0.2, 0.34)
    pen.oval(pen.color, 0.5, 0.36, 0.08, 0.34)
    pen.shape(pen.dark, 0.3, 0.64, 0.7, 0.64, 0.6, 0.72, 0.4, 0.72)
    pen.box("#a5713a", 0.39, 0.79, 0.61, 0.96, 0.03)
    pen.face(0.5, 0.34, 0.3)


def _crane_machine(pen: Pen) -> None:
    pen.box(pen.color, 0.26, 0.12, 0.34, 0.9)
    pen.box(pen.color, 0.06, 0.2, 0.96, 0.26)
    for step in range(9):
        x, y = 0.08 + 0.1 * step, 0.3 + 0.066 * step
        pen.line(pen.dark, 0.012, x, 0.2, x + 0.06, 0.26)
        pen.line(pen.dark, 0.012, 0.26, y, 0.34, y + 0.06)
    pen.line(pen.dark, 0.014, 0.3, 0.06, 0.92, 0.21)
    pen.line(pen.dark, 0.014, 0.3, 0.06, 0.08, 0.21)
    pen.box("#777788", 0.06, 0.22, 0.17, 0.36)
    pen.line(_INK, 0.012, 0.8, 0.26, 0.8, 0.56)
    pen.arc(_INK, 0.022, 0.8, 0.6, 0.05, "270-170")
    pen.box("#777788", 0.12, 0.88, 0.5, 0.96)
    pen.box(pen.dark, 0.22, 0.24, 0.42, 0.42, 0.03)
    pen.face(0.32, 0.31, 0.15)


def _car(pen: Pen) -> None:
    pen.shape(pen.color, 0.24, 0.5, 0.38, 0.3, 0.64, 0.3, 0.8, 0.5)
    pen.shape("#cfe8f4", 0.32, 0.48, 0.4, 0.35, 0.5, 0.35, 0.5, 0.48)
    pen.shape("#cfe8f4", 0.54, 0.48, 0.54, 0.35, 0.62, 0.35, 0.7, 0.48)
    pen.box(pen.color, 0.02, 0.46, 0.98, 0.68, 0.08)
    pen.oval("#fff2a8", 0.06, 0.54, 0.04, 0.04)
    for x in (0.24, 0.76):
        pen.oval(_INK, x, 0.68, 0.12, 0.12)
        pen.oval("#c8c8d0", x, 0.68, 0.06, 0.06)


def _bus(pen: Pen) -> None:
    pen.box(pen.color, 0.04, 0.2, 0.96, 0.76, 0.06)
    for x in (0.1, 0.27, 0.44, 0.61):
        pen.box("#cfe8f4", x, 0.28, x + 0.13, 0.46, 0.02)
    pen.box("#cfe8f4", 0.79, 0.28, 0.92, 0.7, 0.02)
    pen.box(_INK, 0.04, 0.54, 0.76, 0.58)
    for x in (0.24, 0.72):
        pen.oval(_INK, x, 0.76, 0.11, 0.11)
        pen.oval("#c8c8d0", x, 0.76, 0.05, 0.05)


def _castle(pen: Pen) -> None:
    pen.box(pen.color, 0.22, 0.44, 0.78, 0.94)
    for x in (0.06, 0.7):
        pen.box(pen.dark, x, 0.34, x + 0.24, 0.94)
        pen.shape("#b8433a", x - 0.03, 0.34, x + 0.12, 0.06, x + 0.27, 0.34)
        pen.box("#f6e27a", x + 0.09, 0.5, x + 0.15, 0.62, 0.03)
    for x in (0.32, 0.46, 0.6):
        pen.box(pen.color, x, 0.36, x + 0.08, 0.46)
    pen.box("#5a3d26", 0.42, 0.68, 0.58, 0.94, 0.08)


def _volcano(pen: Pen) -> None:
    for x, y, r in ((0.4, 0.14, 0.1), (0.55, 0.1, 0.1), (0.64, 0.2, 0.08)):
        pen.oval("#e9e9ee", x, y, r, r)
    pen.shape(pen.color, 0.02, 0.94, 0.36, 0.3, 0.64, 0.3, 0.98, 0.94)
    pen.shape(
        "#f0582a", 0.36, 0.3, 0.64, 0.3, 0.7, 0.5, 0.6, 0.44, 0.54, 0.62, 0.46, 0.44, 0.34, 0.52
    )
    pen.face(0.5, 0.72, 0.28)


def _umbrella(pen: Pen) -> None:
    pen.line("#6b4a1e", 0.03, 0.5, 0.3, 0.5, 0.86)
    pen.arc("#6b4a1e", 0.03, 0.42, 0.84, 0.095, "0-170")
    dome = [
        (0.5 - 0.46 * math.cos(t * math.pi / 24), 0.54 - 0.44 * math.sin(t * math.pi / 24))
        for t in range(25)
    ]
    pen.shape(
        pen.color,
        *(value for point in dome for value in point),
        0.81,
        0.48,
        0.65,
        0.54,
        0.5,
        0.48,
        0.35,
        0.54,
        0.19,
        0.48,
    )
    pen.face(0.5, 0.32, 0.24)


def _mug(pen: Pen) -> None:
    for x in (0.32, 0.5):
        pen.line("#f4f4f8", 0.025, x, 0.24, x + 0.05, 0.18, x - 0.03, 0.12, x + 0.03, 0.04)
    pen.arc(pen.dark, 0.06, 0.72, 0.56, 0.2, "260-100")
    pen.box(pen.color, 0.14, 0.3, 0.72, 0.92, 0.08)
    pen.oval("#5a3420", 0.43, 0.32, 0.27, 0.06)
    pen.face(0.43, 0.58, 0.34)


def _clock(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.5, 0.45, 0.45)
    pen.oval("#fbf8ef", 0.5, 0.5, 0.37, 0.37)
    for hour in range(12):
        angle = hour * math.pi / 6
        pen.oval(_INK, 0.5 + 0.31 * math.cos(angle), 0.5 + 0.31 * math.sin(angle), 0.02, 0.02)
    pen.line(_INK, 0.03, 0.5, 0.5, 0.5, 0.26)
    pen.line(_INK, 0.03, 0.5, 0.5, 0.66, 0.58)


def _guitar(pen: Pen) -> None:
    pen.line("#6b4a1e", 0.06, 0.5, 0.5, 0.86, 0.14)
    pen.box(_INK, 0.82, 0.06, 0.94, 0.18, 0.03)
    pen.oval(pen.color, 0.3, 0.7, 0.25, 0.24)
    pen.oval(pen.color, 0.46, 0.54, 0.18, 0.18)
    pen.oval("#f4f4f8", 0.36, 0.66, 0.14, 0.1)
    pen.line(_INK, 0.014, 0.26, 0.74, 0.86, 0.14)
    pen.line(_INK, 0.05, 0.2, 0.72, 0.28, 0.8)


def _swimsuit(pen: Pen) -> None:
    for x in (0.36, 0.64):
        pen.line(pen.dark, 0.05, x, 0.04, x, 0.2)
    pen.shape(
        pen.color,
        0.3,
        0.16,
        0.5,
        0.28,
        0.7,
        0.16,
        0.7,
        0.46,
        0.78,
        0.66,
        0.56,
        0.96,
        0.44,
        0.96,
        0.22,
        0.66,
        0.3,
        0.46,
    )
    for y in (0.4, 0.52):
        pen.line(pen.light, 0.045, 0.31, y, 0.69, y)


def _cardigan(pen: Pen) -> None:
    pen.shape(pen.dark, 0.28, 0.14, 0.04, 0.66, 0.2, 0.74, 0.36, 0.4)
    pen.shape(pen.dark, 0.72, 0.14, 0.96, 0.66, 0.8, 0.74, 0.64, 0.4)
    pen.shape(
        pen.color, 0.28, 0.12, 0.4, 0.12, 0.5, 0.36, 0.6, 0.12, 0.72, 0.12, 0.76, 0.92, 0.24, 0.92
    )
    pen.line(pen.dark, 0.02, 0.5, 0.36, 0.5, 0.92)
    for y in (0.46, 0.6, 0.74):
        pen.oval("#fbf8ef", 0.54, y, 0.025, 0.025)


def _plane(pen: Pen) -> None:
    pen.shape(pen.dark, 0.84, 0.48, 0.98, 0.2, 0.9, 0.54)
    pen.box(pen.color, 0.03, 0.42, 0.94, 0.6, 0.09)
    pen.shape(pen.dark, 0.4, 0.52, 0.6, 0.52, 0.76, 0.86, 0.64, 0.86)
    pen.shape(pen.dark, 0.46, 0.42, 0.6, 0.42, 0.7, 0.2, 0.62, 0.2)
    for step in range(7):
        pen.oval("#3a6ea5", 0.24 + 0.08 * step, 0.48, 0.022, 0.022)
    pen.eye(0.12, 0.48, 0.04)


def _ship(pen: Pen) -> None:
    for x in (0.34, 0.64):
        pen.line("#6b4a1e", 0.025, x, 0.08, x, 0.7)
        pen.shape("#f6efe0", x - 0.2, 0.52, x - 0.16, 0.2, x + 0.16, 0.2, x + 0.12, 0.52)
    pen.shape(_INK, 0.64, 0.04, 0.64, 0.15, 0.84, 0.1)
    pen.shape(pen.color, 0.02, 0.6, 0.98, 0.56, 0.84, 0.88, 0.16, 0.88)
    for x in (0.3, 0.5, 0.7):
        pen.oval("#f2c12e", x, 0.72, 0.035, 0.035)


def _basketball(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.5, 0.45, 0.45)
    pen.line(_INK, 0.018, 0.05, 0.5, 0.95, 0.5)
    pen.line(_INK, 0.018, 0.5, 0.05, 0.5, 0.95)
    pen.arc(_INK, 0.018, -0.05, 0.5, 0.36, "300-60")
    pen.arc(_INK, 0.018, 1.05, 0.5, 0.36, "120-240")
    pen.face(0.5, 0.48, 0.3)


def _circle(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.5, 0.45, 0.45)
    pen.face(0.5, 0.46, 0.42)


def _star(pen: Pen) -> None:
    pen.burst(pen.color, 0.5, 0.53, 5, 0.5, 0.23)
    pen.face(0.5, 0.5, 0.28)


def _triangle(pen: Pen) -> None:
    pen.shape(pen.color, 0.5, 0.05, 0.97, 0.92, 0.03, 0.92)
    pen.face(0.5, 0.62, 0.36)


def _square(pen: Pen) -> None:
    pen.box(pen.color, 0.08, 0.08, 0.92, 0.92, 0.06)
    pen.face(0.5, 0.46, 0.42)


def _heart(pen: Pen) -> None:
    pen.oval(pen.color, 0.28, 0.32, 0.24, 0.24)
    pen.oval(pen.color, 0.72, 0.32, 0.24, 0.24)
    pen.shape(pen.color, 0.08, 0.45, 0.28, 0.32, 0.5, 0.3, 0.72, 0.32, 0.92, 0.45, 0.5, 0.94)
    pen.face(0.5, 0.46, 0.36)


def _moon(pen: Pen) -> None:
    curve = []
    for step in range(-12, 13):
        angle = step * math.pi / 14
        curve += [0.62 - 0.5 * math.cos(angle), 0.5 + 0.45 * math.sin(angle)]
    for step in range(12, -13, -1):
        angle = step * math.pi / 14
        curve += [0.62 - 0.16 * math.cos(angle), 0.5 + 0.4 * math.sin(angle)]
    pen.shape(pen.color, *curve)
    pen.face(0.29, 0.46, 0.24)


def _hexagon(pen: Pen) -> None:
    pen.burst(pen.color, 0.5, 0.5, 3, 0.48, 0.48)
    pen.face(0.5, 0.46, 0.4)


def _cross(pen: Pen) -> None:
    pen.box(pen.color, 0.34, 0.06, 0.66, 0.94, 0.04)
    pen.box(pen.color, 0.06, 0.34, 0.94, 0.66, 0.04)
    pen.face(0.5, 0.46, 0.32)


def _drop(pen: Pen) -> None:
    pen.shape(pen.color, 0.5, 0.03, 0.8, 0.5, 0.2, 0.5)
    pen.oval(pen.color, 0.5, 0.63, 0.34, 0.32)
    pen.face(0.5, 0.6, 0.34)


_ALL = (
    _fish, _shark, _hammerhead, _bird, _cock, _wader, _owl, _penguin, _turtle, _cat, _dog, _frog,
    _snail, _spider, _ladybug, _butterfly, _jellyfish, _flower, _mushroom, _banana, _ball_fruit,
    _strawberry, _pizza, _balloon, _crane_machine, _car, _bus, _castle, _volcano, _umbrella,
    _mug, _clock, _guitar, _swimsuit, _cardigan, _plane, _ship, _basketball,
)  # fmt: skip
_PLAIN = (_circle, _star, _triangle, _square, _heart, _moon, _hexagon, _cross, _drop)


def _name(sketch: Callable[[Pen], None]) -> str:
    return sketch.__name__.removeprefix("_")


PLAIN_SHAPES: tuple[str, ...] = tuple(map(_name, _PLAIN))
SKETCHES: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {_name(sketch): sketch for sketch in (*_PLAIN, *_ALL)}
)


def draw_sketch(name: str, color: str, side: int) -> Image.Image:
    """Draws a sketch and cuts it out: RGBA, transparent around it.

    Args:
        name: A key of `SKETCHES`.
        color: The colour of the class, as Pillow understands it.
        side: The longer side of the result is at most this many pixels.
    """
    large = Image.new("RGBA", (3 * side, 3 * side))
    SKETCHES[name](Pen(large, color))
    # Pillow draws hard edges; drawing larger and averaging makes them smooth.
    small = large.reduce(3)
    return small.crop(small.getbbox())


def _scaled(color: str, factor: float) -> str:
    red, green, blue = ImageColor.getrgb(color)[:3]
    return f"#{int(red * factor):02x}{int(green * factor):02x}{int(blue * factor):02x}"


def _mixed_with_white(color: str, share: float) -> str:
    red, green, blue = (int(c + (255 - c) * share) for c in ImageColor.getrgb(color)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"
