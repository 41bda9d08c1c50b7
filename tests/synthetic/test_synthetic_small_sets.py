import gzip
import io
import pickle
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagenet_beam.pipeline.synthetic.small_sets import (
    CIFAR10_BATCHES,
    CIFAR10_CLASSES,
    FLOWER_CLASSES,
    dump_python2,
    write_cifar10,
    write_flowers,
    write_mnist,
)
from imagenet_beam.transforms.archives.cifar import read_cifar_images
from imagenet_beam.transforms.archives.idx import read_idx_images, read_idx_labels
from imagenet_beam.transforms.errors import InputError


def members(path: Path) -> dict[str, bytes | None]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() if m.isfile() else None for m in tar}


def load_python2(data: bytes) -> dict:
    return pickle.loads(data, encoding="bytes")  # noqa: S301 - made by this test


def test_flowers_archive(tmp_path):
    written = write_flowers(tmp_path, images_per_class=3)
    found = members(tmp_path / "flower_photos.tgz")
    assert b"synthetic" in found.pop("flower_photos/LICENSE.txt")
    folders = {name for name, data in found.items() if data is None}
    assert folders == {"flower_photos", *(f"flower_photos/{name}" for name in FLOWER_CLASSES)}
    images = {name.removeprefix("flower_photos/"): data for name, data in found.items() if data}
    assert images == written
    classes = [name.split("/")[0] for name in written]
    assert {name: classes.count(name) for name in classes} == dict.fromkeys(FLOWER_CLASSES, 3)
    assert all(re.fullmatch(r"[a-z]+/\d+_[0-9a-f]{10}(_n|_m)?\.jpg", name) for name in written)
    assert {Image.open(io.BytesIO(data)).format for data in images.values()} == {"JPEG"}


@pytest.mark.parametrize("form", ["python", "binary"])
def test_cifar_archives_give_the_pixels_that_were_written(tmp_path, form):
    written = write_cifar10(tmp_path, images_per_batch=20)
    path = tmp_path / f"cifar-10-{form}.tar.gz"
    found = {}
    for split in ("train", "test"):
        with path.open("rb") as file:
            for image in read_cifar_images(file, path.name, split):
                found[image.batch, image.row] = image
    assert {batch for batch, _ in found} == set(CIFAR10_BATCHES) and len(found) == 120
    for name in CIFAR10_BATCHES:
        batch = written[name]
        images = [found[name, row] for row in range(20)]
        assert [image.label for image in images] == list(batch.labels)
        assert [image.pixels for image in images] == [row.tobytes() for row in batch.pixels]
        assert sorted(batch.labels) == sorted([*range(10), *range(10)])
        if form == "python":
            assert tuple(image.filename for image in images) == batch.filenames


def test_cifar_members_have_the_real_names_and_contents(tmp_path):
    written = write_cifar10(tmp_path, images_per_batch=2)
    python = members(tmp_path / "cifar-10-python.tar.gz")
    binary = members(tmp_path / "cifar-10-binary.tar.gz")
    assert len(python) == len(binary) == 9
    meta = load_python2(python["cifar-10-batches-py/batches.meta"])
    assert meta[b"label_names"] == [name.encode() for name in CIFAR10_CLASSES]
    assert (meta[b"num_cases_per_batch"], meta[b"num_vis"]) == (2, 3072)
    batch = load_python2(python["cifar-10-batches-py/data_batch_3"])
    assert list(batch) == [b"batch_label", b"labels", b"data", b"filenames"]
    assert batch[b"batch_label"] == b"training batch 3 of 5"
    assert np.array_equal(batch[b"data"], written["data_batch_3"].pixels)
    test_batch = load_python2(python["cifar-10-batches-py/test_batch"])
    assert test_batch[b"batch_label"] == b"testing batch 1 of 1"
    assert len(binary["cifar-10-batches-bin/test_batch.bin"]) == 2 * 3073
    names = binary["cifar-10-batches-bin/batches.meta.txt"].decode().split()
    assert tuple(names) == CIFAR10_CLASSES


