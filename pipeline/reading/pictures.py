"""Small pictures of records and rejects, for the contact sheet and the report."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from imagenet_beam.transforms.elements import Reject
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.formats import DECODE_ERRORS, open_image, sniff_format
from imagenet_beam.transforms.images.modes import to_rgb_or_gray
from imagenet_beam.transforms.plain_text import shown
from imagenet_beam.transforms.storage.files import Storage

_MAX_PIXELS = 50_000_000  # of a picture that is only to be shown
_MAX_REJECT_BYTES = 20_000_000
_BOX_COLOUR, _PAPER, _INK, _NOTHING = "#ff3b30", "#ffffff", "#1d1d1f", "#e5e5ea"
_CAPTION_PX, _MARGIN_PX = 17, 6
_MORE = "…"

Boxes = Iterable[tuple[float, float, float, float]]


class Tile(NamedTuple):
    """One picture of a sheet.

    Attributes:
        image: The picture; None where there is none to be seen.
        caption: A line that stands below.
        boxes: Fractions of the picture.
    """

    image: Image.Image | None
    caption: str
    boxes: Boxes = ()


def decoded(data: bytes) -> Image.Image | None:
    """An image file as RGB or gray, as far as it can be decoded; None if it is none.

    What is cut off or damaged is shown up to that place.
    """
    try:
        kind = sniff_format(data)
        image = open_image(kind, data)
        if image.width * image.height > _MAX_PIXELS:
            return None
        try:
            image.load()
        except DECODE_ERRORS:
            image.tile = []  # what has been decoded stays
            image.load()
        return to_rgb_or_gray(image)[0]
    except (ImageRejected, *DECODE_ERRORS):
        return None


def rejected_image(reject: Reject, storage: Storage) -> Image.Image | None:
    """What can be seen of a reject, if its archive is still there and stores it plainly."""
    if not 0 < reject.size_bytes <= _MAX_REJECT_BYTES:
        return None
    try:
        return decoded(storage.read_range(reject.archive, reject.offset_bytes, reject.size_bytes))
    except InputError:
        return None


def drawn(tile: Tile, side: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """A picture within a square, its boxes drawn, the caption below."""
    sheet = Image.new("RGB", (side, side + _CAPTION_PX), _PAPER)
    draw = ImageDraw.Draw(sheet)
    if tile.image is None:
        draw.rectangle((0, 0, side - 1, side - 1), fill=_NOTHING)
        draw.text((side / 2, side / 2), "no picture", _INK, font, anchor="mm")
    else:
        small = ImageOps.contain(tile.image.convert("RGB"), (side, side))
        left, top = (side - small.width) // 2, (side - small.height) // 2
        sheet.paste(small, (left, top))
        for xmin, ymin, xmax, ymax in tile.boxes:
            x0, x1 = sorted(left + round(x * (small.width - 1)) for x in (xmin, xmax))
            y0, y1 = sorted(top + round(y * (small.height - 1)) for y in (ymin, ymax))
            draw.rectangle((x0, y0, x1, y1), outline=_BOX_COLOUR, width=2)
    draw.text((1, side + 2), _fitting(shown(tile.caption), side, font), _INK, font)
    return sheet


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    line = " ".join(text.split())[:200]
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + _MORE) > width:
        line = line[:-1]
    return line + _MORE


def contact_sheet(tiles: Sequence[Tile], side: int = 160, columns: int = 6) -> bytes:
    """Pictures in rows, as a PNG."""
    font = ImageFont.load_default(12)
    columns = min(columns, max(1, len(tiles)))
    rows = -(-len(tiles) // columns)
    across, down = side + _MARGIN_PX, side + _CAPTION_PX + _MARGIN_PX
    sheet = Image.new("RGB", (columns * across + _MARGIN_PX, rows * down + _MARGIN_PX), _PAPER)
    for number, tile in enumerate(tiles):
        place = (number % columns * across + _MARGIN_PX, number // columns * down + _MARGIN_PX)
        sheet.paste(drawn(tile, side, font), place)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def as_jpeg(image: Image.Image, quality: int = 72) -> bytes:
    """A picture for a page."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def montage(images: Sequence[Image.Image], side: int, columns: int) -> Image.Image:
    """Square middles of pictures, edge to edge: one file instead of many."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, max(1, rows) * side), _NOTHING)
    for number, image in enumerate(images):
        tile = ImageOps.fit(image.convert("RGB"), (side, side))
        sheet.paste(tile, (number % columns * side, number // columns * side))
    return sheet
