"""Pictures of the synthetic classes: planned first, drawn when they are needed."""

import colorsys
import io
from functools import cache, lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from imagenet_beam.pipeline.synthetic.catalog import SyntheticClass
from imagenet_beam.pipeline.synthetic.sketches import draw_sketch
from imagenet_beam.pipeline.synthetic.variation import fractions

# Below this width nobody reads a name; such pictures exist for their number only.
TINY_PIXELS = 32
_JPEG_QUALITY = 90
# Sprites are kept in these sizes, powers of two; the largest takes 38 MB to draw.
_MIN_SPRITE_PIXELS, _MAX_SPRITE_PIXELS = 64, 1024
# Neighbouring classes get hues that are far apart.
_GOLDEN_RATIO = 0.618034


class Layout(NamedTuple):
    """Where things are in one picture, in pixels.

    Attributes:
        width: Of the picture.
        height: Of the picture.
        box: Left, top, right and bottom of the drawing.
        gray: Whether the picture has no colours.
    """

    width: int
    height: int
    box: tuple[int, int, int, int]
    gray: bool


def plan_layout(sketch: str, width: int, height: int, *key: object) -> Layout:
    """Decides size and composition of one picture; needs no drawing.

    Args:
        sketch: The drawing that will be in it.
        width: About how wide; varied by up to a tenth, and one in six is portrait.
        height: About how high; varied likewise.
        *key: What identifies the picture.
    """
    wide, high, turn, gray, scale, x, y = fractions(7, *key)
    width, height = (
        max(1, round(width * (0.9 + 0.2 * wide))),
        max(1, round(height * (0.9 + 0.2 * high))),
    )
    if turn < 1 / 6:
        width, height = height, width
    stage_height = height - _caption_height(width, height)
    sprite_width, sprite_height = _sprite_size(sketch)
    zoom = (0.62 + 0.3 * scale) * min(width / sprite_width, stage_height / sprite_height)
    across, down = max(1, int(sprite_width * zoom)), max(1, int(sprite_height * zoom))
    left, top = int(x * (width - across)), int(y * (stage_height - down))
    return Layout(width, height, (left, top, left + across, top + down), gray < 1 / 25)


def draw_picture(look: SyntheticClass, hue_index: int, layout: Layout, caption: str) -> Image.Image:
    """Draws one picture: RGB, or L if the layout says gray.

    Args:
        look: The class, which gives the drawing.
        hue_index: Number of the class, which gives the background.
        layout: From `plan_layout`.
        caption: What to write below the drawing; left out of tiny pictures.
    """
    column = _background(hue_index).resize((1, layout.height), Image.Resampling.BILINEAR)
    image = column.resize((layout.width, layout.height), Image.Resampling.NEAREST)
    left, top, right, bottom = layout.box
    sprite = _sprite(look.sketch, look.color, _sprite_pixels(max(right - left, bottom - top)))
    sprite = sprite.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    image.paste(sprite, (left, top), sprite)
    _write_caption(image, hue_index, caption)
    return image.convert("L") if layout.gray else image


def encode_jpeg(image: Image.Image) -> bytes:
    """Encodes a picture as the ordinary files of the archives are: baseline JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _write_caption(image: Image.Image, hue_index: int, caption: str) -> None:
    height = _caption_height(image.width, image.height)
    if not height:
        return
    draw = ImageDraw.Draw(image)
    draw.rectangle(
        (0, image.height - height, image.width, image.height), fill=_tone(hue_index, 0.2)
    )
    size = max(6, int(height * 0.62))
    length = _font(size).getlength(caption)
    size = max(6, min(size, int(size * 0.94 * image.width / length)))
    middle = (image.width / 2, image.height - height / 2)
    draw.text(middle, caption, fill="white", font=_font(size), anchor="mm")


def _caption_height(width: int, height: int) -> int:
    return 0 if min(width, height) < TINY_PIXELS else max(10, min(width, height) // 7)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=1024)
def _background(hue_index: int) -> Image.Image:
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), _tone(hue_index, 0.86))
    column.putpixel((0, 1), _tone(hue_index, 0.6))
    return column


def _tone(hue_index: int, lightness: float) -> tuple[int, int, int]:
    hue = (hue_index * _GOLDEN_RATIO + 0.55) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.62)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sprite_pixels(side: int) -> int:
    return min(max(_MIN_SPRITE_PIXELS, 1 << (side - 1).bit_length()), _MAX_SPRITE_PIXELS)


@lru_cache(maxsize=256)
def _sprite(sketch: str, color: str, side: int) -> Image.Image:
    return draw_sketch(sketch, color, side)


@cache
def _sprite_size(sketch: str) -> tuple[int, int]:
    return draw_sketch(sketch, "gray", 256).size
