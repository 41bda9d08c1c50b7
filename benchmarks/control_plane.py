"""The second table: the job without the pictures, by the number of images.

Tiny pictures go through every step. What is left is the control plane: listing, labels, shard
plan, shuffle, receipts and manifest.

    make benchmark-growth SIZES="1000 10000 100000 1281167 14200000:21841"

A size may name its classes; else there are as many as images, at most 1,000. Ten images in ten
classes come first: what they take is the base.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.class_tars import write_archive
from benchmarks.process_tree import measure
from benchmarks.throughput import machine

BASE = (10, 10)
MAX_CLASSES = 1000
COLUMNS = ("images", "classes", "seconds", "CPU s", "peak MB", "bytes an image above the base")


def size_of(text: str) -> tuple[int, int]:
    """Images and classes: "14200000:21841"."""
    images, _, classes = text.replace(",", "").partition(":")
    return int(images), int(classes or min(int(images), MAX_CLASSES))


def tiny_jpeg(color: int) -> bytes:
    """An 8x8 picture of one colour, in less than a block of a tar."""
    target = io.BytesIO()
    picture = Image.new("RGB", (8, 8), (color % 256, color // 4 % 256, 128))
    picture.save(target, "JPEG", optimize=True)
    return target.getvalue()


def classes_of(images: int, classes: int) -> Iterator[tuple[str, Iterator[tuple[str, bytes]]]]:
    """The members of each class, with names as uneven as ImageNet's."""
    for index in range(classes):
        wnid = f"n{index * 7 + 1440764:08d}"
        picture = tiny_jpeg(index)
        count = images // classes + (index < images % classes)
        yield wnid, ((f"{wnid}_{number * 7 + 3}.JPEG", picture) for number in range(count))


def run(work: Path, images: int, classes: int, args: argparse.Namespace) -> dict[str, Any]:
    """Writes the archive, unless it is there, and measures the command on it."""
    archive, output = work / f"{images}_in_{classes}.tar", work / "output"
    if not archive.exists():
        write_archive(archive, classes_of(images, classes))
    shutil.rmtree(output, ignore_errors=True)
    words = [sys.executable, "-m", "imagenet_beam", "convert", f"--train_archive={archive}"]
    words += [
        f"--output_dir={output}",
        f"--train_shards={min(args.shards, images)}",
        "--expect=any",
    ]
    log = work / f"{images}.log"
    usage = measure([*words, "--resize=none"], log, output, "*train-*")
    shutil.rmtree(output, ignore_errors=True)
    if not args.keep:
        archive.unlink()
    if usage.status:
        raise SystemExit(f"{images:,} images: status {usage.status}, see {log}")
    print(f"{images:,} images: {usage.seconds:.1f} s, {usage.peak_mb:.0f} MB", file=sys.stderr)
    return {"images": images, "classes": classes, **usage._asdict()}


def table(rows: list[dict[str, Any]]) -> str:
    """The figures in markdown; the first row is the base."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        above = (row["peak_mb"] - rows[0]["peak_mb"]) * 2**20 / row["images"]
        cells = [f"{row['images']:,}", f"{row['classes']:,}", f"{row['seconds']:.1f}"]
        cells += [f"{row['cpu_seconds']:.1f}", f"{row['peak_mb']:,.0f}"]
        lines.append(f"| {' | '.join([*cells, '-' if row is rows[0] else f'{above:,.0f}'])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=size_of, default=[], metavar="IMAGES[:CLASSES]")
    parser.add_argument("--images", type=int, help="one size more")
    parser.add_argument("--classes", type=int, help="its classes")
    parser.add_argument("--shards", type=int, default=1024)
    parser.add_argument("--keep", action="store_true", help="keep the archives")
    parser.add_argument("--directory", type=Path, default=Path(".benchmarks/growth"))
    args = parser.parse_args()
    sizes = [BASE, *args.sizes]
    if args.images:
        sizes.append((args.images, args.classes or min(args.images, MAX_CLASSES)))
    args.directory.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    found = {**machine(), "shards": args.shards, "rows": rows}
    for images, classes in sizes:
        rows.append(run(args.directory, images, classes, args))
        # After each, so that one that fails takes no others with it.
        (args.directory.parent / "growth.json").write_text(json.dumps(found, indent=1))
    print(f"{found['version']}, Python {found['python']}, {found['cores']} cores")
    print(table(rows))


if __name__ == "__main__":
    main()
