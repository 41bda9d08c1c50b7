"""The drawings by which a person tells the classes apart."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image

from imagenet_beam.pipeline.synthetic.animals import ANIMALS
from imagenet_beam.pipeline.synthetic.more_sketches import MORE_SKETCHES
from imagenet_beam.pipeline.synthetic.pen import Pen
from imagenet_beam.pipeline.synthetic.shapes import SHAPES
from imagenet_beam.pipeline.synthetic.things import THINGS

PLAIN_SHAPES = tuple(SHAPES)
SKETCHES: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {**SHAPES, **ANIMALS, **THINGS, **MORE_SKETCHES}
)
# Pillow draws hard edges; drawing larger and averaging makes them smooth.
_OVERSAMPLING = 3


def draw_sketch(name: str, color: str, side: int) -> Image.Image:
    """Draws a sketch and cuts it out: RGBA, transparent around it.

    Args:
        name: A key of `SKETCHES`.
        color: The colour of the class, as Pillow understands it.
        side: The longer side of the result is at most this many pixels.
    """
    large = Image.new("RGBA", (_OVERSAMPLING * side, _OVERSAMPLING * side))
    SKETCHES[name](Pen(large, color))
    small = large.reduce(_OVERSAMPLING)
    return small.crop(small.getbbox())
