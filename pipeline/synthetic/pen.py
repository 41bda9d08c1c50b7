"""A pen for small drawings on a unit square."""

import math

from PIL import Image, ImageColor, ImageDraw

INK = "#2b2b33"


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

    def points(self, color: str, corners: str) -> None:
        """Fills a polygon given as SVG does, in hundredths: "5,90 50,10 95,90"."""
        self.shape(color, *(float(value) / 100 for value in corners.replace(",", " ").split()))

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
        self.oval(INK, x + 0.15 * r, y + 0.1 * r, 0.6 * r, 0.6 * r)
        self.oval("white", x - 0.1 * r, y - 0.2 * r, 0.2 * r, 0.2 * r)

    def face(self, x: float, y: float, size: float = 0.3) -> None:
        """Draws two eyes and a smile."""
        self.eye(x - 0.35 * size, y, 0.22 * size)
        self.eye(x + 0.35 * size, y, 0.22 * size)
        self.arc(INK, 0.08 * size, x, y + 0.12 * size, 0.42 * size, "25-155")

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


def _scaled(color: str, factor: float) -> str:
    red, green, blue = ImageColor.getrgb(color)[:3]
    return f"#{int(red * factor):02x}{int(green * factor):02x}{int(blue * factor):02x}"


def _mixed_with_white(color: str, share: float) -> str:
    red, green, blue = (int(c + (255 - c) * share) for c in ImageColor.getrgb(color)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"
