"""Drawings of plants, food and things for the built-in classes."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from imagenet_beam.pipeline.synthetic.pen import INK, Pen


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
    pen.points(pen.color, "6,54 12,34 28,16 50,9 72,16 88,34 94,54")
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
    pen.points(pen.color, "14,30 30,18 70,18 86,30 82,55 50,96 18,55")
    pen.burst("#3c9a4a", 0.5, 0.18, 7, 0.26, 0.1)
    for x, y in ((0.3, 0.42), (0.7, 0.42), (0.26, 0.56), (0.74, 0.56), (0.4, 0.76), (0.6, 0.76)):
        pen.oval("#f8e08a", x, y, 0.018, 0.026)
    pen.face(0.5, 0.5, 0.28)


def _pizza(pen: Pen) -> None:
    pen.points(pen.dark, "6,14 94,14 94,26 50,97 6,26")
    pen.points(pen.color, "12,26 88,26 50,92")
    for x, y in ((0.28, 0.36), (0.72, 0.36), (0.5, 0.72)):
        pen.oval("#c8372d", x, y, 0.08, 0.08)
    pen.face(0.5, 0.46, 0.26)


def _balloon(pen: Pen) -> None:
    pen.line("#6b4a1e", 0.012, 0.3, 0.55, 0.4, 0.8)
    pen.line("#6b4a1e", 0.012, 0.7, 0.55, 0.6, 0.8)
    pen.oval(pen.color, 0.5, 0.36, 0.34, 0.34)
    pen.oval(pen.light, 0.5, 0.36, 0.2, 0.34)
    pen.oval(pen.color, 0.5, 0.36, 0.08, 0.34)
    pen.points(pen.dark, "30,64 70,64 60,72 40,72")
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
    pen.line(INK, 0.012, 0.8, 0.26, 0.8, 0.56)
    pen.arc(INK, 0.022, 0.8, 0.6, 0.05, "270-170")
    pen.box("#777788", 0.12, 0.88, 0.5, 0.96)
    pen.box(pen.dark, 0.22, 0.24, 0.42, 0.42, 0.03)
    pen.face(0.32, 0.31, 0.15)


def _car(pen: Pen) -> None:
    pen.points(pen.color, "24,50 38,30 64,30 80,50")
    pen.points("#cfe8f4", "32,48 40,35 50,35 50,48")
    pen.points("#cfe8f4", "54,48 54,35 62,35 70,48")
    pen.box(pen.color, 0.02, 0.46, 0.98, 0.68, 0.08)
    pen.oval("#fff2a8", 0.06, 0.54, 0.04, 0.04)
    for x in (0.24, 0.76):
        pen.oval(INK, x, 0.68, 0.12, 0.12)
        pen.oval("#c8c8d0", x, 0.68, 0.06, 0.06)


def _bus(pen: Pen) -> None:
    pen.box(pen.color, 0.04, 0.2, 0.96, 0.76, 0.06)
    for x in (0.1, 0.27, 0.44, 0.61):
        pen.box("#cfe8f4", x, 0.28, x + 0.13, 0.46, 0.02)
    pen.box("#cfe8f4", 0.79, 0.28, 0.92, 0.7, 0.02)
    pen.box(INK, 0.04, 0.54, 0.76, 0.58)
    for x in (0.24, 0.72):
        pen.oval(INK, x, 0.76, 0.11, 0.11)
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
    pen.points(pen.color, "2,94 36,30 64,30 98,94")
    pen.points("#f0582a", "36,30 64,30 70,50 60,44 54,62 46,44 34,52")
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
        pen.oval(INK, 0.5 + 0.31 * math.cos(angle), 0.5 + 0.31 * math.sin(angle), 0.02, 0.02)
    pen.line(INK, 0.03, 0.5, 0.5, 0.5, 0.26)
    pen.line(INK, 0.03, 0.5, 0.5, 0.66, 0.58)


def _guitar(pen: Pen) -> None:
    pen.line("#6b4a1e", 0.06, 0.5, 0.5, 0.86, 0.14)
    pen.box(INK, 0.82, 0.06, 0.94, 0.18, 0.03)
    pen.oval(pen.color, 0.3, 0.7, 0.25, 0.24)
    pen.oval(pen.color, 0.46, 0.54, 0.18, 0.18)
    pen.oval("#f4f4f8", 0.36, 0.66, 0.14, 0.1)
    pen.line(INK, 0.014, 0.26, 0.74, 0.86, 0.14)
    pen.line(INK, 0.05, 0.2, 0.72, 0.28, 0.8)


def _swimsuit(pen: Pen) -> None:
    for x in (0.36, 0.64):
        pen.line(pen.dark, 0.05, x, 0.04, x, 0.2)
    pen.points(pen.color, "30,16 50,28 70,16 70,46 78,66 56,96 44,96 22,66 30,46")
    for y in (0.4, 0.52):
        pen.line(pen.light, 0.045, 0.31, y, 0.69, y)


def _cardigan(pen: Pen) -> None:
    pen.points(pen.dark, "28,14 4,66 20,74 36,40")
    pen.points(pen.dark, "72,14 96,66 80,74 64,40")
    pen.points(pen.color, "28,12 40,12 50,36 60,12 72,12 76,92 24,92")
    pen.line(pen.dark, 0.02, 0.5, 0.36, 0.5, 0.92)
    for y in (0.46, 0.6, 0.74):
        pen.oval("#fbf8ef", 0.54, y, 0.025, 0.025)


def _plane(pen: Pen) -> None:
    pen.points(pen.dark, "84,48 98,20 90,54")
    pen.box(pen.color, 0.03, 0.42, 0.94, 0.6, 0.09)
    pen.points(pen.dark, "40,52 60,52 76,86 64,86")
    pen.points(pen.dark, "46,42 60,42 70,20 62,20")
    for step in range(7):
        pen.oval("#3a6ea5", 0.24 + 0.08 * step, 0.48, 0.022, 0.022)
    pen.eye(0.12, 0.48, 0.04)


def _ship(pen: Pen) -> None:
    for x in (0.34, 0.64):
        pen.line("#6b4a1e", 0.025, x, 0.08, x, 0.7)
        pen.shape("#f6efe0", x - 0.2, 0.52, x - 0.16, 0.2, x + 0.16, 0.2, x + 0.12, 0.52)
    pen.points(INK, "64,4 64,15 84,10")
    pen.points(pen.color, "2,60 98,56 84,88 16,88")
    for x in (0.3, 0.5, 0.7):
        pen.oval("#f2c12e", x, 0.72, 0.035, 0.035)


def _basketball(pen: Pen) -> None:
    pen.oval(pen.color, 0.5, 0.5, 0.45, 0.45)
    pen.line(INK, 0.018, 0.05, 0.5, 0.95, 0.5)
    pen.line(INK, 0.018, 0.5, 0.05, 0.5, 0.95)
    pen.arc(INK, 0.018, -0.05, 0.5, 0.36, "300-60")
    pen.arc(INK, 0.018, 1.05, 0.5, 0.36, "120-240")
    pen.face(0.5, 0.48, 0.3)


THINGS: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {
        "flower": _flower,
        "mushroom": _mushroom,
        "banana": _banana,
        "ball_fruit": _ball_fruit,
        "strawberry": _strawberry,
        "pizza": _pizza,
        "balloon": _balloon,
        "crane_machine": _crane_machine,
        "car": _car,
        "bus": _bus,
        "castle": _castle,
        "volcano": _volcano,
        "umbrella": _umbrella,
        "mug": _mug,
        "clock": _clock,
        "guitar": _guitar,
        "swimsuit": _swimsuit,
        "cardigan": _cardigan,
        "plane": _plane,
        "ship": _ship,
        "basketball": _basketball,
    }
)
