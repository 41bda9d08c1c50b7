"""The development kit and the label files that people have beside the archives."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.synthetic.archives import in_folder, publish_tar
from imagenet_beam.pipeline.synthetic.boxes import annotate
from imagenet_beam.pipeline.synthetic.pictures import shuffled
from imagenet_beam.pipeline.synthetic.plan import Plan

DEVKIT_NAME = "ILSVRC2012_devkit_t12.tar.gz"
_README = b"""Synthetic classes and labels in the form of the ILSVRC2012 development kit.

data/meta.mat                                  the classes and their ancestors
data/ILSVRC2012_validation_ground_truth.txt    one ILSVRC2012_ID a line: line i is the
                                               validation image with number i
"""
# WordNet numbers its plants, things and places roughly in this order, after the animals.
_FIRST_ARTIFACT = "n02600000"
# Types of data elements and classes of arrays of a MAT-file.
_INT8, _UINT8, _UINT16, _INT32, _UINT32, _MATRIX, _COMPRESSED, _UTF8 = 1, 2, 4, 5, 6, 14, 15, 16
_STRUCTS, _TEXT, _DOUBLES = 2, 4, 6


class Synset(NamedTuple):
    """One row of meta.mat, with its names and order: a class, or an ancestor of classes."""

    ILSVRC2012_ID: int
    WNID: str
    words: str
    gloss: str
    num_children: int = 0
    children: tuple[int, ...] = ()
    wordnet_height: int = 0
    num_train_images: int = 0


def write_devkit(output_dir: Path, plan: Plan) -> None:
    """Writes ILSVRC2012_devkit_t12.tar.gz."""
    ids = list(plan.ilsvrc_ids.values())
    truth = "".join(f"{ids[image.label]}\n" for image in plan.validation_images).encode()
    data = (("meta.mat", _meta_mat(plan)), ("ILSVRC2012_validation_ground_truth.txt", truth))
    members = (("readme.txt", _README), *in_folder("data/", data))
    folder = DEVKIT_NAME.replace(".tar.gz", "/")
    publish_tar(output_dir / DEVKIT_NAME, in_folder(folder, members))


def list_synsets(plan: Plan) -> list[Synset]:
    """The rows of meta.mat: classes by ILSVRC2012_ID, then their ancestors."""
    rows, branches = [], []
    for wnid, words, shape, color in plan.classes:
        gloss = f"a synthetic class whose pictures show a {color} {shape}"
        cells = (plan.ilsvrc_ids[wnid], wnid, words, gloss)
        rows.append(Synset(*cells, num_train_images=plan.spec.train_per_class))
    rows.sort()
    for wnid, words, is_animal in (
        ("n00015388", "animal, animate being, beast, brute, creature, fauna", True),
        ("n00021939", "artifact, artefact", False),
    ):
        found = (row.ILSVRC2012_ID for row in rows if (row.WNID < _FIRST_ARTIFACT) == is_animal)
        if children := tuple(found):
            branches.append(len(rows) + 1)
            row = (branches[-1], wnid, words, "an ancestor", len(children), children, 1)
            rows.append(Synset(*row))
    top = (len(rows) + 1, "n00001740", "entity", "the ancestor of all")
    return [*rows, Synset(*top, len(branches), tuple(branches), 2)]


def _meta_mat(plan: Plan) -> bytes:
    """A MAT-file, level 5, with the struct array `synsets`.

    Source: MathWorks, "MAT-File Format", chapter 1.
    """
    synsets = list_synsets(plan)
    names = b"".join(name.encode().ljust(32, b"\0") for name in Synset._fields)
    cells = [_element(_INT32, struct.pack("<i", 32)), _element(_INT8, names)]
    cells += (_cell(value) for row in synsets for value in row)
    table = zlib.compress(_matrix(_STRUCTS, (len(synsets), 1), b"".join(cells), b"synsets"))
    text = b"MATLAB 5.0 MAT-file, synthetic classes in the form of ILSVRC2012"
    header = text.ljust(116) + struct.pack("<8xH2s", 0x0100, b"IM")
    return header + struct.pack("<II", _COMPRESSED, len(table)) + table


def _matrix(kind: int, shape: tuple[int, int], content: bytes, name: bytes = b"") -> bytes:
    flags, dimensions = struct.pack("<II", kind, 0), struct.pack("<2i", *shape)
    head = _element(_UINT32, flags) + _element(_INT32, dimensions) + _element(_INT8, name)
    return _element(_MATRIX, head + content)


def _element(kind: int, data: bytes) -> bytes:
    """A tag, the data and padding; MATLAB puts up to four bytes into the tag."""
    if len(data) <= 4:
        return struct.pack("<HH4s", kind, len(data), data)
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def _cell(value: str | int | tuple[int, ...]) -> bytes:
    """Text, or doubles, stored in the narrowest type that holds them, as MATLAB does.

    Readers get uint8 for one id, uint16 for the next, and arithmetic that overflows.
    """
    if isinstance(value, str):
        return _matrix(_TEXT, (1, len(value)), _element(_UTF8, value.encode()))
    values = (value,) if isinstance(value, int) else value
    most = max(values, default=0)
    kind, code = (_UINT16, "H") if most < 1 << 16 else (_UINT32, "I")
    if most < 1 << 8:
        kind, code = _UINT8, "B"
    data = struct.pack(f"<{len(values)}{code}", *values)
    return _matrix(_DOUBLES, (1, len(values)), _element(kind, data))


def write_labels(labels_dir: Path, plan: Plan) -> None:
    """Writes every form of label file into a folder."""
    wnids, images = plan.wnids, plan.validation_images
    words = [f"{row.wnid} {row.words}" for row in plan.classes]
    by_id = sorted((plan.ilsvrc_ids[row.wnid], row) for row in plan.classes)
    solution = ["ImageId,PredictionString"]
    for place in shuffled(len(images), plan.spec.seed, "kaggle order"):
        image, wnid = images[place], wnids[images[place].label]
        boxes = annotation.pixel_boxes if (annotation := annotate(plan, image)) else ()
        objects = "".join(f"{wnid} {' '.join(map(str, box))} " for box in boxes)
        solution.append(f"{image.stem},{objects}")
    files: dict[str, Iterable[str]] = {
        "imagenet_lsvrc_2015_synsets.txt": wnids,
        "imagenet_2012_validation_synset_labels.txt": (wnids[image.label] for image in images),
        # Words of classes and ancestors alike: the real file has 21,842 lines.
        "imagenet_metadata.txt": sorted(f"{row.WNID}\t{row.words}" for row in list_synsets(plan)),
        "synsets.txt": wnids,
        "synset_words.txt": words,
        "val.txt": (f"{image.filename} {image.label}" for image in images),
        "map_clsloc.txt": (f"{row.wnid} {n} {row.name.replace(' ', '_')}" for n, row in by_id),
        "LOC_synset_mapping.txt": words,
        "LOC_val_solution.csv": solution,
    }
    labels_dir.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        text = "".join(f"{line}\n" for line in lines)
        (labels_dir / name).write_text(text, encoding="utf-8", newline="\n")
