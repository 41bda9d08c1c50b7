"""What a run says at its end: what came out, what was noticed, where it lies, what to do next."""

from __future__ import annotations

import resource
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from imagenet_beam.pipeline.notes import split_notes
from imagenet_beam.pipeline.output import MANIFEST, REJECTS
from imagenet_beam.pipeline.progress import counted, duration, folded, in_units, per_second
from imagenet_beam.transforms.storage.files import join

_HEAD = ("split", "images", "records", "rejects", "classes", "shards", "bytes")


def summary(
    manifest: Mapping[str, Any],
    directory: str,
    report: str = "",
    columns: int = sys.maxsize,
    label_notes: Iterable[str] = (),
) -> str:
    """The table, the notes, the places and what to do next.

    Args:
        manifest: The run's.
        directory: The output folder.
        report: The path of the report; "" where none was written.
        columns: How long a line of the table or of a note may be.
        label_notes: Further notes, on the classes.
    """
    blocks = [
        "\n".join(table(list(_rows(manifest)), columns)),
        "\n".join(folded(line, columns) for line in (*notes(manifest), *label_notes)),
        "\n".join(_places(manifest, directory, report)),
        "\n".join(_next_steps(manifest, directory, report)),
    ]
    return "\n\n".join(block for block in blocks if block)


def speed(images: int, seconds: float) -> str:
    """What the run did itself."""
    return (
        f"done: {counted(images, 'image')} in {duration(seconds)}, "
        f"{per_second(images / max(seconds, 1e-3), 'image')}, "
        f"peak memory {_peak_memory_mb():,.0f} MB"
    )


def table(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """Lines of aligned cells; where they would be too long, with a line for each column."""
    lines = _aligned(rows)
    return lines if len(lines[0]) <= columns else _aligned(list(zip(*rows, strict=True)))


def notes(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What is worth knowing of the images and boxes, a line for each kind."""
    for name, entry in manifest["splits"].items():
        if "official_images" in entry:
            official = counted(entry["official_images"], "image")
            if entry["is_official_count"]:
                yield f"{name}: all {official} of the official archive"
            elif entry["images"] < entry["official_images"]:
                yield f"{name}: {entry['images']:,} of the {official} of the official archive"
            else:
                found = counted(entry["images"], "image")
                yield f"{name}: {found}, and the official archive has {official}"
        yield from (f"{name}: {note.text}" for note in split_notes(entry))
        kinds: dict[str, list[str]] = {}
        for note, count in entry["notes"].items():
            kind, _, what = note.partition(":")
            kinds.setdefault(kind, []).append(f"{what} ({count:,})".lstrip())
        reasons = [f"{reason} ({count:,})" for reason, count in entry["reject_reasons"].items()]
        for kind, counts in (*kinds.items(), ("rejected", reasons)):
            if counts:
                yield f"{name}, {kind}: {', '.join(counts)}"
    if "bounding_boxes" in manifest:
        boxes = manifest["bounding_boxes"]
        fates = ", ".join(f"{boxes[fate]:,} {fate}" for fate in ("clamped", "swapped", "dropped"))
        yield (
            f"bounding boxes: {boxes['boxes']:,} in {counted(boxes['files'], 'file')}, {fates}, "
            f"{boxes['without_image']:,} for images that are not there"
        )


def _rows(manifest: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield _HEAD
    for name, entry in manifest["splits"].items():
        numbers = [entry["images"], entry["records"], entry["rejects"]]
        numbers += [len(entry["classes"]), len(entry["shards"])]
        yield (name, *(f"{number:,}" for number in numbers), in_units(entry["bytes"]))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]


def _places(manifest: Mapping[str, Any], directory: str, report: str) -> Iterator[str]:
    yield f"output: {directory}"
    yield f"manifest: {join(directory, MANIFEST)}"
    if any(entry["rejects"] for entry in manifest["splits"].values()):
        yield f"rejects: {join(directory, REJECTS)}"
    if report:
        yield f"report: {report}"


def _next_steps(manifest: Mapping[str, Any], directory: str, report: str) -> Iterator[str]:
    shown = shlex.quote(directory)
    yield "next:"
    yield f"  imagenet-beam verify {shown}"
    yield f"  imagenet-beam show {shown}"
    if not report:
        yield f"  imagenet-beam report {shown}"
    split = next(iter(manifest["splits"]))
    yield f"  in Python: imagenet_beam.Records({directory!r}, {split!r})"


def _peak_memory_mb() -> float:
    """Of this process and of its largest child; ru_maxrss is in KiB on Linux, bytes on macOS."""
    unit = 1 if sys.platform == "darwin" else 1024
    usage = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in usage) * unit / 1e6
