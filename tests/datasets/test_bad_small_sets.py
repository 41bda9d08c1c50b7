"""Files that are not what they should be end in one sentence and exit status 2."""

import gzip
import io
import pickle
import shutil
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imagenet_beam.pipeline.synthetic.small_sets import dump_python2

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


@pytest.fixture
def refused(convert, tmp_path) -> Callable[..., str]:
    """`refused(dataset, *flags)`: the one sentence; nothing may have been written."""

    def run(dataset: str, *flags: object) -> str:
        output = tmp_path / "out"
        done = convert(f"--dataset={dataset}", *flags, f"--output_dir={output}")
        assert done.status == 2, done.message
        assert not list(tmp_path.rglob("*-of-*"))
        sentence = done.message.splitlines()[-1]
        assert sentence.startswith("imagenet-beam: ")
        assert "Traceback" not in done.message
        return sentence

    return run


def repacked(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return gzip.compress(change(gzip.decompress(data)), mtime=0)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            IMAGES,
            lambda data: repacked(data, lambda raw: b"\0\0\x09\x03" + raw[4:]),
            "accepted is an IDX file of images (magic number 0x00000803)",
        ),
        (IMAGES, lambda data: repacked(data, lambda raw: raw[:-1]), "ends within image 29"),
        (IMAGES, lambda data: data[:-20], "is damaged or truncated"),
        (LABELS, lambda data: repacked(data, lambda raw: raw[:-1]), "ends after 29 labels"),
        (
            LABELS,
            lambda data: repacked(data, lambda raw: raw[:-1] + b"\x0a"),
            "gives train_00029.png the label 10; accepted are 0 to 9",
        ),
        (
            LABELS,
            lambda _: gzip.compress(struct.pack(">2I", 0x801, 2) + b"\1\2"),
            "has 30 images but",
        ),
        (IMAGES, lambda _: PAGE, "is an HTML or XML page, perhaps an error or login page"),
        (LABELS, lambda _: b"", "is an empty file"),
    ],
)
def test_bad_idx_files(mnist, tmp_path, refused, name, change, message):
    folder = shutil.copytree(mnist.folder, tmp_path / "mnist")
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    sentence = refused("mnist", f"--input={folder}")
    assert message in sentence
    assert name in sentence or "train_00029" in sentence


def test_a_folder_without_idx_files(tmp_path, mnist, refused):
    assert "holds both" not in refused("mnist", f"--input={mnist.folder}/{IMAGES}")
    folder = shutil.copytree(mnist.folder, tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "does not hold both t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz" in (
        refused("mnist", f"--input={folder}")
    )


def tar_gz(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def python_batch(images: int, label: int = 1) -> bytes:
    names = [b"%d.png" % number for number in range(images)]
    pixels = np.zeros((images, 3072), dtype=np.uint8)
    return dump_python2({b"labels": [label] * images, b"data": pixels, b"filenames": names})


class Evil:
    """Leaves a trace if anybody unpickles it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"data_batch_1": python_batch(2, label=10)}, "the label 10; accepted are 0 to 9"),
        (
            {"data_batch_1": python_batch(9_999), "test_batch": python_batch(2)},
            "data_batch_1 has 9,999 images; accepted are 10,000",
        ),
        ({"data_batch_1": python_batch(2)}, "lacks data_batch_2, data_batch_3"),
        ({"../data_batch_1": python_batch(2)}, "which leads out of the archive"),
        ({"data_batch_1.bin": bytes(3072)}, "which is not a whole number of images"),
        ({"data_batch_1.bin": b"\x0a" + bytes(3072)}, "the label 10; accepted are 0 to 9"),
    ],
)
def test_bad_cifar_archives(tmp_path, refused, members, message):
    archive = tar_gz(tmp_path / "cifar-10-python.tar.gz", members)
    sentence = refused("cifar10", f"--input={archive}")
    assert message in sentence
    assert archive.name in sentence


@pytest.mark.parametrize("form", ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"])
@pytest.mark.parametrize("end", [-8, -1])
def test_a_cifar_archive_whose_checksum_or_length_is_wrong(cifar10, tmp_path, refused, form, end):
    """The content can be read to its last image, and what is there is not what was packed."""
    data = bytearray((cifar10.folder / form).read_bytes())
    data[end] ^= 1
    archive = tmp_path / form
    archive.write_bytes(data)
    sentence = refused("cifar10", f"--input={archive}")
    assert f"{archive} is damaged or truncated near byte " in sentence
    assert ("CRC check failed" if end == -8 else "Incorrect length") in sentence


def test_a_pickle_that_would_run_code_is_not_run(tmp_path, refused):
    trace = tmp_path / "trace"
    evil = pickle.dumps({"data": Evil(trace)})
    archive = tar_gz(tmp_path / "cifar-10-python.tar.gz", {"data_batch_1": evil})
    assert "because anything else could run code" in refused("cifar10", f"--input={archive}")
    assert not trace.exists()


@pytest.mark.parametrize("dataset", ["cifar10", "flowers"])
def test_a_page_instead_of_an_archive(tmp_path, refused, dataset):
    (tmp_path / "archive.tgz").write_bytes(PAGE)
    sentence = refused(dataset, f"--input={tmp_path}/archive.tgz")
    assert "archive.tgz" in sentence
    assert "HTML" in sentence


def test_flowers_whose_path_climbs_out(flowers, tmp_path, refused):
    jpeg = next(iter(flowers.written.values()))
    archive = tar_gz(tmp_path / "flower_photos.tgz", {"flower_photos/../../daisy/1.jpg": jpeg})
    sentence = refused("flowers", f"--input={archive}")
    assert "'flower_photos/../../daisy/1.jpg', which leads out of the archive" in sentence


def test_flowers_of_other_classes_or_cut_off(flowers, tmp_path, refused):
    jpeg = next(iter(flowers.written.values()))
    archive = tar_gz(tmp_path / "flower_photos.tgz", {"flower_photos/orchids/1.jpg": jpeg})
    assert "orchids" in refused("flowers", f"--input={archive}")
    whole = (flowers.folder / "flower_photos.tgz").read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert "damaged or truncated" in refused("flowers", f"--input={archive}")


def test_a_folder_without_the_archive(tmp_path, refused):
    assert f"--input={tmp_path} is a folder without cifar-10-python.tar.gz or" in refused(
        "cifar10", f"--input={tmp_path}"
    )
    assert "nowhere" in refused("cifar10", f"--input={tmp_path}/nowhere")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["mnist", "--devkit=x"], "--devkit is not for --dataset=mnist; its files are given as"),
        (["mnist", "--train_archive=x"], "--train_archive is not for --dataset=mnist"),
        (["imagenet2012", "--input=x"], "--input is not for --dataset=imagenet2012"),
        (["svhn"], "--dataset: invalid choice: 'svhn' (choose from"),
        (["mnist", "--input=x", "--train_shards=0"], "--train_shards=0 is out of range"),
        (["mnist", "--input=x", "--holdout=1", "--holdout_per_class=1"], "exclude each other"),
        (["mnist", "--input=x", "--holdout=1", "--holdout_split=test"], "is given as --input too"),
        (["mnist", "--input=x", "--holdout=-1"], "--holdout=-1 is out of range"),
    ],
)
def test_flags_that_do_not_belong_together(refused, flags, message):
    assert message in refused(*flags)


def test_more_are_held_out_than_there_are(flowers, refused):
    sentence = refused("flowers", f"--input={flowers.folder}")
    assert "--holdout=350 is too many: there are 30 images" in sentence
