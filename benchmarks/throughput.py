"""The whole command against a bare pool of processes, on the same photographs, in one run.

The bare pool reads the same byte ranges and does nothing but what Pillow does for
`--resize=shorter:256`: decode, resize, encode. It labels nothing, writes nothing and
survives nothing. Both are run in turns, so that a noisy machine troubles both.

    python benchmarks/photographs.py --source=ILSVRC2012_img_train.tar --output=photographs.tar
    python benchmarks/throughput.py --archive=photographs.tar --devkit=ILSVRC2012_devkit_t12.tar.gz
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from imagenet_beam.transforms.archives.tar_archives import list_span, split_archive
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.storage.files import Storage

RESIZE = Resize.parse("shorter:256")
Range = tuple[str, int, int]


class Run(NamedTuple):
    """One run of the command.

    Attributes:
        seconds: From start to exit.
        first_image_seconds: From start until the first shard's file is begun.
        written_seconds: From start until the last shard is published.
        peak_mb: Peak memory of the process.
        cpu_seconds: Processor time of the process.
    """

    seconds: float
    first_image_seconds: float
    written_seconds: float
    peak_mb: float
    cpu_seconds: float


def byte_ranges(archive: str) -> list[Range]:
    """All images of the archive."""
    reader = Storage().open_ranges(archive)
    spans = split_archive(reader, archive)
    return [
        (archive, ref.offset_bytes, ref.size_bytes)
        for span in spans
        for ref in list_span(reader, span)
    ]


def bare_image(item: Range) -> int:
    """What Pillow has to do for one image, and nothing else."""
    archive, offset, size = item
    image: Image.Image = Image.open(io.BytesIO(os.pread(_descriptor(archive), size, offset)))
    width, height = RESIZE.target_size(*image.size)
    image.draft("RGB", (width, height))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=95)
    return len(target.getvalue())


_descriptors: dict[str, int] = {}


def _descriptor(archive: str) -> int:
    if archive not in _descriptors:
        _descriptors[archive] = os.open(archive, os.O_RDONLY)
    return _descriptors[archive]


def bare_pool(ranges: Sequence[Range], processes: int) -> float:
    """Seconds for all images, the pool's start included."""
    started = time.monotonic()
    with multiprocessing.Pool(processes) as pool:
        for _ in pool.imap_unordered(bare_image, ranges, chunksize=32):
            pass
    return time.monotonic() - started


def convert(archive: str, devkit: str, shards: int, flags: Sequence[str]) -> Run:
    """Runs the command in a process of its own."""
    output = tempfile.mkdtemp(prefix="imagenet-beam-benchmark-", dir=Path(archive).parent)
    command = [
        str(Path(sys.executable).with_name("imagenet-beam")),
        "convert",
        f"--train_archive={archive}",
        f"--devkit={devkit}",
        f"--output_dir={output}",
        f"--train_shards={shards}",
        "--expect=any",
        *flags,
    ]
    started, started_at = time.monotonic(), time.time()
    with Path(os.devnull).open("w") as null:
        child = os.posix_spawn(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null.fileno(), 2)]
        )
    try:
        first = _wait_for_first_bytes(output, started, child)
        _, status, usage = os.wait4(child, 0)
        seconds = time.monotonic() - started
        written = max(path.stat().st_mtime for path in Path(output).glob("train-*"))
    finally:
        shutil.rmtree(output)
    if status:
        raise SystemExit(f"{command} ended with status {status}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, first, written - started_at, usage.ru_maxrss / 1024, cpu_seconds)


def _wait_for_first_bytes(output: str, started: float, child: int) -> float:
    """Seconds until a shard is begun: its temporary file appears when its images start."""
    while not any(path.name.startswith(".train-") for path in Path(output).iterdir()):
        if any(path.name.startswith("train-") for path in Path(output).iterdir()):
            break
        time.sleep(0.005)
    return time.monotonic() - started


def import_seconds() -> float:
    """How long `import apache_beam` takes in a fresh process."""
    started = time.monotonic()
    os.waitpid(
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-W", "ignore", "-c", "import logging, apache_beam"],
            os.environ,
        ),
        0,
    )
    return time.monotonic() - started


def compare(args: argparse.Namespace) -> dict[str, object]:
    """Runs pool and command in turns and gives medians."""
    ranges = byte_ranges(args.archive)
    processes = os.cpu_count() or 1
    for path, offset, size in ranges:  # into the page cache
        os.pread(_descriptor(path), size, offset)
    bare, whole, none, imports = [], [], [], []
    for turn in range(args.turns):
        bare.append(bare_pool(ranges, processes))
        whole.append(convert(args.archive, args.devkit, args.shards, []))
        none.append(
            convert(args.archive, args.devkit, args.shards, ["--resize=none", "--threads=1"])
        )
        imports.append(import_seconds())
        print(turn, bare[-1], whole[-1], none[-1], imports[-1], file=sys.stderr)
    images = len(ranges)
    writing = [run.written_seconds - run.first_image_seconds for run in whole]
    ratios = [pool / seconds for pool, seconds in zip(bare, writing, strict=True)]
    import_median = statistics.median(imports)
    return {
        "machine": f"{platform.machine()}, {processes} cores",
        "images": images,
        "turns": args.turns,
        "bare_pool_images_per_second": round(images / statistics.median(bare)),
        "command_images_per_second_while_writing": round(images / statistics.median(writing)),
        "command_to_pool_ratio_while_writing": round(statistics.median(ratios), 3),
        "command_images_per_second_start_to_exit": round(
            images / statistics.median(run.seconds for run in whole)
        ),
        "seconds_to_first_image": round(
            statistics.median(run.first_image_seconds for run in whole), 2
        ),
        "seconds_to_first_image_beyond_import": round(
            statistics.median(run.first_image_seconds for run in whole) - import_median, 2
        ),
        "peak_mb": round(max(run.peak_mb for run in whole)),
        "resize_none_images_per_second_one_thread_while_writing": round(
            images
            / statistics.median(run.written_seconds - run.first_image_seconds for run in none)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--devkit", required=True)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    print(json.dumps(compare(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
