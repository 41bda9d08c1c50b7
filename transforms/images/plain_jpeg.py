"""Decoding plain JPEGs, RGB or gray, through TurboJPEG.

The pixels are those that Pillow gives, which has the same library inside. But Pillow feeds it in
pieces and copies each line into a layout of its own, out of which the samples would have to be
copied again for the filter. What is awkward (other components, rare codings, any damage) is left
to Pillow.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import PIL

from imagenet_beam.transforms.images.filter import Samples
from imagenet_beam.transforms.images.formats import COMMON_SOF_MARKERS, libjpeg_scale
from imagenet_beam.transforms.images.jpeg_header import JpegHeader

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

turbojpeg: Any = simplejpeg

_MODES = {1: "L", 3: "RGB"}
# Of so few pixels several scales give the same size, and TurboJPEG would take the smallest.
_AMBIGUOUS_SIDE_PX = 8


def decoder_name() -> str:
    """The library that decodes plain JPEGs, with its version."""
    if turbojpeg is None:
        return f"pillow {PIL.__version__}"
    return f"simplejpeg {importlib.metadata.version('simplejpeg')}"


def decode_plain(data: bytes, header: JpegHeader, target: tuple[int, int]) -> Samples | None:
    """Decodes a JPEG that is to be resized, at the scale that `open_jpeg` would choose.

    Returns:
        The pixels, or None where Pillow is to decode, or to tell what is wrong.
    """
    size = (header.width, header.height)
    if (
        turbojpeg is None
        or header.components not in _MODES
        or header.precision_bits != 8
        or header.sof_marker not in COMMON_SOF_MARKERS
        or max(size) <= _AMBIGUOUS_SIDE_PX
    ):
        return None
    mode = _MODES[header.components]
    scale = libjpeg_scale(size, target)
    width, height = -(-size[0] // scale), -(-size[1] // scale)
    try:
        found = turbojpeg.decode_jpeg_header(data)
        if found[:2] != size[::-1]:  # else the check of the size could be led astray
            return None
        pixels = turbojpeg.decode_jpeg(
            data,
            "GRAY" if mode == "L" else "RGB",
            min_height=height,
            min_width=width,
            min_factor=scale,
        )
    except (KeyError, ValueError):  # unusual subsampling; damage, be it repairable
        return None
    box = (0.0, 0.0, size[0] / scale, size[1] / scale)
    return Samples(pixels.tobytes(), mode, (width, height), box)
