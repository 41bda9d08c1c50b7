"""Makes an archive of real photographs in ImageNet's shape, of any length.

The photographs of a small archive are scaled to 500x375 (or 375x500), encoded once
each and stored again and again under different names.
"""

from __future__ import annotations

import argparse
import io
import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from imagenet_beam.transforms.archives.tar_archives import list_span, split_archive
from imagenet_beam.transforms.storage.files import Storage

JPEG_QUALITY = 90


def photographs(archive: Path) -> list[tuple[str, bytes]]:
    """The wnid and the scaled photograph of each image of an archive."""
    storage = Storage()
    reader = storage.open_ranges(str(archive))
    found = []
    for span in split_archive(reader, str(archive)):
        for ref in list_span(reader, span):
            found.append((ref.wnid, scaled(reader.read(ref.offset_bytes, ref.size_bytes))))
    return found


def scaled(data: bytes) -> bytes:
    """A JPEG of 500x375, as most of ImageNet's are."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    size = (500, 375) if image.width >= image.height else (375, 500)
    target = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()


def write_archive(path: Path, source: Path, count: int) -> None:
    """Writes a tar of class tars with `count` photographs."""
    by_class: dict[str, list[bytes]] = {}
    for wnid, data in photographs(source):
        by_class.setdefault(wnid, []).append(data)
    share = divmod(count, len(by_class))
    with tarfile.open(path, "w") as outer:
        for index, (wnid, pictures) in enumerate(sorted(by_class.items())):
            class_tar = _class_tar(wnid, pictures, share[0] + (index < share[1]))
            info = tarfile.TarInfo(f"{wnid}.tar")
            info.size = len(class_tar)
            outer.addfile(info, io.BytesIO(class_tar))


def _class_tar(wnid: str, pictures: list[bytes], count: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number, data in _numbered(pictures, count):
            info = tarfile.TarInfo(f"{wnid}_{number}.JPEG")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def _numbered(pictures: list[bytes], count: int) -> Iterator[tuple[int, bytes]]:
    return enumerate(itertools.islice(itertools.cycle(pictures), count), start=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="a small training archive")
    parser.add_argument("--output", type=Path, required=True, help="the archive to write")
    parser.add_argument("--count", type=int, default=10_000)
    args = parser.parse_args()
    write_archive(args.output, args.source, args.count)


if __name__ == "__main__":
    main()
