"""The report: one page of HTML about an output folder, with all that it shows inside."""

from __future__ import annotations

import base64
import importlib.resources
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
from PIL import Image

from imagenet_beam.pipeline.output import CLASSES, REJECTS, OutputFolder
from imagenet_beam.pipeline.progress import duration, in_units
from imagenet_beam.pipeline.reading.charts import bars, histogram
from imagenet_beam.pipeline.reading.facts import Facts, read_facts
from imagenet_beam.pipeline.reading.pictures import as_jpeg, decoded, montage, rejected_image
from imagenet_beam.pipeline.reading.records import Records
from imagenet_beam.pipeline.reading.shown import name_of
from imagenet_beam.transforms.elements import Reject
from imagenet_beam.transforms.labels.classes import ClassInfo, read_classes_csv
from imagenet_beam.transforms.plain_text import shown
from imagenet_beam.transforms.storage.files import Storage

_MONTAGES = ((4, 112), (3, 96), (2, 80), (1, 80), (1, 64), (1, 48))
"""Pictures a class and their sides in pixels, the best first."""

_MONTAGE_PIXELS = 2_600_000
_MONTAGE_BYTES = 900_000
_QUALITIES = (75, 60, 45, 30, 15)
_COLUMNS = 40
_SAMPLED_SHARDS = 8
_AT_ONCE = 64
_SHOWN_REJECTS, _PICTURED_REJECTS, _REJECT_PIXELS = 500, 100, 96
_SHOWN_CLASSES = 8
_MANY_CLASSES = 60
_TEMPLATE = "report.html"


class Sample(NamedTuple):
    """The pictures of a class in the montage.

    Attributes:
        name: The class.
        places: Where they are in it, in pixels.
    """

    name: str
    places: Sequence[tuple[int, int]]


