"""The development kit: the classes as MATLAB data, and the validation labels."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imagenet_beam.pipeline.synthetic.catalog import is_artifact
from imagenet_beam.pipeline.synthetic.plan import Plan
from imagenet_beam.pipeline.synthetic.tars import gzipped_tar_file

_ROOT = "ILSVRC2012_devkit_t12"
DEVKIT_NAME = f"{_ROOT}.tar.gz"
_FIELDS = (
    "ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children",
    "wordnet_height", "num_train_images",
)  # fmt: skip
# The first 116 bytes of a MAT-file are text for people; SciPy puts the time in.
_MAT_TEXT_BYTES = 116
_MAT_TEXT = b"MATLAB 5.0 MAT-file, synthetic classes in the form of ILSVRC2012"
_README = """Synthetic classes and labels in the form of the ILSVRC2012 development kit.

data/meta.mat                                  the classes and their ancestors
data/ILSVRC2012_validation_ground_truth.txt    one ILSVRC2012_ID a line: line i is the
                                               validation image with number i
"""


class Synset(NamedTuple):
    """One row of meta.mat: a class, or an ancestor of classes."""

    ilsvrc_id: int
    wnid: str
    words: str
    gloss: str
    children: tuple[int, ...] = ()
    wordnet_height: int = 0
    num_train_images: int = 0


def write_devkit(output_dir: Path, plan: Plan) -> None:
    """Writes ILSVRC2012_devkit_t12.tar.gz."""
    truth = "".join(f"{plan.ilsvrc_ids[image.label]}\n" for image in plan.validation_images)
    with gzipped_tar_file(output_dir / DEVKIT_NAME) as tar:
        tar.add_folder(f"{_ROOT}/")
        tar.add(f"{_ROOT}/readme.txt", _README.encode())
        tar.add_folder(f"{_ROOT}/data/")
        tar.add(f"{_ROOT}/data/meta.mat", meta_mat(list_synsets(plan)))
        tar.add(f"{_ROOT}/data/ILSVRC2012_validation_ground_truth.txt", truth.encode())


def list_synsets(plan: Plan) -> tuple[Synset, ...]:
    """The rows of meta.mat: classes by ILSVRC2012_ID, then their ancestors."""
    leaves = sorted(
        Synset(
            ilsvrc_id,
            row.wnid,
            row.words,
            f"a synthetic class whose pictures show a {row.sketch.replace('_', ' ')}",
            num_train_images=plan.spec.train_per_class,
        )
        for ilsvrc_id, row in zip(plan.ilsvrc_ids, plan.classes, strict=True)
    )
    return (*leaves, *_ancestors(leaves))


def _ancestors(leaves: list[Synset]) -> list[Synset]:
    animals = tuple(leaf.ilsvrc_id for leaf in leaves if not is_artifact(leaf.wnid))
    things = tuple(leaf.ilsvrc_id for leaf in leaves if is_artifact(leaf.wnid))
    next_id = len(leaves) + 1
    inner: list[Synset] = []
    for wnid, words, children in (
        ("n00015388", "animal, animate being, beast, brute, creature, fauna", animals),
        ("n00021939", "artifact, artefact", things),
    ):
        if children:
            inner.append(Synset(next_id + len(inner), wnid, words, "an ancestor", children, 1))
    root_id = next_id + len(inner)
    branches = tuple(synset.ilsvrc_id for synset in inner)
    return [*inner, Synset(root_id, "n00001740", "entity", "the ancestor of all", branches, 2)]


def meta_mat(synsets: Iterable[Synset]) -> bytes:
    """A MAT-file, level 5, with the struct array `synsets`."""
    from scipy.io import savemat

    rows = [_mat_row(synset) for synset in synsets]
    table = np.empty((len(rows), 1), dtype=[(field, object) for field in _FIELDS])
    for index, row in enumerate(rows):
        table[index, 0] = row
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": table}, do_compression=True)
    return _MAT_TEXT.ljust(_MAT_TEXT_BYTES) + buffer.getvalue()[_MAT_TEXT_BYTES:]


def _mat_row(synset: Synset) -> tuple[Any, ...]:
    return (
        _smallest(synset.ilsvrc_id),
        synset.wnid,
        synset.words,
        synset.gloss,
        _smallest(len(synset.children)),
        _smallest(synset.children),
        _smallest(synset.wordnet_height),
        _smallest(synset.num_train_images),
    )


def _smallest(values: int | tuple[int, ...]) -> Any:
    """Integers in the narrowest type that holds them.

    MATLAB stores its doubles so, and readers get uint8 for one id and uint16 for the
    next: arithmetic on them overflows, which is a trap worth having in the test data.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.int64))
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))
