"""Which classes a synthetic ImageNet has, and what each looks like."""

from functools import cache
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.sketches import PLAIN_SHAPES

MAX_CLASSES = 100_000
# WordNet numbers its plants, things and places roughly in this order, after the animals.
_FIRST_ARTIFACT = "n02600000"
_FIRST_INVENTED = 90_000_000


class SyntheticClass(NamedTuple):
    """One class.

    Attributes:
        wnid: Its WordNet key.
        words: Its synonyms, separated by comma and space; not unique.
        sketch: The drawing on its pictures, a key of `SKETCHES`.
        color: The colour of the drawing.
    """

    wnid: str
    words: str
    sketch: str
    color: str

    @property
    def name(self) -> str:
        """The first of its synonyms."""
        return self.words.split(", ")[0]


# The order counts: the first ten are the demo. Each pair that shares a name is there.
_KNOWN = """\
n01440764 fish #8a9a4b tench, Tinca tinca
n01514668 cock #b5562c cock
n01622779 owl #8d8478 great grey owl, great gray owl, Strix nebulosa
n01669191 turtle #6b5a2e box turtle, box tortoise
n02012849 wader #b9c0c9 crane
n03126707 crane_machine #f0b323 crane
n02123045 cat #b8a07e tabby, tabby cat
n07753592 banana #f7d842 banana
n11939491 flower #fdfdf8 daisy
n02782093 balloon #e0473e balloon
n01443537 fish #f28c28 goldfish, Carassius auratus
n01484850 shark #7d8a99 great white shark, white shark, man-eater, man-eating shark, \
Carcharodon carcharias
n01644373 frog #4caf50 tree frog, tree-frog
n02056570 penguin #2d3440 king penguin, Aptenodytes patagonica
n02165456 ladybug #e03a2f ladybug, ladybeetle, lady beetle, ladybird, ladybird beetle
n04285008 car #d62f3a sports car, sport car
n03063599 mug #3f7fbf coffee mug
n07745940 strawberry #e2334b strawberry
n03710637 swimsuit #2f6fb5 maillot
n03710721 swimsuit #1f2a44 maillot, tank suit
n02113186 dog #c98a4b Cardigan, Cardigan Welsh corgi
n02963159 cardigan #8c4a6b cardigan
n02279972 butterfly #f08a24 monarch, monarch butterfly, milkweed butterfly, Danaus plexippus
n02317335 star #e8743b starfish, sea star
n01910747 jellyfish #b58ad6 jellyfish
n01944390 snail #a8683a snail
n02007558 wader #f48fb1 flamingo
n04146614 bus #f6b81a school bus
n02980441 castle #a8a29a castle
n09472597 volcano #6b5048 volcano
n07734744 mushroom #d8352f mushroom
n07873807 pizza #f5cf6b pizza, pizza pie
n04507155 umbrella #7b4fc9 umbrella
n04548280 clock #3a7d7c wall clock
n03272010 guitar #c2352b electric guitar
n02690373 plane #e9edf2 airliner
n03947888 ship #7a4a26 pirate, pirate ship
n02802426 basketball #e0762c basketball
n07747607 ball_fruit #f7931e orange
n07749582 ball_fruit #f5e14c lemon
n01494475 hammerhead #5f7482 hammerhead, hammerhead shark
n01773797 spider #8a6a2f garden spider, Aranea diademata
n01514859 bird #c9a06e hen
n01855672 bird #d9dbe0 goose
"""

_COLORS = {
    "red": "#e53935", "orange": "#fb8c00", "yellow": "#fdd835", "green": "#43a047",
    "teal": "#009688", "sky": "#29b6f6", "blue": "#1e5bd6", "purple": "#8e24aa",
    "pink": "#f06292", "brown": "#795548", "gray": "#8a8f98", "white": "#fafafa",
    "black": "#30343b",
}  # fmt: skip


@cache
def known_classes() -> tuple[SyntheticClass, ...]:
    """The built-in classes: real wnids with their words, a drawing each."""
    rows = (line.split(" ", 3) for line in _KNOWN.strip().splitlines())
    return tuple(SyntheticClass(wnid, words, look, hue) for wnid, look, hue, words in rows)


def choose_classes(count: int) -> tuple[SyntheticClass, ...]:
    """The first `count` classes, sorted by wnid; invented ones follow the built-in ones."""
    known = known_classes()[:count]
    invented = (_invent(number) for number in range(count - len(known)))
    return tuple(sorted((*known, *invented)))


def is_artifact(wnid: str) -> bool:
    """Whether a class goes below "artifact" instead of "animal" in the small hierarchy."""
    return wnid >= _FIRST_ARTIFACT


def _invent(number: int) -> SyntheticClass:
    colors = list(_COLORS.items())
    shape = PLAIN_SHAPES[number % len(PLAIN_SHAPES)]
    name, color = colors[number // len(PLAIN_SHAPES) % len(colors)]
    words = f"{name} {shape} {number}, invented class {number}"
    return SyntheticClass(f"n{_FIRST_INVENTED + 17 * number}", words, shape, color)
