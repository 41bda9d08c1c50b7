"""What `inspect` says of each form."""

import gzip
import hashlib
import re

import pytest

from imagenet_beam.pipeline import inspect as inspect_module
from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.records.example import serialize_example
from imagenet_beam.transforms.records.framing import framed
from imagenet_beam.transforms.storage.files import Storage


@pytest.fixture
def inspect(capsys):
    """`inspect(path, *flags)`: exit status and output."""

    def run(*args):
        status = main(["inspect", *map(str, args)])
        return status, capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("ILSVRC2012_img_train.tar", ["images: train", "4 class tars", "train: 16 images",
                                      "train: 4 classes", "convert with --train_archive"]),
        ("ILSVRC2012_img_val.tar", ["images: validation", "validation: 8 images",
                                    "ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00000008.JPEG",
                                    "convert with --validation_archive"]),
        ("ILSVRC2012_img_test_v10102019.tar", ["images: test", "test: 4 images",
                                               "convert with --test_archive"]),
        ("ILSVRC2012_devkit_t12.tar.gz", ["the development kit", "4 classes",
                                          "8 validation labels", "convert with --devkit"]),
        ("ILSVRC2012_bbox_train_v2.tar.gz", ["bounding boxes", "convert with --bounding_boxes"]),
        ("ILSVRC2012_bbox_val_v3.tgz", ["bounding boxes", "convert with --bounding_boxes"]),
        ("labels/val.txt", ["labels: lines of file name and 0-based label",
                             "8 lines, ", "convert with --validation_labels"]),
        ("labels/LOC_val_solution.csv", ["labels: Kaggle's LOC_val_solution.csv",
                                         "convert with --validation_labels"]),
    ],
)  # fmt: skip
def test_official_files_under_another_name(name, lines, official, inspect, tmp_path):
    path = tmp_path / "any.name"
    path.write_bytes((official.train.parent / name).read_bytes())
    status, output = inspect(path)
    assert status == 0, output
    for line in lines:
        assert line in output


def test_kaggle_zip_and_tree(make, pictures, inspect, tmp_path):
    top = "ILSVRC/Data/CLS-LOC"
    files = {f"{top}/train/{n[:9]}/{n}": data for n, data in pictures.train.items()}
    files |= {f"{top}/val/{name}": data for name, data in pictures.validation.items()}
    status, output = inspect(make.zip(tmp_path / "k.zip", files), make.tree(tmp_path / "t", files))
    assert status == 0
    zip_part, tree_part = output.split(f"{tmp_path / 't'}: ")
    assert "Kaggle's zip, images: train and validation" in zip_part
    assert "--train_archive, --validation_archive" in zip_part
    assert "Kaggle's tree, images: train and validation" in tree_part
    assert "train: 16 images" in tree_part
    assert "validation: 8 images" in tree_part


def test_images_with_a_readme(make, pictures, inspect, tmp_path):
    files = {"readme.txt": b"How to cite"}
    files |= {f"{n[:9]}/{n}": data for n, data in pictures.train.items()}
    status, output = inspect(make.tar(tmp_path / "train.tar", files))
    assert status == 0, output
    assert "images: train" in output
    assert "meta.mat" not in output


def test_zeros_at_the_end_of_an_archive(official, inspect, tmp_path):
    archive = tmp_path / "val.tar"
    archive.write_bytes(official.validation.read_bytes() + bytes(20_480))
    _, out = inspect(archive)
    assert f"  {archive} ends with " in out
    assert "zeros, and tar ends an archive with up to 10,752" in out


def test_the_folder_of_validation_images_is_no_class(make, pictures, inspect, tmp_path):
    files = {f"ILSVRC2012_img_val/{name}": data for name, data in pictures.validation.items()}
    status, output = inspect(make.tar(tmp_path / "val.tar", files))
    assert status == 0
    assert "images: validation" in output
    assert "class" not in output


def test_hugging_face_part(make, pictures, inspect, tmp_path):
    files = {f"{n[:-5]}_{n[:9]}.JPEG": data for n, data in pictures.train.items()}
    status, output = inspect(make.tar(tmp_path / "p.tar.gz", files, "w:gz"))
    assert status == 0
    assert "a part of Hugging Face's copy, images: train" in output


