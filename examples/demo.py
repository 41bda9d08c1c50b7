"""The demo behind `make demo`: a small ImageNet, then Flowers: made, converted, shown.

python examples/demo.py DIRECTORY
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from imagenet_beam.transforms.records.example import parse_example
from imagenet_beam.transforms.records.framing import read_records

COLUMNS, ROWS = 6, 4
CELL_PX = (256, 236)


def main(directory: str) -> None:
    root = Path(directory)
    show_imagenet(root)
    show_flowers(root / "flowers")
    print(
        "\nRead the records in TensorFlow with\n"
        f'  tf.data.TFRecordDataset(tf.io.gfile.glob("{root}/tfrecords/train-*"))\n'
        "and see docs/reading.md for a whole input pipeline."
    )


def show_imagenet(root: Path) -> None:
    """Ten classes in the archives of ImageNet."""
    archives, output = root / "archives", root / "tfrecords"
    shutil.rmtree(output, ignore_errors=True)
    run("imagenet-beam", "synthesize", f"--output_dir={archives}", "--classes=10")
    run(
        "imagenet-beam",
        "convert",
        f"--train_archive={archives}/ILSVRC2012_img_train.tar",
        f"--validation_archive={archives}/ILSVRC2012_img_val.tar",
        f"--devkit={archives}/ILSVRC2012_devkit_t12.tar.gz",
        f"--output_dir={output}",
        "--train_shards=4",
        "--validation_shards=2",
    )
    show_output(output, "train", root / "records.png")


def show_flowers(root: Path) -> None:
    """The five classes of Flowers in their archive, 350 images held out for validation.

    Without `--input` the command would download the real photographs.
    """
    archives, output = root / "archives", root / "tfrecords"
    shutil.rmtree(output, ignore_errors=True)
    run("imagenet-beam", "synthesize", "--dataset=flowers", f"--output_dir={archives}")
    run(
        "imagenet-beam",
        "convert",
        "--dataset=flowers",
        f"--input={archives}/flower_photos.tgz",
        f"--output_dir={output}",
    )
    show_output(output, "flowers-train", root / "records.png")


def show_output(output: Path, prefix: str, picture: Path) -> None:
    """Lists the files and draws the first records."""
    show_records(output, prefix, picture)
    print(f"\n{output} now has:")
    for path in sorted(output.iterdir()):
        if path.is_file():
            print(f"  {path.name:34} {path.stat().st_size:>10,} bytes")
    print(f"\nLook at {picture}: the first records of the first shard, with their labels.")


def run(*command: str) -> None:
    """Shows a command and runs it; ends the demo if it fails."""
    print("\n$ " + " \\\n    ".join(command), flush=True)
    status = subprocess.run(command, check=False).returncode
    if status:
        raise SystemExit(status)


def show_records(output: Path, prefix: str, target: Path) -> None:
    """Draws the first records of a split's first shard, captioned with their labels."""
    sheet = Image.new("RGB", (COLUMNS * CELL_PX[0], ROWS * CELL_PX[1]), "white")
    draw = ImageDraw.Draw(sheet)
    shard = min(output.glob(f"{prefix}-00000-of-*"))
    with shard.open("rb") as file:
        for cell, data in zip(range(COLUMNS * ROWS), read_records(file, shard.name), strict=False):
            left, top = cell % COLUMNS * CELL_PX[0], cell // COLUMNS * CELL_PX[1]
            record = parse_example(data)
            picture = Image.open(io.BytesIO(record["image/encoded"][0])).convert("RGB")
            picture.thumbnail((CELL_PX[0] - 8, CELL_PX[1] - 40))
            sheet.paste(picture, (left + 4, top + 4))
            label, text = record["image/class/label"][0], record["image/class/text"][0].decode()
            draw.text((left + 6, top + CELL_PX[1] - 32), f"{label}  {text[:30]}", "black")
            size = f"{record['image/width'][0]}x{record['image/height'][0]}"
            name = record["image/filename"][0].decode()
            draw.text((left + 6, top + CELL_PX[1] - 18), f"{name}  {size}", "gray")
    sheet.save(target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/demo.py DIRECTORY")
    main(sys.argv[1])
