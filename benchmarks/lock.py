"""What encoding an image costs inside the interpreter's lock and outside it, for `simulate.py`.

Processor time of one thread. Outside are the calls that give up the lock: decoding, the filter
and encoding; what they do inside before and after is counted as outside, some ten microseconds.
Pillow's own decoder and filter, for images that the fast ones leave to it, count as inside.

    python -m benchmarks.lock --photographs=.benchmarks/photographs
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import ImageFile

from imagenet_beam.transforms.images import filter as image_filter
from imagenet_beam.transforms.images import plain_jpeg
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize


class Outside:
    """The time of the calls that give up the lock."""

    seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            started = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - started

        return measured

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Measures decoder, filter and encoder, where there are fast ones."""
        with ExitStack() as patches:
            encode = self.timed(ImageFile._encode_tile)
            patches.enter_context(mock.patch.object(ImageFile, "_encode_tile", encode))
            if jpeg := plain_jpeg.turbojpeg:
                decode = self.timed(jpeg.decode_jpeg)
                patches.enter_context(mock.patch.object(jpeg, "decode_jpeg", decode))
            if fast := image_filter.vectorised:
                wrapped = mock.Mock(wraps=fast.Resizer())
                wrapped.resize = self.timed(fast.Resizer().resize)
                patches.enter_context(mock.patch.object(fast, "Resizer", lambda: wrapped))
            yield


def measure(files: list[bytes], resize: str) -> dict[str, float]:
    """Mean microseconds an image; for a thread that has not encoded yet."""
    options, outside = ImageOptions(Resize.parse(resize)), Outside()
    with outside.watched():
        encode_image(files[0], options)
        outside.seconds, started = 0.0, time.thread_time()
        for data in files:
            encode_image(data, options)
        whole = time.thread_time() - started
    scale = 1e6 / len(files)
    inside = whole - outside.seconds
    return {"inside_us": inside * scale, "outside_us": outside.seconds * scale}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--resize", default="shorter:256")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"))
    args = parser.parse_args()
    paths = sorted((args.photographs / "files").glob("*/*.JPEG"))[: args.images]
    files = [path.read_bytes() for path in paths]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(measure, files, args.resize).result()
    (args.work / "lock.json").write_text(json.dumps(found, indent=1))
    print(", ".join(f"{name} {value:.0f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
