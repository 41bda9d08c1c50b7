"""The filter that resizes: bicubic (a = -0.5) and antialiased.

`cykooz-resizer` is vectorised and takes a quarter of the time, but has wheels for some machines
only (the requirements say for which); elsewhere Pillow's filter serves. The two differ by
rounding, so the plan names the one in use: the shards of a set come from one of them.
"""

from __future__ import annotations

import importlib.metadata
import io
import threading
from typing import Any, NamedTuple

import PIL
from PIL import Image

from imagenet_beam.transforms.images.formats import Box

try:
    import cykooz_resizer
except ImportError:
    cykooz_resizer = None

vectorised: Any = cykooz_resizer

_CHANNELS = {"L": 1, "RGB": 3}
_STRIP_PIXELS = 1 << 20
# A resizer keeps its buffer, the picture as it is once its height is right; no thread
# is to hold on to more than this.
_KEPT_BYTES = 1 << 22
_kept = threading.local()  # as a resizer works for one thread at a time


class Samples(NamedTuple):
    """A picture as bytes.

    Attributes:
        data: Rows from the top, a byte a sample, interleaved.
        mode: `RGB` or `L`.
        size: Width and height in pixels.
        box: The part that is to be taken: left, top, right, bottom, in pixels and fractions
            of them.
    """

    data: bytes
    mode: str
    size: tuple[int, int]
    box: Box


def filter_name() -> str:
    """The library whose filter is in use, with its version."""
    if vectorised is None:
        return f"pillow {PIL.__version__}"
    return f"cykooz-resizer {importlib.metadata.version('cykooz-resizer')}"


def resized(image: Image.Image, target: tuple[int, int], box: Box | None = None) -> Image.Image:
    """Resizes a loaded picture of mode `RGB` or `L`, which cannot be used after that.

    Args:
        image: The picture.
        target: Width and height of the result.
        box: The part of the picture to take, as in `Samples`; all of it by default.
    """
    if vectorised is None:
        return image.resize(target, Image.Resampling.BICUBIC, box)
    samples = Samples(_bytes(image), image.mode, image.size, box or (0, 0, *image.size))
    image.close()
    return resized_samples(samples, target)


def resized_samples(samples: Samples, target: tuple[int, int]) -> Image.Image:
    """Resizes a picture that is there as bytes."""
    data, mode, size, box = samples
    if vectorised is None:
        return resized(Image.frombytes(mode, size, data), target, box)
    kind = vectorised.PixelType.U8 if mode == "L" else vectorised.PixelType.U8x3
    options = vectorised.ResizeOptions(
        vectorised.ResizeAlg.convolution(vectorised.FilterType.catmull_rom),
        crop_box=vectorised.CropBox(box[0], box[1], box[2] - box[0], box[3] - box[1]),
    )
    result = vectorised.ImageData(*target, kind)
    resizer = _resizer(size[0] * target[1] * _CHANNELS[mode])
    resizer.resize(vectorised.ImageData(*size, kind, data), result, options)
    return Image.frombytes(mode, target, result.get_buffer())


def _resizer(buffer_bytes: int) -> Any:
    if buffer_bytes > _KEPT_BYTES:
        return vectorised.Resizer()
    if not hasattr(_kept, "resizer"):
        _kept.resizer = vectorised.Resizer()
    return _kept.resizer


def _bytes(image: Image.Image) -> bytes:
    """As `Image.tobytes`, which holds a large picture twice while it joins its pieces."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if image.height <= rows:
        return image.tobytes()
    buffer = io.BytesIO()
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        buffer.write(strip.tobytes())
    return buffer.getvalue()
