"""All boxes of a data set, packed so that every worker can hold them."""

from __future__ import annotations

import itertools
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.boxes.annotations import Annotation
from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import InputError

_ANNOTATION = 0  # what entries from XML have where those of CSVs have their file's number
_CSV_ERROR = 0.51e-4  # half of the fourth decimal, and what 32 bits cannot tell apart
_HEADER = struct.Struct("<5Q4Q")  # the counts; the sizes of stems and of the three arrays


class BoxCounts(NamedTuple):
    """What became of the boxes, for the manifest.

    Attributes:
        files: Annotated images; annotations without a usable box count as well.
        boxes: The boxes that can be looked up.
        clamped: Of these, the ones that were cut to the image.
        swapped: Of these, the ones whose minima and maxima were exchanged.
        dropped: Boxes left out, because they had no area or no image size.
    """

    files: int
    boxes: int
    clamped: int
    swapped: int
    dropped: int


@dataclass(frozen=True)
class BoxIndex:
    """Boxes by image stem: ImageNet's 544,546 images take 24 MB, as a dict of tuples 196 MB.

    Stems lie sorted in one run of bytes and are found by bisection; corners are
    the 32-bit floats that a record stores, so nothing is lost by packing them.

    Attributes:
        counts: What was read.
        stems: All stems, UTF-8, sorted, one after another.
        stem_starts: Where each begins in `stems`, and the end.
        box_starts: The number of each stem's first box, and the number of boxes.
        corners: xmin, ymin, xmax, ymax of each box.
    """

    counts: BoxCounts
    stems: bytes
    stem_starts: array[int]
    box_starts: array[int]
    corners: array[float]

    def __len__(self) -> int:
        """The number of stems."""
        return len(self.stem_starts) - 1

    def __contains__(self, stem: object) -> bool:
        """Whether there is an annotation for an image, be it one without boxes."""
        return isinstance(stem, str) and self._find(stem) is not None

    def boxes(self, stem: str) -> tuple[BoundingBox, ...]:
        """Returns the boxes of an image; none for an image without an annotation."""
        index = self._find(stem)
        if index is None:
            return ()
        first, end = self.box_starts[index], self.box_starts[index + 1]
        return tuple(
            BoundingBox(*self.corners[4 * number : 4 * number + 4]) for number in range(first, end)
        )

    def to_bytes(self) -> bytes:
        """Returns the index as bytes, the same ones on each machine, for a coder."""
        parts = [self.stems, *map(_little_endian, self._arrays())]
        return b"".join([_HEADER.pack(*self.counts, *map(len, parts)), *parts])

    @classmethod
    def from_bytes(cls, data: bytes) -> BoxIndex:
        """Returns the index that `to_bytes` wrote."""
        header = _HEADER.unpack_from(data)
        position, parts = _HEADER.size, []
        for size in header[5:]:
            parts.append(data[position : position + size])
            position += size
        index = cls(BoxCounts(*header[:5]), parts[0], array("Q"), array("I"), array("f"))
        for numbers, part in zip(index._arrays(), parts[1:], strict=True):
            numbers.frombytes(part)
            if sys.byteorder == "big":
                numbers.byteswap()
        return index

    def _arrays(self) -> Sequence[array[int] | array[float]]:
        return self.stem_starts, self.box_starts, self.corners

    def _stem_at(self, index: int) -> bytes:
        return self.stems[self.stem_starts[index] : self.stem_starts[index + 1]]

    def _find(self, stem: str) -> int | None:
        key = stem.encode("utf-8", "surrogatepass")
        index = bisect_left(range(len(self)), key, key=self._stem_at)
        return index if index < len(self) and self._stem_at(index) == key else None


