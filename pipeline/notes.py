"""What a person should know of a conversion beside its counts, as plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from imagenet_beam.pipeline.progress import counted
from imagenet_beam.transforms.archives.passed import (
    BESIDE_IMAGES,
    EMPTY,
    FOLDER,
    HIDDEN,
    NO_FILE,
    NO_SUFFIX,
    OTHER_SPLIT,
)
from imagenet_beam.transforms.elements import PassedOver
from imagenet_beam.transforms.plain_text import shown

_REASONS = {
    BESIDE_IMAGES: "beside images with another suffix",
    OTHER_SPLIT: "images of other splits",
    NO_SUFFIX: "elsewhere with another suffix",
    HIDDEN: "hidden",
    EMPTY: "empty folders",
    FOLDER: "folders",
    NO_FILE: "links and the like",
}
_CMYK_UNMARKED = "repaired:cmyk_unmarked"


class Note(NamedTuple):
    """One thing to know.

    Attributes:
        kind: A short stable word: `passed_over`, `misplaced`, `cmyk_unmarked`, `labels`.
        text: The line, without the name of the split.
    """

    kind: str
    text: str


def split_notes(entry: Mapping[str, Any]) -> Iterator[Note]:
    """The notes on one split, by its entry in the manifest; of earlier versions, too."""
    passed = entry.get("passed_over", {"counts": {}, "names": ()})
    if passed["counts"]:
        yield Note("passed_over", passed_text(PassedOver(passed["counts"], passed["names"])))
    misplaced = entry.get("misplaced", {"images": 0})
    if misplaced["images"]:
        yield Note("misplaced", misplaced_text(misplaced["images"], misplaced["first"]))
    if unmarked := entry.get("notes", {}).get(_CMYK_UNMARKED):
        yield Note(
            "cmyk_unmarked",
            f"{counted(unmarked, 'CMYK image')} without Adobe's marker, taken as Photoshop stores "
            "them (inverted): look at the first on the report's page",
        )
    given, found = entry.get("labels_given", 0), entry.get("images_found", 0)
    if given != found:
        yield Note(
            "labels",
            f"there are {given:,} labels for {found:,} images, and each image took the one of its "
            "number: make sure that these labels are of this set",
        )


def passed_text(passed: PassedOver) -> str:
    """What was passed over, by reason, the suspicious first and by name."""
    total = sum(passed.counts.values())
    parts = [
        f"{passed.counts[reason]:,} {text}"
        for reason, text in _REASONS.items()
        if reason in passed.counts
    ]
    if beside := passed.counts.get(BESIDE_IMAGES):
        parts[0] += _some(beside, passed.names)
    return f"{counted(total, 'member')} passed over: {', '.join(parts)}"


def misplaced_text(count: int, first: Sequence[Sequence[str]]) -> str:
    """How many images lie in another class than their names say, and which are the first."""
    names = [f"{name} in {wnid}" for name, wnid in first]
    verb = "lies" if count == 1 else "lie"
    return (
        f"{counted(count, 'image')} {verb} in another class than the name says{_some(count, names)}"
    )


def _some(count: int, names: Sequence[str]) -> str:
    more = ", …" if count > len(names) else ""
    return f" ({', '.join(map(shown, names))}{more})"
