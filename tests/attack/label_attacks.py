"""Damage to what labels images: devkit, meta.mat, label files, bounding boxes.

Most of these have no checksum, so that a label may be another one; but no image may be lost, or
have other pixels.
"""

from __future__ import annotations

import functools
import random
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mutations import mutate
from plain_conversion import Converted, convert
from promises import EXACT, Allowed, Damaged, plain_attack
from true_inputs import net_folder, net_inputs

_O = "{in}/official/ILSVRC2012_"
_TRAIN = f"--resize=none --train_archive={_O}img_train.tar --train_shards=1"
_VAL = f"--resize=none --validation_archive={_O}img_val.tar --validation_shards=1"
_BOTH = f"{_TRAIN} {_VAL}"
_DEVKIT = f"--devkit={_O}devkit_t12.tar.gz"
_ANY_LABEL = Allowed(labels=True)


class _Case(NamedTuple):
    """A conversion, and one of its files, which is `{file}` in the flags."""

    flags: str
    file: str

    def filled(self, file: Path) -> list[str]:
        flags = self.flags.replace("{in}", str(net_folder())).replace("{file}", str(file))
        return flags.split(" ")


_LABEL_FILES = {
    name: _Case(flags, f"labels/{name}")
    for name, flags in {
        "imagenet_lsvrc_2015_synsets.txt": f"{_TRAIN} --labels_file={{file}}",
        "synsets.txt": f"{_VAL} --validation_labels={{in}}/labels/val.txt --labels_file={{file}}",
        "classes.csv": f"{_TRAIN} --labels_file={{file}} --label_base=0",
        "imagenet_2012_validation_synset_labels.txt": f"{_BOTH} --validation_labels={{file}}",
        "val.txt": f"{_VAL} --validation_labels={{file}} --labels_file={{in}}/labels/synsets.txt",
        "LOC_val_solution.csv": f"{_VAL} --validation_labels={{file}}",
        "imagenet_metadata.txt": f"{_TRAIN} --class_names={{file}}",
        "synset_words.txt": f"{_TRAIN} --class_names={{file}}",
        "map_clsloc.txt": f"{_BOTH} {_DEVKIT} --class_names={{file}}",
        "LOC_synset_mapping.txt": f"{_TRAIN} --class_names={{file}} --label_order=wnid",
    }.items()
}
_BOX_CASES = {
    "csv": _Case(f"{_BOTH} {_DEVKIT} --bounding_boxes={{file}}", "boxes.csv"),
    "train": _Case(
        f"{_TRAIN} --bounding_boxes={{file}}", "official/ILSVRC2012_bbox_train_v2.tar.gz"
    ),
    "validation": _Case(
        f"{_VAL} {_DEVKIT} --bounding_boxes={{file}}", "official/ILSVRC2012_bbox_val_v3.tgz"
    ),
}
_KIT = _Case(f"{_BOTH} --devkit={{file}}", "official/ILSVRC2012_devkit_t12.tar.gz")


@functools.cache
def _true(case: _Case) -> Converted:
    return convert(case.filled(net_folder() / case.file))


def _damaged(case: _Case, data: bytes, allowed: Allowed, folder: Path) -> Damaged:
    path = folder / case.file.rpartition("/")[2]
    path.write_bytes(data)
    return Damaged(case.filled(path), _true(case), allowed)


def damaged_label_file(rng: random.Random, folder: Path) -> Damaged:
    name = rng.choice(tuple(_LABEL_FILES))
    print(name)
    case = _LABEL_FILES[name]
    data = mutate(rng, (net_folder() / case.file).read_bytes()).data
    return _damaged(case, data, _ANY_LABEL, folder)


def damaged_devkit(rng: random.Random, folder: Path) -> Damaged:
    """Damages one of its files, the tar of them, or what is compressed, which has a checksum."""
    return _damaged(_KIT, *_packed(rng, net_inputs.devkit_files()), folder)


def damaged_boxes(rng: random.Random, folder: Path) -> Damaged:
    name = rng.choice(tuple(_BOX_CASES))
    if name == "csv":
        data = mutate(rng, net_inputs.BOXES_CSV).data
        return _damaged(_BOX_CASES[name], data, _ANY_LABEL, folder)
    files = net_inputs.TRAIN_BOXES if name == "train" else net_inputs.VALIDATION_BOXES
    return _damaged(_BOX_CASES[name], *_packed(rng, files), folder)


def _packed(rng: random.Random, files: Mapping[str, bytes]) -> tuple[bytes, Allowed]:
    part = rng.choice(("file", "file", "tar", "gzip"))
    if part == "gzip":
        return mutate(rng, net_inputs.tar(files, "gz")).data, EXACT
    if part == "tar":
        return mutate(rng, net_inputs.tar(files), 512).data, _ANY_LABEL
    name = rng.choice(tuple(files))
    print(name)
    data = mutate(rng, files[name]).data
    return net_inputs.tar({**files, name: data}, rng.choice(("", "gz"))), _ANY_LABEL


def damaged_meta_mat(rng: random.Random, folder: Path) -> Damaged:
    """Damages the list of classes below its compression, of which the checksum then agrees."""
    files = net_inputs.devkit_files()
    name = next(name for name in files if name.endswith("meta.mat"))
    head, body = files[name][:128], zlib.decompress(files[name][136:])
    body = mutate(rng, body, 8).data
    packed = zlib.compress(body)
    is_packed = rng.random() < 0.5
    data = head + (struct.pack("<2I", 15, len(packed)) + packed if is_packed else body)
    return _damaged(_KIT, net_inputs.tar({**files, name: data}), _ANY_LABEL, folder)


DAMAGE = {
    "label-files": damaged_label_file,
    "devkit": damaged_devkit,
    "meta-mat": damaged_meta_mat,
    "boxes": damaged_boxes,
}
ATTACKS = tuple(plain_attack(name, damage) for name, damage in DAMAGE.items())
