"""Drawings of animals for the built-in classes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from imagenet_beam.pipeline.synthetic.pen import INK, Pen


def _fish(pen: Pen) -> None:
    pen.points(pen.dark, "66,50 97,24 90,50 97,76")
    pen.points(pen.dark, "30,36 50,14 60,36")
    pen.oval(pen.color, 0.4, 0.5, 0.36, 0.22)
    pen.arc(pen.dark, 0.02, 0.17, 0.5, 0.17, "310-50")
    pen.points(pen.dark, "42,52 58,46 58,62")
    pen.eye(0.2, 0.45)
    pen.arc(INK, 0.015, 0.13, 0.53, 0.06, "10-100")


def _shark(pen: Pen) -> None:
    pen.points(pen.dark, "40,40 56,12 62,40")
    pen.points(pen.dark, "82,50 98,20 94,50 98,72")
    pen.points(pen.color, "2,48 20,36 60,36 90,50 60,62 20,64")
    pen.points("#f4f4f4", "2,50 20,66 60,62 84,52 30,56")
    pen.points(pen.dark, "38,58 50,80 54,58")
    pen.line(INK, 0.012, 0.1, 0.56, 0.14, 0.6, 0.17, 0.565, 0.2, 0.6, 0.23, 0.565, 0.26, 0.6)
    pen.eye(0.19, 0.46, 0.035)


def _hammerhead(pen: Pen) -> None:
    _shark(pen)
    pen.box(pen.dark, 0.02, 0.26, 0.15, 0.74, 0.06)
    pen.eye(0.085, 0.32, 0.04)
    pen.eye(0.085, 0.68, 0.04)


def _bird(pen: Pen) -> None:
    for x in (0.42, 0.56):
        pen.line("#c87f1e", 0.025, x, 0.7, x, 0.93, x - 0.07, 0.95)
    pen.points(pen.dark, "64,50 97,30 90,62")
    pen.oval(pen.color, 0.5, 0.56, 0.28, 0.2)
    pen.oval(pen.color, 0.3, 0.3, 0.15, 0.15)
    pen.points(pen.color, "17,33 44,30 60,50 30,60")
    pen.oval(pen.dark, 0.58, 0.55, 0.17, 0.11)
    pen.points("#f0a020", "17,26 2,33 17,37")
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
    pen.points(pen.dark, "72,40 95,56 72,58")
    pen.oval(pen.color, 0.6, 0.48, 0.22, 0.13)
    pen.line(pen.color, 0.06, 0.43, 0.48, 0.34, 0.42, 0.36, 0.28, 0.3, 0.14)
    pen.oval(pen.color, 0.28, 0.12, 0.075, 0.065)
    pen.points("#3a3a3a", "22,8 2,20 22,16")
    pen.oval("#d8262c", 0.29, 0.07, 0.045, 0.025)
    pen.eye(0.26, 0.11, 0.026)


def _owl(pen: Pen) -> None:
    pen.points(pen.dark, "24,32 24,6 42,20")
    pen.points(pen.dark, "76,32 76,6 58,20")
    pen.oval(pen.color, 0.5, 0.54, 0.32, 0.42)
    pen.oval(pen.light, 0.5, 0.7, 0.2, 0.24)
    for x in (0.37, 0.63):
        pen.oval(pen.light, x, 0.36, 0.15, 0.15)
        pen.oval("#f2c12e", x, 0.36, 0.1, 0.1)
        pen.oval(INK, x, 0.36, 0.06, 0.06)
    pen.points("#e08a1e", "46,43 54,43 50,54")
    for y in (0.62, 0.72, 0.82):
        for x in (0.4, 0.5, 0.6):
            pen.arc(pen.dark, 0.014, x, y, 0.035, "10-170")


def _penguin(pen: Pen) -> None:
    pen.oval("#f0a020", 0.4, 0.93, 0.1, 0.04)
    pen.oval("#f0a020", 0.6, 0.93, 0.1, 0.04)
    pen.points(pen.color, "24,40 10,72 32,60")
    pen.points(pen.color, "76,40 90,72 68,60")
    pen.oval(pen.color, 0.5, 0.52, 0.29, 0.42)
    pen.oval("white", 0.5, 0.64, 0.2, 0.28)
    pen.oval("#f2c12e", 0.5, 0.4, 0.17, 0.06)
    pen.eye(0.42, 0.24)
    pen.eye(0.58, 0.24)
    pen.points("#f0a020", "45,30 55,30 50,38")


def _turtle(pen: Pen) -> None:
    for x in (0.28, 0.66):
        pen.box("#8fae4d", x, 0.62, x + 0.13, 0.84, 0.05)
    pen.points("#8fae4d", "84,66 98,72 82,72")
    pen.oval("#8fae4d", 0.15, 0.5, 0.13, 0.12)
    pen.points(pen.color, "20,68 26,42 40,26 55,22 70,26 84,42 90,68")
    pen.box(pen.dark, 0.18, 0.65, 0.92, 0.71, 0.03)
    for x, y in ((0.38, 0.5), (0.55, 0.38), (0.56, 0.56), (0.72, 0.48)):
        pen.burst("#e2b13c", x, y, 6, 0.08, 0.055)
    pen.eye(0.12, 0.46, 0.04)
    pen.arc(INK, 0.014, 0.1, 0.5, 0.07, "30-130")


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
            pen.line(INK, 0.01, 0.5 + side * 0.16, 0.72, 0.5 + side * 0.46, y)
    pen.points("#e0737a", "45,64 55,64 50,70")


def _dog(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.52, 0.34, 0.4)
    pen.oval("#f6efe6", 0.5, 0.68, 0.22, 0.22)
    pen.points("#f6efe6", "44,50 50,12 56,50")
    for side in (-1, 1):
        pen.shape(
            pen.dark, 0.5 + side * 0.44, 0.04, 0.5 + side * 0.12, 0.2, 0.5 + side * 0.36, 0.46
        )
        pen.eye(0.5 + side * 0.16, 0.44, 0.065)
    pen.oval("#e0737a", 0.5, 0.83, 0.07, 0.09)
    pen.arc(INK, 0.018, 0.5, 0.68, 0.13, "20-160")
    pen.oval(INK, 0.5, 0.62, 0.08, 0.055)


def _frog(pen: Pen) -> None:
    pen.oval(pen.dark, 0.2, 0.8, 0.18, 0.1)
    pen.oval(pen.dark, 0.8, 0.8, 0.18, 0.1)
    pen.oval(pen.color, 0.5, 0.62, 0.4, 0.28)
    for x in (0.28, 0.72):
        pen.oval(pen.color, x, 0.3, 0.15, 0.16)
        pen.oval("#d8262c", x, 0.28, 0.1, 0.1)
        pen.oval(INK, x, 0.28, 0.035, 0.08)
    pen.arc(INK, 0.022, 0.5, 0.46, 0.28, "25-155")
    pen.oval(pen.light, 0.5, 0.84, 0.16, 0.06)


def _snail(pen: Pen) -> None:
    pen.line("#b98d5e", 0.02, 0.2, 0.52, 0.12, 0.3)
    pen.line("#b98d5e", 0.02, 0.24, 0.52, 0.26, 0.3)
    pen.oval("#c9a06e", 0.22, 0.62, 0.13, 0.15)
    pen.points("#c9a06e", "12,70 30,56 97,84 14,84")
    for r, color in ((0.29, pen.color), (0.22, pen.light), (0.15, pen.color), (0.07, pen.dark)):
        pen.oval(color, 0.58 - 0.1 * (0.29 - r), 0.48 + 0.2 * (0.29 - r), r, r)
    pen.eye(0.12, 0.28, 0.05)
    pen.eye(0.26, 0.28, 0.05)
    pen.arc(INK, 0.016, 0.2, 0.6, 0.08, "30-150")


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
        pen.line(INK, 0.018, x, 0.2, tip, 0.06)
    pen.oval(INK, 0.5, 0.25, 0.18, 0.15)
    pen.oval(pen.color, 0.5, 0.58, 0.36, 0.36)
    pen.line(INK, 0.02, 0.5, 0.22, 0.5, 0.94)
    for x, y in ((0.32, 0.46), (0.68, 0.46), (0.28, 0.68), (0.72, 0.68), (0.4, 0.82), (0.6, 0.82)):
        pen.oval(INK, x, y, 0.06, 0.06)
    pen.eye(0.43, 0.2, 0.045)
    pen.eye(0.57, 0.2, 0.045)


def _butterfly(pen: Pen) -> None:
    for side in (-1, 1):
        for y, rx, ry in ((0.34, 0.23, 0.25), (0.7, 0.17, 0.2)):
            pen.oval(INK, 0.5 + side * 0.25, y, rx, ry)
            pen.oval(pen.color, 0.5 + side * 0.24, y, rx - 0.04, ry - 0.04)
            pen.line(INK, 0.014, 0.5, 0.5, 0.5 + side * 0.4, y)
        pen.line(INK, 0.014, 0.5, 0.25, 0.5 + side * 0.12, 0.06)
    pen.oval(INK, 0.5, 0.52, 0.045, 0.28)
    pen.oval(INK, 0.5, 0.26, 0.08, 0.08)
    pen.eye(0.47, 0.25, 0.03)
    pen.eye(0.54, 0.25, 0.03)


def _jellyfish(pen: Pen) -> None:
    for x in (0.28, 0.42, 0.58, 0.72):
        pen.line(pen.dark, 0.025, x, 0.5, x + 0.05, 0.62, x - 0.05, 0.75, x + 0.03, 0.95)
    pen.oval(pen.color, 0.5, 0.36, 0.36, 0.3)
    for x in (0.22, 0.41, 0.59, 0.78):
        pen.oval(pen.light, x, 0.5, 0.095, 0.07)
    pen.face(0.5, 0.3, 0.32)


ANIMALS: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {
        "fish": _fish,
        "shark": _shark,
        "hammerhead": _hammerhead,
        "bird": _bird,
        "cock": _cock,
        "wader": _wader,
        "owl": _owl,
        "penguin": _penguin,
        "turtle": _turtle,
        "cat": _cat,
        "dog": _dog,
        "frog": _frog,
        "snail": _snail,
        "spider": _spider,
        "ladybug": _ladybug,
        "butterfly": _butterfly,
        "jellyfish": _jellyfish,
    }
)
