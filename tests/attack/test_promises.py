"""What the attacks would say of a program that loses an image, or changes one."""

import pytest
from plain_conversion import Converted, Made
from promises import EXACT, Allowed, check_images, check_sentence, check_shown

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.example import serialize_example


def made(wnid: str = "n01440764", image: bytes = b"image", label: int = 1) -> Made:
    return Made(wnid, serialize_example({"image/encoded": [image], "image/label": [label]}))


REJECT = Made("n01440764", b"", "corrupt: no picture")
TRUE = Converted({"train/a": made(), "train/b": made(image=b"other"), "train/c": REJECT}, 1)
A = frozenset({"train/a"})


def with_a(one: Made | None, passed_over: int = 1, **more: Made) -> Converted:
    """The same with another image a, or without it."""
    images = {name: made for name, made in TRUE.images.items() if name != "train/a"}
    return Converted({**images, **({"train/a": one} if one else {}), **more}, passed_over)


@pytest.mark.parametrize(
    ("now", "allowed", "why"),
    [
        (with_a(None), EXACT, "lost"),
        (with_a(None), Allowed(changed=A), "lost"),
        (with_a(None), Allowed(gone=A, told=True), "not told"),
        (with_a(None), Allowed(renamed=A), "0 counted"),
        (with_a(None), Allowed(passed_over=A), "0 counted"),
        (with_a(REJECT), EXACT, "is rejected"),
        (with_a(made(image=b"damaged")), EXACT, "another record"),
        (with_a(made(image=b"damaged")), Allowed(rejected=A), "another record"),
        (with_a(made(image=b"damaged")), Allowed(labels=True), "other pixels"),
        (with_a(made(wnid="n01443537")), Allowed(passed_over=A), "another record"),
        (with_a(made(), new=made()), Allowed(changed=A), "not there"),
        (with_a(None, new=made()), Allowed(passed_over=A), "not there"),
        (with_a(made(), **{"train/\x1b[2J": made()}), Allowed(renamed=A), "x1b"),
    ],
)
def test_broken(now, allowed, why):
    with pytest.raises(AssertionError, match=why):
        check_images(now, TRUE, allowed)


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (TRUE, EXACT),
        (with_a(None), Allowed(gone=A)),
        (with_a(None)._replace(notes=("it ends with zeros",)), Allowed(gone=A, told=True)),
        (with_a(None, passed_over=2), Allowed(passed_over=A)),
        (with_a(None, new=made()), Allowed(renamed=A)),
        (with_a(REJECT), Allowed(rejected=A)),
        (with_a(made(image=b"damaged")), Allowed(changed=A)),
        (with_a(made(label=2)), Allowed(labels=True)),
        (with_a(made(wnid="n01443537")), Allowed(renamed=A)),
    ],
)
def test_kept(now, allowed):
    check_images(now, TRUE, allowed)


@pytest.mark.parametrize("sentence", ["", "two\nlines", "two\u2028lines", " "])
def test_no_sentence(sentence):
    with pytest.raises(AssertionError):
        check_sentence(InputError(sentence))


@pytest.mark.parametrize("text", ["a bell \x07", "turned \u202e round", "half \ud800", "\0"])
def test_not_to_be_shown(text):
    with pytest.raises(AssertionError):
        check_shown(text)
