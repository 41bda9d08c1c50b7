"""Bringing any picture to 8-bit RGB or gray."""

from collections.abc import Callable, Mapping

from PIL import Image

from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import ImageRejected

_STRIP_PIXELS = 1 << 20
_TRANSPARENT_MODES = {"1": "LA", "L": "LA", "LA": "LA"}
_ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Where a point of the stored picture is seen, in fractions of the width and height.
_TURNS: Mapping[int, Callable[[float, float], tuple[float, float]]] = {
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}


def to_rgb_or_gray(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Converts a loaded picture to mode `RGB` or `L`; gray stays one channel.

    Transparency is laid on white: such pictures (logos, clip art) were made to lie on
    a page, and what alpha hides, or black behind black writing, is not the picture.
    CMYK is converted without its colour profile, as TensorFlow and Pillow do, so the
    colours are those that other converters give. 16-bit samples keep their upper byte.

    Returns:
        The converted picture, and notes on what was done.

    Raises:
        ImageRejected: `unsupported`, a mode that none of these formats has.
    """
    mode = image.mode
    if "transparency" in image.info or mode in ("RGBA", "LA", "PA"):
        return _on_white(image), ("repaired:alpha",)
    if mode in ("RGB", "L"):
        return image, ()
    if mode == "CMYK":
        return image.convert("RGB"), ()
    if mode == "P":
        return image.convert("RGB"), ("repaired:palette",)
    if mode == "1":
        return image.convert("L"), ("repaired:1bit",)
    if mode in ("I;16", "I;16L", "I;16B"):
        first = 0 if mode == "I;16B" else 1  # value // 256, as Pillow does with 16-bit RGB
        upper = Image.frombytes("L", image.size, image.tobytes()[first::2])
        return upper, ("repaired:16bit",)
    raise ImageRejected("unsupported", f"pixels of mode {mode} are not read")


def _on_white(image: Image.Image) -> Image.Image:
    """Works strip by strip: on the whole picture each step would cost 4 bytes a pixel more."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if image.height <= rows:
        return _strip_on_white(image)
    is_gray = image.mode in _TRANSPARENT_MODES
    result = Image.new("L" if is_gray else "RGB", image.size)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        result.paste(_strip_on_white(strip), (0, top))
    return result


def _strip_on_white(image: Image.Image) -> Image.Image:
    mode = _TRANSPARENT_MODES.get(image.mode, "RGBA")
    layer = image if image.mode == mode else image.convert(mode)
    bands = layer.split()
    opaque = Image.merge("RGB", bands[:3]) if mode == "RGBA" else bands[0]
    white = Image.new(opaque.mode, opaque.size, "white")
    return Image.composite(opaque, white, bands[-1])


def rotated(image: Image.Image, orientation: int) -> Image.Image:
    """Turns a picture the way its Exif orientation, 1 to 8, says it is to be seen."""
    return image if orientation == 1 else image.transpose(_ROTATIONS[orientation])


def turned_box(box: BoundingBox, orientation: int) -> BoundingBox:
    """Returns where a box of the stored picture lies in what `rotated` makes of it."""
    if orientation == 1:
        return box
    turn = _TURNS[orientation]
    (x1, y1), (x2, y2) = turn(box.xmin, box.ymin), turn(box.xmax, box.ymax)
    return BoundingBox(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
