"""The job without the pictures: 1,281,167 tiny images in 1,000 classes through every step.

What is left is the control plane: listing, labels, shard plan, shuffle, receipts and
manifest at the full size of ImageNet.

    python benchmarks/control_plane.py --directory=/tmp/control-plane
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

from PIL import Image

from imagenet_beam.pipeline.datasets.imagenet2012 import SPLITS
from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet

CLASSES = 1000


def tiny_jpeg(color: int) -> bytes:
    """An 8x8 picture of one colour."""
    target = io.BytesIO()
    Image.new("RGB", (8, 8), (color % 256, color // 4 % 256, 128)).save(target, "JPEG")
    return target.getvalue()


def write_archive(directory: Path, images: int) -> tuple[Path, Path]:
    """Writes the training archive and gives it with its devkit."""
    spec = SyntheticImageNet(
        classes=CLASSES,
        train_per_class=1,
        validation_per_class=1,
        hard_images=False,
        image_width=8,
        image_height=8,
        boxes=False,
    )
    wnids = write_imagenet(directory, spec).wnids
    archive = directory / f"train_{images}.tar"
    if not archive.exists():
        with tarfile.open(archive, "w") as outer:
            for index, wnid in enumerate(wnids):
                count = images // CLASSES + (index < images % CLASSES)
                _add_class(outer, wnid, count, tiny_jpeg(index))
    return archive, directory / "ILSVRC2012_devkit_t12.tar.gz"


def _add_class(outer: tarfile.TarFile, wnid: str, count: int, picture: bytes) -> None:
    blocks = []
    padding = bytes(-len(picture) % 512)
    for number in range(count):
        info = tarfile.TarInfo(f"{wnid}_{number * 7 + 3}.JPEG")
        info.size = len(picture)
        blocks += [info.tobuf(tarfile.GNU_FORMAT), picture, padding]
    class_tar = b"".join([*blocks, bytes(1024)])
    info = tarfile.TarInfo(f"{wnid}.tar")
    info.size = len(class_tar)
    outer.addfile(info, io.BytesIO(class_tar))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--images", type=int, default=SPLITS["train"].images)
    parser.add_argument("--shards", type=int, default=1024)
    args = parser.parse_args()
    archive, devkit = write_archive(args.directory, args.images)
    command = [
        str(Path(sys.executable).with_name("imagenet-beam")),
        "convert",
        f"--train_archive={archive}",
        f"--devkit={devkit}",
        f"--output_dir={args.directory / 'tfrecords'}",
        f"--train_shards={args.shards}",
        "--resize=none",
        "--overwrite",
    ]
    started = time.monotonic()
    _, status, usage = os.wait4(os.posix_spawn(command[0], command, os.environ), 0)
    figures = {
        "images": args.images,
        "status": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
