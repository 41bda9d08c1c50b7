"""What is promised of each case, whatever was damaged: no image is lost without a word."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from attack_case import Attack
from plain_conversion import Converted, Made, convert

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.example import parse_example

_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_BIDI = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_NOTHING: Set[str] = frozenset()


@dataclass(frozen=True)
class Allowed:
    """What damage may have done; all other images are as they were.

    Attributes:
        changed: Images that may have other bytes, or be rejects: their format has no checksum
            of what was damaged.
        rejected: Images that may be rejects, but not have other bytes.
        passed_over: Images that may be passed over, if that is counted.
        renamed: Images that may have another name or class, or be passed over.
        gone: Images that may be missing: nothing tells that they have ever been there.
        told: Whether a note on the archive tells of it, if images are gone.
        labels: Whether only the images themselves are compared, and not what is said of them.
    """

    changed: Set[str] = _NOTHING
    rejected: Set[str] = _NOTHING
    passed_over: Set[str] = _NOTHING
    renamed: Set[str] = _NOTHING
    gone: Set[str] = _NOTHING
    told: bool = False
    labels: bool = False


EXACT = Allowed()
"""For what has a checksum: either nothing has changed, or it is refused."""


class Damaged(NamedTuple):
    """Flags of a conversion of damaged files, what the sound ones give, and what may differ."""

    flags: Sequence[str]
    true: Converted
    allowed: Allowed


def plain_attack(name: str, damage: Callable[[random.Random, Path], Damaged]) -> Attack:
    """An attack that converts without Beam what some damage gives."""
    return Attack(name, lambda rng, folder: check_conversion(*damage(rng, folder)))


def check_conversion(flags: Sequence[str], true: Converted, allowed: Allowed) -> str:
    """Converts, and compares with what the undamaged input gives; gives the outcome."""
    try:
        made = convert(flags)
    except InputError as error:
        check_sentence(error)
        return "refused"
    check_images(made, true, allowed)
    return outcome(made)


def outcome(made: Converted) -> str:
    """The word for what came of a conversion."""
    return "rejects" if any(one.reject for one in made.images.values()) else "records"


def check_images(made: Converted, true: Converted, allowed: Allowed) -> None:
    """Compares what came of a damaged input with what the undamaged one gives."""
    now, before = made.images, true.images
    for name, one in now.items():
        check_named(name + one.wnid + one.reject)
    new = now.keys() - before.keys()
    lost = before.keys() - now.keys()
    kept = lost - allowed.gone - allowed.renamed - allowed.passed_over
    assert not kept, f"lost: {sorted(kept)}"
    gone = lost & allowed.gone
    assert made.notes or not (gone and allowed.told), f"gone, and not told: {sorted(gone)}"
    counted = len(new) + made.passed_over - true.passed_over
    # Of those that may be gone another may have got the name.
    uncounted = len(lost) - len(allowed.gone)
    assert uncounted <= counted, f"lost, and {counted} counted: {sorted(lost)}"
    assert not new or allowed.renamed, f"images that were not there: {sorted(new)}"
    for name in (before.keys() & now.keys()) - allowed.changed - allowed.gone:
        one, other = before[name], now[name]
        if other.reject and not one.reject:
            assert name in allowed.rejected, f"{name} is rejected: {other.reject}"
        elif allowed.labels:
            assert pixels(one) == pixels(other), f"{name} has other pixels"
        elif name not in allowed.renamed:
            assert one == other, f"{name} is another record"


def pixels(made: Made) -> object:
    """The encoded image of a record."""
    return parse_example(made.record)["image/encoded"] if made.record else made.reject


def check_sentence(error: InputError) -> None:
    """A mistake is one sentence on one line; the command line escapes what is strange in it."""
    sentence = str(error)
    assert sentence.strip() == sentence and sentence, f"no sentence: {sentence!r}"
    assert len(sentence.splitlines()) == 1, f"several lines: {sentence!r}"


def check_named(name: str) -> None:
    """What names an image, or says why it is rejected, has no characters that control others."""
    strange = {one for one in name if unicodedata.category(one) in _CONTROLS}
    assert not strange, f"{strange} in {name!r}"


def check_shown(text: str) -> None:
    """What is shown has none of those either that turn the text around."""
    check_named(text)
    assert _BIDI.isdisjoint(text), f"{text!r} is shown in another order"
