"""Writes MNIST: four gzipped IDX files with digits that a person can read."""

import struct
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from imagenet_beam.pipeline.synthetic.checks import check_range, claim_folder
from imagenet_beam.pipeline.synthetic.tars import gzip_stream, published
from imagenet_beam.pipeline.synthetic.variation import fractions, shuffled

_SIDE = 28
_IMAGES_NAME = "{}-images-idx3-ubyte.gz"
_LABELS_NAME = "{}-labels-idx1-ubyte.gz"
_FILE_NAMES = tuple(
    name.format(split) for split in ("train", "t10k") for name in (_IMAGES_NAME, _LABELS_NAME)
)
_GLYPH_SIDE = 56
_MOST_IMAGES = 1_000_000
_LABELS_MAGIC, _IMAGES_MAGIC = 0x0801, 0x0803


class MnistSplit(NamedTuple):
    """One split.

    Attributes:
        images: Shape (count, 28, 28); 0 is paper, 255 is ink.
        labels: The digits.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


class MnistSet(NamedTuple):
    """What was written."""

    train: MnistSplit
    test: MnistSplit


def write_mnist(
    output_dir: Path, train: int = 60_000, test: int = 10_000, seed: int = 0
) -> MnistSet:
    """Writes the four files under their real names.

    Args:
        output_dir: Where to write; made if it is missing.
        train: Number of training images.
        test: Number of test images.
        seed: Another number gives other digits.

    Raises:
        InputError: A value is out of its range, the folder cannot be made, or it
            holds such archives that are not synthetic.
    """
    check_range("train", train, 1, _MOST_IMAGES)
    check_range("test", test, 1, _MOST_IMAGES)
    claim_folder(output_dir, _FILE_NAMES)
    written = MnistSet(_draw_split("train", train, seed), _draw_split("t10k", test, seed))
    for name, split in (("train", written.train), ("t10k", written.test)):
        shape = struct.pack(">4I", _IMAGES_MAGIC, *split.images.shape)
        _write(output_dir / _IMAGES_NAME.format(name), shape + split.images.tobytes())
        shape = struct.pack(">2I", _LABELS_MAGIC, *split.labels.shape)
        _write(output_dir / _LABELS_NAME.format(name), shape + split.labels.tobytes())
    return written


def _write(path: Path, data: bytes) -> None:
    with published(path) as file, gzip_stream(file) as packed:
        packed.write(data)


def _draw_split(name: str, count: int, seed: int) -> MnistSplit:
    digits = [place % 10 for place in shuffled(count, seed, "mnist labels", name)]
    images = np.empty((count, _SIDE, _SIDE), dtype=np.uint8)
    for index, digit in enumerate(digits):
        images[index] = np.asarray(_draw(digit, seed, name, index))
    return MnistSplit(images, np.array(digits, dtype=np.uint8))


def _draw(digit: int, *key: object) -> Image.Image:
    """A digit, slanted, scaled and moved by the key."""
    slant, scale, turn, x, y = (2 * share - 1 for share in fractions(5, "mnist", *key))
    zoom = _GLYPH_SIDE / _SIDE * (1 + 0.1 * scale)
    across, down = (zoom, zoom * 0.35 * slant), (zoom * 0.12 * turn, zoom)
    middle = _SIDE / 2
    left = _GLYPH_SIDE / 2 - sum(across) * middle + 3 * x
    top = _GLYPH_SIDE / 2 - sum(down) * middle + 3 * y
    # Pillow's order: where in the glyph does the picture's pixel (x, y) come from.
    mapping = (*across, left, *down, top)
    size = (_SIDE, _SIDE)
    return _glyph(digit).transform(size, Image.Transform.AFFINE, mapping, Image.Resampling.BILINEAR)


@cache
def _glyph(digit: int) -> Image.Image:
    image = Image.new("L", (_GLYPH_SIDE, _GLYPH_SIDE))
    middle = (_GLYPH_SIDE / 2, _GLYPH_SIDE / 2)
    font = ImageFont.load_default(54)
    ImageDraw.Draw(image).text(middle, str(digit), 255, font, anchor="mm", stroke_width=1)
    # Shrinking by two without a filter would leave jagged edges.
    return image.filter(ImageFilter.GaussianBlur(0.8))