@pytest.mark.parametrize("first", [2085620, 3000000], ids=["dogs", "others"])
def test_the_dogs_archive_is_the_wrong_one(first, make, pictures, inspect, tmp_path):
    image = next(iter(pictures.train.values()))
    inner = make.tar(tmp_path / "inner.tar", {"n02085620_7.JPEG": image}).read_bytes()
    files = {f"n{first + number:08d}.tar": inner for number in range(120)}
    status, output = inspect(make.tar(tmp_path / "t3.tar", files))
    is_wrong = first == 2085620
    assert status == (2 if is_wrong else 0)
    assert ("is it ILSVRC2012_img_train_t3.tar, dogs only?" in output) == is_wrong


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"<html>log in</html>", "not usable: an HTML or XML page"),
        (b"", "not usable: an empty file"),
        (bytes(range(256)) * 4, "not usable: a file that starts with the bytes"),
        (gzip.compress(b"nothing", mtime=0), "not usable: a gzip file"),
    ],
    ids=["page", "empty", "bytes", "gzip"],
)
def test_wrong_files(content, line, inspect, tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    status, output = inspect(path)
    assert status == 2
    assert line in output


def test_a_path_that_is_missing(inspect, tmp_path):
    status, output = inspect(tmp_path / "no")
    assert status == 2
    assert "does not exist" in output


def test_checksums_are_compared_with_the_published_ones(official, inspect, monkeypatch):
    data = official.validation.read_bytes()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    sha256 = hashlib.sha256(data).hexdigest()
    _, unknown = inspect(official.validation, "--checksum")
    assert f"md5 {md5}" in unknown
    assert f"sha256 {sha256}" in unknown
    assert "of no archive that is known" in unknown
    known = (SourceFile("ILSVRC2012_img_val.tar", md5=md5),)
    monkeypatch.setattr(inspect_module, "IMAGENET_2012", known)
    assert (
        "checksums: ILSVRC2012_img_val.tar, as published"
        in inspect(official.validation, "--checksum")[1]
    )


def test_counting_stops_in_time_and_says_so(official):
    storage = Storage()
    finding = inspect_module.inspect_path(str(official.train), storage, seconds=1e-9)
    assert any("counted for 0 s only, 1 of 4 parts; `exact` counts all" in f for f in finding.facts)


def test_output_folders_and_their_shards(official, convert, inspect, tmp_path):
    out = tmp_path / "out"
    flags = (*official.flags, f"--output_dir={out}", "--train_shards=2", "--validation_shards=1")
    assert convert(*flags).status == 0
    status, output = inspect(out)
    assert status == 0
    assert output.splitlines()[0] == f"{out}: TFRecords of this program: train and validation"
    assert re.search(r"train: 16 records in 2 shards, [0-9.]+ kB$", output, re.MULTILINE)
    assert "classes: 4, labels from 1, keys of inception" in output
    status, output = inspect(out / "train-00000-of-00002")
    assert (status, output.splitlines()[0]) == (0, f"{out / 'train-00000-of-00002'}: TFRecords")
    assert "1 file, " in output and "keys of inception" in output
    (out / "manifest.json").unlink()
    status, output = inspect(out)
    assert status == 0
    assert "an unfinished conversion" in output
    assert "3 of 3 shards written; the same command resumes it" in output


def test_records_of_other_programs(inspect, tmp_path):
    record = serialize_example({"image": b"x", "label": 3})
    shard = b"".join(framed(record))
    folder = tmp_path / "theirs"
    folder.mkdir()
    for number in range(3):
        (folder / f"a-0000{number}-of-00003.tfrecord").write_bytes(shard)
    (folder / "readme.txt").write_text("hello")
    (tmp_path / "one.gz").write_bytes(gzip.compress(shard))
    (tmp_path / "other").write_bytes(b"".join(framed(b"\xff\xff")))
    status, output = inspect(folder, tmp_path / "one.gz", tmp_path / "other")
    assert status == 0
    first, second, third = re.split(r"^(?=/)", output, flags=re.MULTILINE)[1:]
    assert first.startswith(f"{folder}: TFRecords\n  3 files, ")
    assert "keys: image, label" in first and "keys: image, label" in second
    assert "the records are no tf.train.Example" in third


def test_a_folder_of_label_files(official, inspect):
    status, output = inspect(official.train.parent / "labels")
    assert status == 0
    assert "a folder of label files" in output
    assert "val.txt: lines of file name and 0-based label" in output
    assert "--validation_labels" in output and "--class_names" in output
