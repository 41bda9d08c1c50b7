"""What an image costs by parts, with Pillow alone, with the fast filter, and with both libraries.

Processor time of one thread, medians over images and turns. Each turn of each kind is a process
of its own, as the memory that one kind gives back to the system costs another one time.

    python benchmarks/image_parts.py --archive=photographs.tar --images=200 --turns=5
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imagenet_beam.transforms.archives.tar_archives import list_span, split_archive
from imagenet_beam.transforms.images import filter as image_filter
from imagenet_beam.transforms.images import formats, plain_jpeg
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.jpeg_header import parse_jpeg_header
from imagenet_beam.transforms.images.options import ImageOptions, libraries
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.storage.files import Storage

KINDS: dict[str, tuple[Any, Any]] = {
    "Pillow": (None, None),
    "Pillow, fast filter": (image_filter.vectorised, None),
    "fast filter and decoder": (image_filter.vectorised, plain_jpeg.turbojpeg),
}


def photographs(archive: str, count: int) -> list[bytes]:
    """The first colour JPEGs of an archive."""
    reader = Storage().open_ranges(archive)
    refs = (ref for span in split_archive(reader, archive) for ref in list_span(reader, span))
    files = (reader.read(ref.offset_bytes, ref.size_bytes) for ref in refs)
    return [data for data, _ in zip(files, range(count), strict=False)]


def synthetic(count: int) -> Iterator[bytes]:
    """Pictures of 500x375 pixels and 108 KB, with the spectrum (1/f) of photographs."""
    frequencies = np.hypot(np.fft.fftfreq(375)[:, None], np.fft.rfftfreq(500)[None])
    frequencies[0, 0] = np.inf
    for seed in range(count):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(375, 500, 1)) + 0.35 * rng.normal(size=(375, 500, 3))
        spectrum = np.fft.rfft2(noise, axes=(0, 1)) / frequencies[..., None]
        waves = np.fft.irfft2(spectrum, (375, 500), axes=(0, 1))
        pixels = 120 + 50 * waves / waves.std() + rng.normal(0, 3, (375, 500, 3))
        target = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(target, "JPEG", quality=88)
        yield target.getvalue()


def parts(options: ImageOptions) -> dict[str, Callable[[bytes], Callable[[], object]]]:
    """For each part of the work what prepares it: the prepared call is what is measured."""

    def opened(data: bytes) -> tuple[Image.Image, Any, tuple[int, int]]:
        header = parse_jpeg_header(data)
        size = (header.width, header.height)
        target = options.resize.target_size(*size)
        image, box = formats.open_jpeg(data, size, target)
        formats.load_pixels("JPEG", image)
        return image, box, target

    def filtered(data: bytes) -> Callable[[], object]:
        image, box, target = opened(data)
        return lambda: image_filter.resized(image, target, box)

    def decoded(data: bytes) -> Callable[[], object]:
        header = parse_jpeg_header(data)
        target = options.resize.target_size(header.width, header.height)
        if plain_jpeg.turbojpeg is None:
            return lambda: opened(data)
        return lambda: plain_jpeg.decode_plain(data, header, target)

    return {
        "decode": decoded,
        "resize": filtered,
        "all": lambda data: lambda: encode_image(data, options),
    }


def measure(kind: str, files: list[bytes], resize: str, threads: int) -> dict[str, float]:
    """Milliseconds of each part, and images a second in threads; for a process of its own."""
    image_filter.vectorised, plain_jpeg.turbojpeg = KINDS[kind]
    options = ImageOptions(Resize.parse(resize))

    def milliseconds(prepare: Callable[[bytes], Callable[[], object]]) -> float:
        seconds = []
        for data in files:
            call = prepare(data)
            started = time.thread_time()
            call()
            seconds.append(time.thread_time() - started)
        return 1000 * statistics.median(seconds)

    found = {}
    for name, prepare in parts(options).items():
        with ThreadPoolExecutor(1) as pool:  # as in the job: not the main thread's memory
            found[name] = pool.submit(milliseconds, prepare).result()
    with ThreadPoolExecutor(threads) as pool:
        started = time.monotonic()
        list(pool.map(lambda data: encode_image(data, options), files))
        found["images/s"] = len(files) / (time.monotonic() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, help="a tar of photographs; else synthetic ones")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resize", default="shorter:256")
    args = parser.parse_args()
    count = args.images
    files = photographs(str(args.archive), count) if args.archive else list(synthetic(count))
    print(libraries())
    print(f"{len(files)} images, {sum(map(len, files)) / len(files) / 1000:.0f} KB each")
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(args.turns):
        for kind in KINDS:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                call = process.submit(measure, kind, files, args.resize, args.threads)
                found[kind].append(call.result())
    print(f"| | decode ms | resize ms | all ms | images/s, {args.threads} threads |")
    print("|---|---|---|---|---|")
    for kind, runs in found.items():
        medians = [statistics.median(run[name] for run in runs) for name in runs[0]]
        print(f"| {kind} | {' | '.join(f'{value:.3g}' for value in medians)} |")


if __name__ == "__main__":
    main()