def test_python2_pickle_uses_the_old_instructions():
    meta = {
        b"num_cases_per_batch": 10_000,
        b"label_names": [name.encode() for name in CIFAR10_CLASSES],
        b"num_vis": 3072,
    }
    data = dump_python2(meta)
    assert data.startswith(b"\x80\x02}q\x01(U\x13num_cases_per_batchq\x02M\x10'")
    assert load_python2(data) == meta
    long = {b"a": list(range(-2, 300)), b"b": [b"x" * 300, b"y"] * 200}
    assert load_python2(dump_python2(long)) == long
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    pickled = dump_python2({b"data": array})
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in pickled
    assert np.array_equal(load_python2(pickled)[b"data"], array)
    with pytest.raises(TypeError, match="str is not written"):
        dump_python2("text")


def test_mnist_files(tmp_path):
    written = write_mnist(tmp_path, train=30, test=10)
    for prefix, split in (("train", written.train), ("t10k", written.test)):
        images_path = tmp_path / f"{prefix}-images-idx3-ubyte.gz"
        labels_path = tmp_path / f"{prefix}-labels-idx1-ubyte.gz"
        with images_path.open("rb") as file:
            images = [pixels for _, pixels in read_idx_images(file, images_path.name)]
        with labels_path.open("rb") as file:
            labels = read_idx_labels(file, labels_path.name)
        assert images == [image.tobytes() for image in split.images]
        assert labels == split.labels.tobytes()
        assert set(labels) == set(range(10))
    raw = gzip.decompress((tmp_path / "train-images-idx3-ubyte.gz").read_bytes())
    assert raw[:16] == bytes.fromhex("00000803 0000001e 0000001c 0000001c")
    assert len(list(tmp_path.glob("*-ubyte.gz"))) == 4


def test_digits_of_a_kind_look_alike(tmp_path):
    """A person can read them, so the nearest mean digit should mostly be the right one."""
    written = write_mnist(tmp_path, train=300, test=100)
    means = [
        written.train.images[written.train.labels == digit].mean(axis=0) for digit in range(10)
    ]
    gaps = [[np.abs(image - mean).sum() for mean in means] for image in written.test.images]
    assert (np.argmin(gaps, axis=1) == written.test.labels).mean() > 0.75


@pytest.mark.parametrize("write", [
    lambda folder, seed: write_flowers(folder, 2, seed),
    lambda folder, seed: write_cifar10(folder, 10, seed),
    lambda folder, seed: write_mnist(folder, 10, 10, seed),
])  # fmt: skip
def test_same_seed_same_bytes(tmp_path, write):
    folders = [tmp_path / name for name in ("first", "again", "other")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        write(folder, seed)
    contents = [{path.name: path.read_bytes() for path in folder.glob("*gz")} for folder in folders]
    assert contents[0] == contents[1]
    assert contents[0].keys() == contents[2].keys()
    assert all(contents[0][name] != contents[2][name] for name in contents[0])


def test_archives_that_are_not_synthetic_are_never_replaced(tmp_path):
    for name, write in (
        ("flower_photos.tgz", lambda: write_flowers(tmp_path / "flowers", 1)),
        ("cifar-10-binary.tar.gz", lambda: write_cifar10(tmp_path / "cifar", 1)),
        ("t10k-labels-idx1-ubyte.gz", lambda: write_mnist(tmp_path / "mnist", 1, 1)),
    ):
        folder = tmp_path / {"f": "flowers", "c": "cifar", "t": "mnist"}[name[0]]
        folder.mkdir()
        (folder / name).write_bytes(b"downloaded")
        with pytest.raises(InputError, match=f"holds {name}, which is not synthetic"):
            write()
        assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: write_flowers(folder, 0), "--images_per_class=0 is not between 1 and "),
        (lambda folder: write_cifar10(folder, 10_001), "--images_per_batch=10001 is not between"),
        (lambda folder: write_mnist(folder, train=0), "--train=0 is not between"),
        (lambda folder: write_mnist(folder, test=-1), "--test=-1 is not between"),
        (lambda folder: write_mnist(folder / "file" / "out"), "cannot be written to"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, write, message):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(message)):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