def make_page(directory: str, storage: Storage) -> str:
    """Makes the report.

    Raises:
        InputError: If this is no finished conversion, or is damaged.
    """
    folder = OutputFolder(directory, storage, frozenset())
    facts = read_facts(folder)
    csv = storage.read_bytes(folder.path(CLASSES)).decode("utf-8", "replace")
    classes = read_classes_csv(csv, folder.path(CLASSES)).classes
    records = {split: Records(directory, split, storage=storage) for split, _ in facts.splits}
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: shown(value) if isinstance(value, str) else value,
    )
    environment.filters |= {"units": in_units, "duration": duration, "number": _number}
    template = importlib.resources.files(__package__).joinpath(_TEMPLATE).read_text("utf-8")
    montage_jpeg, side, samples = _samples(facts, records, classes)
    return environment.from_string(template).render(
        facts=facts,
        directory=directory,
        classes=_class_counts(facts, classes),
        charts=list(_charts(facts)),
        repairs=list(_repairs(facts, records)),
        rejects=list(_rejects(facts.rejects, storage)),
        rejects_file=REJECTS,
        montage=montage_jpeg,
        side=side,
        samples=samples,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _uri(data: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _class_counts(facts: Facts, classes: Sequence[ClassInfo]) -> dict[str, Any]:
    """The thinnest and the fattest classes of the first split that has some."""
    names = {info.wnid: name_of(info.wnid, info.text) for info in classes}
    for split, entry in facts.splits:
        counts = [
            (records, names.get(wnid, wnid)) for wnid, (_, records) in entry["classes"].items()
        ]
        if counts:
            counts.sort()
            shown = min(_SHOWN_CLASSES, -(-len(counts) // 2))
            most = counts[::-1][:shown]
            return {"split": split, "count": len(counts), "fewest": counts[:shown], "most": most}
    return {"split": "", "count": 0, "fewest": [], "most": []}


def _charts(facts: Facts) -> Iterator[tuple[str, str]]:
    """What each chart shows, and the chart."""
    for split, entry in facts.splits:
        counts = sorted((records for _, records in entry["classes"].values()), reverse=True)
        if counts:
            yield f"Records of the classes, {split}", _svg_uri(_class_chart(counts))
            break
    widths, heights = facts.figures("width"), facts.figures("height")
    if widths:
        sides = {"width": widths, "height": heights}
        yield "Sides of the stored images", _svg_uri(histogram(sides, "pixels", unit="pixel"))
        shapes = histogram({"": facts.figures("shape")}, "width : height", lambda _: 1, 10)
        yield "Shapes", _svg_uri(shapes)
        lengths = histogram({"": facts.figures("bytes")}, "kB", scale=1000, unit="kB")
        yield "Lengths of the stored images", _svg_uri(lengths)


def _class_chart(counts: Sequence[int]) -> str:
    """A bar for each class, or how many classes there are of each size."""
    if len(counts) <= _MANY_CLASSES:
        return bars(counts, "classes, the largest first", "records")
    step = max(1, (counts[0] - counts[-1]) // 40)
    binned = Counter(count // step * step for count in counts)
    return histogram({"": binned}, "records of a class", lambda _: step, what="classes")


def _svg_uri(svg: str) -> str:
    return _uri(svg.encode(), "image/svg+xml")


def _repairs(facts: Facts, records: Mapping[str, Records]) -> Iterator[dict[str, Any]]:
    """Each thing that was repaired or noted, with its first record."""
    for note, count in facts.notes.items():
        split, number = facts.place_of(note)
        item = records[split][number]
        image = decoded(item["image"])
        shown = _thumbnail(image) if image is not None else ""
        yield {"note": note, "count": count, "name": item["filename"], "picture": shown}


def _rejects(
    rejects: Sequence[tuple[str, str, Reject]], storage: Storage
) -> Iterator[dict[str, Any]]:
    for number, (split, shard, reject) in enumerate(rejects[:_SHOWN_REJECTS]):
        image = rejected_image(reject, storage) if number < _PICTURED_REJECTS else None
        shown = _thumbnail(image) if image is not None else ""
        yield {"split": split, "shard": shard, "picture": shown, **reject._asdict()}


def _thumbnail(image: Image.Image) -> str:
    image = image.copy()
    image.thumbnail((_REJECT_PIXELS, _REJECT_PIXELS))
    return _uri(as_jpeg(image, 60))


def _samples(
    facts: Facts, records: Mapping[str, Records], classes: Sequence[ClassInfo]
) -> tuple[str, int, list[Sample]]:
    """The montage, the side of its pictures, and where those of each class are in it."""
    split = facts.splits[0][0]
    names = {info.wnid: name_of(info.wnid, info.text) for info in classes}
    present = [wnid for wnid, (_, n) in facts.splits[0][1]["classes"].items() if n] or [""]
    for each, side in _MONTAGES:
        if each * side * side * len(present) <= _MONTAGE_PIXELS:
            break
    most = _MONTAGE_PIXELS // (each * side * side)
    if present == [""]:
        each = 24  # of images without classes
    present = present[:: -(-len(present) // most)]
    found = _first_of_each(records[split], present, each, facts)
    images = [image for wnid in present for image in found[wnid]]
    sheet = montage(images, side, _COLUMNS)
    jpegs = (as_jpeg(sheet, quality) for quality in _QUALITIES)
    data = next((jpeg for jpeg in jpegs if len(jpeg) <= _MONTAGE_BYTES), b"")
    places = iter(
        (number % _COLUMNS * side, number // _COLUMNS * side) for number in range(len(images))
    )
    samples = [
        Sample(names.get(wnid, wnid), [next(places) for _ in found[wnid]]) for wnid in present
    ]
    return _uri(data), side, samples


def _first_of_each(
    records: Records, wnids: Sequence[str], each: int, facts: Facts
) -> Mapping[str, list[Image.Image]]:
    """The first images of each class, out of a few shards."""
    found: dict[str, list[Image.Image]] = defaultdict(list)
    missing, has_classes = set(wnids), wnids != [""]
    end = sum(records.shard_lengths[:_SAMPLED_SHARDS])
    for start in range(0, end, _AT_ONCE):
        for item in records.__getitems__(range(start, min(start + _AT_ONCE, end))):
            wnid = item["wnid"] if has_classes else ""
            if wnid in missing and (image := decoded(item["image"])) is not None:
                found[wnid].append(image)
                if len(found[wnid]) == each:
                    missing.remove(wnid)
        if not missing:
            break
    return found
