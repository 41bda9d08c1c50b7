"""The classes of the synthetic data sets: real names, and a shape in a colour for each."""

from itertools import product
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.pictures import COLORS, SHAPES

MAX_CLASSES = 100_000
_FIRST_INVENTED = 90_000_000


class SyntheticClass(NamedTuple):
    """One class.

    Attributes:
        wnid: Its WordNet key, or "" where the data set has none.
        words: Its synonyms, separated by comma and space; not unique.
        shape: What its pictures show, a key of `SHAPES`.
        color: The colour of the shape, a key of `COLORS`.
    """

    wnid: str
    words: str
    shape: str
    color: str

    @property
    def name(self) -> str:
        """The first of its synonyms."""
        return self.words.split(", ")[0]


# The order counts: the first ten are the demo. Each pair that shares a name is there.
_KNOWN = """\
n01440764 fish green tench, Tinca tinca
n01514668 crown red cock
n01622779 heart brown great grey owl, great gray owl, Strix nebulosa
n01669191 hexagon teal box turtle, box tortoise
n02012849 arrow sky crane
n03126707 cross orange crane
n02123045 cat gray tabby, tabby cat
n07753592 moon yellow banana
n11939491 flower white daisy
n02782093 circle pink balloon
n01443537 fish orange goldfish, Carassius auratus
n01644373 heart green tree frog, tree-frog
n02056570 drop black king penguin, Aptenodytes patagonica
n02165456 circle red ladybug, ladybeetle, lady beetle, ladybird, ladybird beetle
n02317335 star orange starfish, sea star
n03063599 square blue coffee mug
n03710637 diamond blue maillot
n03710721 diamond black maillot, tank suit
n04285008 arrow red sports car, sport car
n07745940 heart red strawberry
n02113186 cat orange Cardigan, Cardigan Welsh corgi
n02963159 square purple cardigan
n07873807 triangle yellow pizza, pizza pie
"""


def choose_classes(count: int) -> tuple[SyntheticClass, ...]:
    """The first `count` classes, sorted by wnid; invented ones follow the built-in ones.

    No two of the first 195 look alike.
    """
    rows = [line.split(" ", 3) for line in _KNOWN.splitlines()]
    classes = [SyntheticClass(wnid, words, shape, color) for wnid, shape, color, words in rows]
    known = {(row.color, row.shape) for row in classes}
    looks = [look for look in product(COLORS, SHAPES) if look not in known]
    for number in range(count - len(classes)):
        color, shape = looks[number % len(looks)]
        words = f"{color} {shape} {number}, invented class {number}"
        classes.append(SyntheticClass(f"n{_FIRST_INVENTED + 17 * number}", words, shape, color))
    return tuple(sorted(classes[:count]))
