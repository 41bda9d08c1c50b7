"""The arithmetic of ``image.resize``."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.resize import MAX_SIDE_PX, Resize

SIDES = st.integers(1, MAX_SIDE_PX)


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("none", (500, 375), (500, 375)),
        ("shorter:256", (500, 375), (341, 256)),
        ("shorter:256", (375, 500), (256, 341)),
        ("shorter:256", (100, 50), (512, 256)),
        ("shorter:256", (300, 300), (256, 256)),
        ("longer:256", (500, 375), (256, 192)),
        ("longer:256", (375, 500), (192, 256)),
        ("longer:256", (100, 50), (256, 128)),
        ("longer:10", (1000, 1), (10, 1)),
        ("longer:3", (2, 1), (3, 2)),  # 1.5 rounds up.
        ("longer:5", (2, 1), (5, 3)),  # 2.5 too: no rounding to even.
        ("exact:224x192", (500, 375), (224, 192)),
    ],
)
def test_known_sizes(text: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert Resize.parse(text).target_size(*size) == expected


@given(side=SIDES, width=SIDES, height=SIDES)
def test_shorter_side_is_exact_and_the_other_is_rounded(side: int, width: int, height: int) -> None:
    target = Resize("shorter", side, side).target_size(width, height)
    exact = Fraction(max(width, height) * side, min(width, height))
    assert min(target) == side
    assert exact - Fraction(1, 2) < max(target) <= exact + Fraction(1, 2)
    assert (target[0] <= target[1]) == (width <= height) or target[0] == target[1]


@given(side=SIDES, width=SIDES, height=SIDES)
def test_longer_side_is_exact_and_nothing_vanishes(side: int, width: int, height: int) -> None:
    target = Resize("longer", side, side).target_size(width, height)
    exact = Fraction(min(width, height) * side, max(width, height))
    assert max(target) == side
    assert min(target) == max(1, (exact + Fraction(1, 2)).__floor__())


@given(side=SIDES, width=SIDES, height=SIDES, mode=st.sampled_from(["shorter", "longer"]))
def test_turning_the_image_turns_the_target(side: int, width: int, height: int, mode: str) -> None:
    resize = Resize(mode, side, side)
    assert resize.target_size(height, width) == resize.target_size(width, height)[::-1]


@given(
    st.one_of(
        st.just(Resize("none")),
        st.builds(
            lambda mode, n: Resize(mode, n, n), st.sampled_from(["shorter", "longer"]), SIDES
        ),
        st.builds(Resize, st.just("exact"), SIDES, SIDES),
    )
)
def test_text_round_trip(resize: Resize) -> None:
    assert Resize.parse(str(resize)) == resize


def test_text_is_canonical() -> None:
    assert str(Resize.parse("shorter:0256")) == "shorter:256"
    assert str(Resize.parse("exact:8x8")) == "exact:8x8"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "256",
        "None",
        "shorter",
        "shorter:",
        "shorter:0",
        "shorter:-1",
        "shorter:2.5",
        "shorter:256px",
        "shorter: 256",
        "longer:65501",
        "longer:99999999999999999999",
        "exact:224",
        "exact:0x5",
        "exact:5x65501",
        "none:5",
        "shorter:٢٥٦",
    ],
)
def test_mistakes_are_named(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Resize.parse(text)
    message = str(caught.value)
    assert message.startswith(f"`image.resize`={text} ")
    assert "shorter:N" in message
    assert "65500" in message


@pytest.mark.parametrize(
    "values", [("none", 1, 1), ("shorter", 4, 5), ("crop", 4, 4), ("exact", 0, 4), ("", 0, 0)]
)
def test_no_invalid_resize_can_be_built(values: tuple[str, int, int]) -> None:
    with pytest.raises(InputError, match=r"^`image.resize`="):
        Resize(*values)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("256", "shorter:256"),
        ("224x224", "exact:224x224"),
        ("320,240", "exact:320x240"),
    ],
)
def test_a_size_without_its_mode_is_told_what_it_may_mean(text, meant):
    with pytest.raises(InputError, match=rf"={text} is not understood \(did you mean {meant}\?\)"):
        Resize.parse(text)
    assert str(Resize.parse(meant)) == meant


@pytest.mark.parametrize("text", ["", "0", "0x10", "65501", "exact:10", "256px", "-1", "1x2x3"])
def test_nothing_is_suggested_that_would_not_be_accepted(text):
    with pytest.raises(InputError, match="is not understood: accepted are"):
        Resize.parse(text)
