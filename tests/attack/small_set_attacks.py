"""Damage to MNIST's IDX files and to the two archives of CIFAR-10."""

from __future__ import annotations

import functools
import gzip
import io
import random
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mutations import Mutation, mutate
from plain_conversion import Converted, convert
from promises import EXACT, Allowed, Damaged, plain_attack
from true_inputs import net_folder, net_inputs

_IDX = {  # by the kind of file: bytes of its header, and of each image
    "images": (16, 784),
    "labels": (8, 1),
}
_ROW_BYTES = 3073
_MOVING = ("cut", "delete", "insert", "duplicate", "append")


@functools.cache
def _true(name: str) -> Converted:
    return convert(_flags(name, net_folder() / name))


def _flags(name: str, path: Path) -> list[str]:
    dataset = name.partition("/")[0]
    shards = [f"--{split}_shards=1" for split in ("train", "test")]
    return [f"--dataset={dataset}", f"--input={path}", *shards]


def damaged_idx(rng: random.Random, folder: Path) -> Damaged:
    files = dict(net_inputs.mnist())
    name = rng.choice(tuple(files))
    what = name.split("-")[1]
    is_packed = rng.random() < 0.5
    if is_packed and rng.random() < 0.5:
        data, allowed = mutate(rng, gzip.compress(files[name], mtime=0)).data, EXACT
    else:
        mutation = mutate(rng, files[name])
        data = gzip.compress(mutation.data) if is_packed else mutation.data
        header, size = _IDX[what]
        rows = _rows(mutation, header, size)
        split = "train" if name.startswith("train") else "test"
        images = [one for one in _true("mnist").images if one.startswith(split)]
        allowed = Allowed(frozenset(images[rows]))
    path = folder / "mnist"
    net_inputs.write(path, {key: value for key, value in files.items() if key != name})
    (path / (name + ".gz" * is_packed)).write_bytes(data)
    return Damaged(_flags("mnist", path), _true("mnist"), allowed)


def _rows(mutation: Mutation, header: int, size: int) -> slice:
    """Which rows behind a header are touched."""
    return slice(max(0, mutation.start - header) // size, -(-max(0, mutation.end - header) // size))


def damaged_cifar(form: str, rng: random.Random, folder: Path) -> Damaged:
    name = f"cifar10/cifar-10-{form}.tar.gz"
    true, path = _true(name), folder / "cifar.tar.gz"
    if rng.random() < 0.3:
        path.write_bytes(mutate(rng, (net_folder() / name).read_bytes()).data)
        return Damaged(_flags(name, path), true, EXACT)
    batches = _batches(form)
    batch = rng.choice(tuple(batches))
    print(batch)
    mutation = mutate(rng, batches[batch], _ROW_BYTES)
    path.write_bytes(net_inputs.tar({**batches, batch: mutation.data}, rng.choice(("", "gz"))))
    images = _images(true, batch)
    allow = _allowed_in_rows if form == "binary" else _allowed_in_pickle
    allowed = allow(mutation, images)
    return Damaged(_flags(name, path), true, allowed)


@functools.cache
def _batches(form: str) -> Mapping[str, bytes]:
    data = gzip.decompress(net_inputs.cifar10()[f"cifar-10-{form}.tar.gz"])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}


def _images(true: Converted, batch: str) -> Sequence[str]:
    """The images of a batch: those of the test batch, or two of the others, which are in order."""
    names = [name for name in true.images if name.startswith("test/") == ("test_batch" in batch)]
    if "test_batch" in batch:
        return names
    number = int(batch.partition("data_batch_")[2][0])
    return names[2 * number - 2 : 2 * number]


def _allowed_in_rows(mutation: Mutation, images: Sequence[str]) -> Allowed:
    """Rows have no header and no checksum; how many there are is told by the length alone."""
    if mutation.kind in _MOVING:
        everything = frozenset(images)
        return Allowed(everything, renamed=everything, gone=everything)
    return Allowed(frozenset(images[_rows(mutation, 0, _ROW_BYTES)]))


def _allowed_in_pickle(mutation: Mutation, images: Sequence[str]) -> Allowed:
    """Its instructions say how many images there are; what they are called may change."""
    everything = frozenset(images)
    return Allowed(everything, renamed=everything)


DAMAGE = {
    "idx": damaged_idx,
    "cifar-binary": functools.partial(damaged_cifar, "binary"),
    "cifar-python": functools.partial(damaged_cifar, "python"),
}
ATTACKS = tuple(plain_attack(name, damage) for name, damage in DAMAGE.items())
