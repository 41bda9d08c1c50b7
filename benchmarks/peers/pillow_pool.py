"""A bare pool of processes that decodes, resizes and encodes with Pillow, and nothing else.

It labels nothing, writes nothing and survives nothing. The two empty files that it leaves in the
output folder say when the pool was begun and when it was done.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
from functools import cache
from pathlib import Path

from PIL import Image

from imagenet_beam.transforms.archives.tar_archives import list_span, split_archive
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.storage.files import Storage

RESIZE = Resize.parse("shorter:256")
Range = tuple[str, int, int]


def byte_ranges(archive: str) -> list[Range]:
    """All images of the archive."""
    reader = Storage().open_ranges(archive)
    refs = (ref for span in split_archive(reader, archive) for ref in list_span(reader, span))
    return [(archive, ref.offset_bytes, ref.size_bytes) for ref in refs]


@cache
def _descriptor(archive: str) -> int:
    return os.open(archive, os.O_RDONLY)


def bare_image(item: Range) -> int:
    """What Pillow has to do for one image, and nothing else."""
    archive, offset, size = item
    image: Image.Image = Image.open(io.BytesIO(os.pread(_descriptor(archive), size, offset)))
    width, height = RESIZE.target_size(*image.size)
    image.draft("RGB", (width, height))
    image = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=95)
    return len(target.getvalue())


def main() -> None:
    archive, output, processes = sys.argv[1:]
    ranges = byte_ranges(archive)
    Path(output, "begun").touch()
    with multiprocessing.Pool(int(processes)) as pool:
        for _ in pool.imap_unordered(bare_image, ranges, chunksize=32):
            pass
        pool.close()
        pool.join()  # so that their processor time counts
    Path(output, "done").touch()


if __name__ == "__main__":
    main()
