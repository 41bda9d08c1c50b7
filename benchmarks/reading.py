"""How long `records[i]` takes: microseconds from the disk's cache, by the size of the image.

    python benchmarks/reading.py

Each number is the best of many runs, the kinds in turns, so that they see the same machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from imagenet_beam import Records
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.records.example import parse_example, serialize_example
from imagenet_beam.transforms.records.framing import framed
from imagenet_beam.transforms.records.schemas import inception_features

IMAGE_BYTES = (3_000, 14_000, 40_000, 110_000)
RECORDS, TURNS, CALLS = 2_000, 500, 40


def write(path: Path, image_bytes: int) -> None:
    """Records as `convert` writes them, with names, classes and sizes that differ."""
    data = os.urandom(image_bytes)
    with path.open("wb") as file:
        for number in range(RECORDS):
            wnid = f"n{number % 1000:08d}"
            ref = ImageRef("a.tar", 0, 0, f"{wnid}_{number}.JPEG", wnid)
            image = LabeledImage(ref, number % 1000 + 1, wnid, f"class {number % 1000}")
            encoded = EncodedImage(data, 375, 400 + number % 200, 3, "RGB", "JPEG", ())
            example = serialize_example(inception_features(image, encoded))
            file.write(b"".join(framed(example)))


def best_us(kinds: dict[str, Callable[[int], object]]) -> dict[str, float]:
    best = dict.fromkeys(kinds, float("inf"))
    for turn in range(TURNS):
        for kind, call in kinds.items():
            numbers = [(turn * CALLS + i) * 7919 % RECORDS for i in range(CALLS)]
            start = time.perf_counter()
            for number in numbers:
                call(number)
            best[kind] = min(best[kind], (time.perf_counter() - start) / CALLS * 1e6)
    return best


def measure(path: Path) -> dict[str, float]:
    """All kinds of reads of one file."""
    records, checked = Records(str(path)), Records(str(path), checksums=True)
    examples = [records.raw(number) for number in range(100)]
    size = path.stat().st_size // RECORDS
    with path.open("rb") as file:
        fd = file.fileno()
        return best_us(
            {
                "records[i]": records.__getitem__,
                "with checksums": checked.__getitem__,
                "bare read": lambda i: os.pread(fd, size, size * i),
                "parse_example": lambda i: parse_example(examples[i % 100]),
            }
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for image_bytes in IMAGE_BYTES:
            path = Path(folder) / f"{image_bytes}.tfrecord"
            write(path, image_bytes)
            shown = ", ".join(f"{kind} {us:.1f}" for kind, us in measure(path).items())
            print(f"{image_bytes:,} bytes: {shown}")


if __name__ == "__main__":
    main()
