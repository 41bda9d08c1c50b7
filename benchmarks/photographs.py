"""The photographs of the first table, at their native size, in the forms that each program reads.

A tar of class tars, the extracted files, and a list of their addresses. Where there are fewer
photographs than asked for, they are stored again under other names; where there are none,
synthetic ones with the spectrum of photographs are made.

    python -m benchmarks.photographs --photographs=FOLDER_OR_TAR --images=10000 --output=FOLDER
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from benchmarks.class_tars import write_archive
from benchmarks.image_parts import synthetic

ARCHIVE, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
FILES, LIST = "files", "list.csv"
DISTINCT_SYNTHETIC = 500
SUFFIXES = (".jpg", ".jpeg")
# The first ten of ImageNet's, as tensorflow-datasets knows no others.
WNIDS = (
    *("n01440764", "n01443537", "n01484850", "n01491361", "n01494475"),
    *("n01496331", "n01498041", "n01514668", "n01514859", "n01518878"),
)


def photographs(source: Path | None, count: int) -> Iterator[bytes]:
    """The JPEGs of a folder or of a tar, and of the tars in it; else synthetic ones."""
    if source is None:
        yield from synthetic(min(count, DISTINCT_SYNTHETIC))
    elif source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                yield path.read_bytes()
    else:
        with source.open("rb") as file:
            yield from _tar_photographs(file)


def _tar_photographs(file: IO[bytes]) -> Iterator[bytes]:
    with tarfile.open(fileobj=file) as tar:
        for member in tar:
            suffix = Path(member.name).suffix.lower()
            content = tar.extractfile(member) if suffix in (".tar", *SUFFIXES) else None
            if content is not None and suffix == ".tar":
                yield from _tar_photographs(content)
            elif content is not None:
                yield content.read()


def write_forms(output: Path, source: Path | None, count: int) -> None:
    """Writes archive, files and list, unless they are there from the same source."""
    stamp = output / "photographs.json"
    wanted = json.dumps({"source": str(source and source.resolve()), "images": count})
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(output, ignore_errors=True)
    for wnid in WNIDS:
        (output / FILES / wnid).mkdir(parents=True)
    found: Iterator[bytes] = photographs(source, count)
    written: list[Path] = []
    for number in range(count):
        data = next(found, None)
        if data is None and not written:
            raise SystemExit(f"no .jpg or .jpeg in {source}")
        wnid = WNIDS[number % len(WNIDS)]
        path = output / FILES / wnid / f"{wnid}_{number}.JPEG"
        if data is None:
            found = (file.read_bytes() for file in itertools.cycle(tuple(written)))
            data = next(found)
        path.write_bytes(data)
        written.append(path)
    (output / LIST).write_text("".join(["url\n", *(f"{p.resolve().as_uri()}\n" for p in written)]))
    classes = ((wnid, _members(output / FILES / wnid)) for wnid in WNIDS)
    write_archive(output / ARCHIVE, classes)
    with tarfile.open(
        output / VALIDATION, "w"
    ) as tar:  # one image: tensorflow-datasets asks for it
        tar.add(written[0], "ILSVRC2012_val_00000001.JPEG")
    stamp.write_text(wanted)


def _members(folder: Path) -> Iterator[tuple[str, bytes]]:
    return ((path.name, path.read_bytes()) for path in sorted(folder.iterdir()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=lambda text: Path(text) if text else None)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    write_forms(args.output, args.photographs, args.images)


if __name__ == "__main__":
    main()