def _little_endian(numbers: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def boxes_by_name(
    annotations: Iterable[Annotation] = (),
    tables: Iterable[Iterable[tuple[str, BoundingBox]]] = (),
) -> BoxIndex:
    """Packs annotations and CSVs into an index.

    The boxes of an image count once where several sources have the same ones, as an
    archive, its extracted folder, and the CSV that was made of it. Annotations go
    before CSVs, whose four decimals are less exact.

    Args:
        annotations: One for each annotated image.
        tables: The rows of each CSV, one for each box; the rows of an image need not
            be neighbours.

    Raises:
        InputError: Two sources have different boxes for one image.
    """
    builder = _Builder()
    for annotation in annotations:
        builder.add(annotation, _ANNOTATION)
    for number, rows in enumerate(tables, 1):
        for stem, box in rows:
            # Four decimals can make a thin box an empty one.
            empty = box.xmin == box.xmax or box.ymin == box.ymax
            row = Annotation(stem, () if empty else (box,), dropped=int(empty))
            builder.add(row, number)
    return builder.build()


class _Builder:
    """Collects entries in arrival order, already packed, and sorts them at the end."""

    def __init__(self) -> None:
        self._stems: list[bytes] = []
        self._starts = array("I", [0])
        self._corners = array("f")
        self._sources = array("I")
        self._fixes = array("I")  # clamped, swapped, dropped of each entry

    def add(self, annotation: Annotation, source: int) -> None:
        self._stems.append(annotation.stem.encode("utf-8", "surrogatepass"))
        for box in annotation.boxes:
            self._corners.extend(box)
        self._starts.append(len(self._corners))
        self._sources.append(source)
        self._fixes.extend(annotation[2:5])

    def build(self) -> BoxIndex:
        stems, stem_starts = bytearray(), array("Q", [0])
        corners, box_starts = array("f"), array("I", [0])
        fixes = [0, 0, 0]
        order = sorted(range(len(self._stems)), key=self._stems.__getitem__)
        for stem, entries in itertools.groupby(order, key=self._stems.__getitem__):
            chosen = self._agreed(list(entries))
            stems += stem
            stem_starts.append(len(stems))
            for entry in chosen:
                corners.extend(self._corners_of(entry))
                for index in range(3):
                    fixes[index] += self._fixes[3 * entry + index]
            box_starts.append(len(corners) // 4)
        counts = BoxCounts(len(stem_starts) - 1, len(corners) // 4, *fixes)
        return BoxIndex(counts, bytes(stems), stem_starts, box_starts, corners)

    def _agreed(self, entries: list[int]) -> list[int]:
        """Of all entries of an image those of the first source that has it."""
        if len(entries) == 1:
            return entries
        by_source: dict[int, list[int]] = {}
        for entry in entries:
            source = self._sources[entry]
            # Each annotation is a whole; the rows of one CSV belong together.
            by_source.setdefault(source or -1 - entry, []).append(entry)
        first, *others = by_source.values()
        for other in others:
            if not self._are_same(first, other):
                stem = self._stems[entries[0]].decode("utf-8", "replace")
                raise InputError(
                    f"`bounding_boxes` gives boxes for the image {stem} twice, and not the same"
                    " ones; name only the file that is right"
                )
        return first

    def _are_same(self, one: list[int], other: list[int]) -> bool:
        if self._sources[one[0]] == self._sources[other[0]] == _ANNOTATION:
            return self._corners_of(one[0]) == self._corners_of(other[0])
        a, b = self._as_in_csv(one), self._as_in_csv(other)
        return len(a) == len(b) and all(abs(x - y) <= _CSV_ERROR for x, y in zip(a, b, strict=True))

    def _as_in_csv(self, entries: list[int]) -> list[float]:
        """The corners of those boxes that four decimals do not make empty."""
        found: list[float] = []
        for entry in entries:
            values = self._corners_of(entry)
            for start in range(0, len(values), 4):
                xmin, ymin, xmax, ymax = values[start : start + 4]
                if round(xmin, 4) < round(xmax, 4) and round(ymin, 4) < round(ymax, 4):
                    found += (xmin, ymin, xmax, ymax)
        return found

    def _corners_of(self, entry: int) -> array[float]:
        return self._corners[self._starts[entry] : self._starts[entry + 1]]
