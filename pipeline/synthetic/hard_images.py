"""The kinds of image files that break converters, and what should become of each.

They occur in ImageNet itself, in photographs at large, or after a failed download.
Each maker takes an RGB picture and gives the bytes of a file with the suffix .JPEG.
"""

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops

from imagenet_beam.pipeline.synthetic.pictures import encode_jpeg, encode_png

_ADOBE_MARKER = b"\xff\xee\x00\x0eAdobe"
_ADOBE_SEGMENT_BYTES = 16
_YCCK = 2
_START_OF_SCAN = b"\xff\xda\x00\x0c"
_ORIENTATION_TAG = 0x0112
_BOMB_PIXELS = 60_000
_PAGE = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n"
# A TIFF header whose directory claims 65,535 entries far behind its end.
_CORRUPT_EXIF = b"Exif\x00\x00II*\x00\xf0\xff\xff\x7f" + b"\xff" * 24


class HardImage(NamedTuple):
    """One kind of difficult file, and its fate: "record", or the reason of its rejection."""

    make: Callable[[Image.Image], bytes]
    fate: str = "record"


def _cmyk(picture: Image.Image) -> bytes:
    # Pillow writes CMYK as Adobe's programs do: inverted, and marked so.
    return encode_jpeg(_with_black(picture))


def _cmyk_unmarked(picture: Image.Image) -> bytes:
    data = _cmyk(picture)
    start = data.index(_ADOBE_MARKER)
    return data[:start] + data[start + _ADOBE_SEGMENT_BYTES :]


def _ycck(picture: Image.Image) -> bytes:
    # Pillow cannot write YCCK, but the file differs from CMYK only in what the first
    # three components mean: store their YCbCr and change the marker's transform byte.
    # ITU-T T.872: the stored Y, Cb, Cr are those of the inverted cyan, magenta, yellow.
    *inks, black = _with_black(picture).split()
    luma = Image.merge("RGB", inks).convert("YCbCr")
    channels = (*(ImageChops.invert(channel) for channel in luma.split()), black)
    data = bytearray(encode_jpeg(Image.merge("CMYK", channels)))
    data[data.index(_ADOBE_MARKER) + _ADOBE_SEGMENT_BYTES - 1] = _YCCK
    return bytes(data)


def _with_black(picture: Image.Image) -> Image.Image:
    """RGB to CMYK with a true black channel; Pillow's own conversion leaves it empty."""
    rgb = np.asarray(picture, dtype=np.float64)
    brightest = rgb.max(axis=2, keepdims=True)
    inks = 255 * (1 - rgb / np.maximum(brightest, 1))
    channels = np.concatenate([inks, 255 - brightest], axis=2)
    return Image.fromarray(channels.round().astype(np.uint8), "CMYK")


def _png_alpha(picture: Image.Image) -> bytes:
    fade = Image.linear_gradient("L").point(lambda level: 64 + level // 2)
    with_alpha = picture.copy()
    with_alpha.putalpha(fade.resize(picture.size))
    return encode_png(with_alpha)


def _png_16_bit_gray(picture: Image.Image) -> bytes:
    return encode_png(Image.fromarray(np.asarray(picture.convert("L"), dtype=np.uint16) * 257))


def _exif_orientation_6(picture: Image.Image) -> bytes:
    """A camera held upright: the pixels lie on their side, and the tag says so."""
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = 6
    return encode_jpeg(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


def _truncated(picture: Image.Image) -> bytes:
    """A whole header, and the first half of the pixels."""
    data = encode_jpeg(picture)
    return data[: (data.index(_START_OF_SCAN) + len(data)) // 2]


def _bomb(_: Image.Image) -> bytes:
    """A PNG of a few hundred bytes whose header announces 3.6 thousand million pixels."""
    header = struct.pack(">IIBBBBB", _BOMB_PIXELS, _BOMB_PIXELS, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for body in (b"IHDR" + header, b"IDAT" + zlib.compress(bytes(65_536)), b"IEND"):
        png += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png


HARD_IMAGES: Mapping[str, HardImage] = MappingProxyType({
    "png": HardImage(encode_png),
    "png_palette": HardImage(lambda picture: encode_png(picture.quantize(64))),
    "png_alpha": HardImage(_png_alpha),
    "png_16_bit_gray": HardImage(_png_16_bit_gray),
    "cmyk": HardImage(_cmyk),
    "cmyk_unmarked": HardImage(_cmyk_unmarked),
    "ycck": HardImage(_ycck),
    "gray": HardImage(lambda picture: encode_jpeg(picture.convert("L"))),
    "progressive": HardImage(lambda picture: encode_jpeg(picture, progressive=True)),
    "exif_corrupt": HardImage(lambda picture: encode_jpeg(picture, exif=_CORRUPT_EXIF)),
    "exif_orientation_6": HardImage(_exif_orientation_6),
    "truncated": HardImage(_truncated, "truncated"),
    "empty": HardImage(lambda _: b"", "empty"),
    "html": HardImage(lambda _: _PAGE, "not_an_image"),
    "gzip": HardImage(lambda picture: gzip.compress(encode_jpeg(picture), mtime=0), "gzip"),
    "bomb": HardImage(_bomb, "too_large"),
})  # fmt: skip
GOOD_KINDS = tuple(kind for kind, image in HARD_IMAGES.items() if image.fate == "record")
BAD_KINDS = tuple(kind for kind, image in HARD_IMAGES.items() if image.fate != "record")
