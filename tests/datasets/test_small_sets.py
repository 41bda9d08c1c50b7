"""Flowers, CIFAR-10 and MNIST: from their files to TFRecords and back."""

import gzip
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from imagenet_beam.pipeline.datasets.registry import BUILT_IN
from imagenet_beam.pipeline.synthetic.small_sets import (
    CIFAR10_BATCHES,
    CIFAR10_CLASSES,
    FLOWER_CLASSES,
)
from imagenet_beam.runners import cli
from imagenet_beam.transforms.archives.cifar import CifarImage, unique_names
from imagenet_beam.transforms.records.example import parse_example
from imagenet_beam.transforms.records.framing import read_records
from imagenet_beam.transforms.storage.files import Storage

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def text(record: dict, key: str) -> str:
    return record[f"image/{key}"][0].decode()


def label(record: dict) -> int:
    return record["image/class/label"][0]


def kind_of_image(record: dict) -> tuple:
    return text(record, "format"), text(record, "colorspace"), record["image/channels"][0]


def shard_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*-of-*"))


def test_mnist_comes_back_bit_by_bit(mnist, to_records, examples, pixels):
    output = to_records("mnist", f"--input={mnist.folder}")
    for split, prefix, drawn in (
        ("train", "train", mnist.written.train),
        ("test", "t10k", mnist.written.test),
    ):
        records = {
            text(record, "filename"): record for record in examples(output, f"mnist-{split}")
        }
        assert sorted(records) == [f"{prefix}_{n:05d}.png" for n in range(len(drawn.labels))]
        for index, name in enumerate(sorted(records)):
            record = records[name]
            assert np.array_equal(pixels(record), drawn.images[index])
            assert label(record) == drawn.labels[index]
            assert text(record, "class/text") == DIGITS[label(record)]
            assert kind_of_image(record) == ("PNG", "Grayscale", 1)
            assert (record["image/height"], record["image/width"]) == ([28], [28])
    assert shard_names(output) == [
        "mnist-test-00000-of-00001",
        "mnist-train-00000-of-00001",
    ]
    assert (output / "labels.txt").read_text().splitlines()[6] == "6:six"


def test_unpacked_mnist_files_are_the_same(mnist, to_records, convert, tmp_path):
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    for path in mnist.folder.glob("*.gz"):
        name = path.name.removesuffix(".gz").replace("-idx", ".idx")  # as some tools name them
        (unpacked / name).write_bytes(gzip.decompress(path.read_bytes()))
    output = to_records("mnist", f"--input={mnist.folder}")
    again = tmp_path / "again"
    assert convert("--dataset=mnist", f"--input={unpacked}", f"--output_dir={again}").status == 0
    for name in shard_names(output):
        assert (again / name).read_bytes() == (output / name).read_bytes()


@pytest.mark.parametrize("form", ["python", "binary"])
def test_cifar10_comes_back_bit_by_bit(cifar10, to_records, examples, pixels, form):
    output = to_records("cifar10", f"--input={cifar10.folder}/cifar-10-{form}.tar.gz")
    for split, batches in (("train", CIFAR10_BATCHES[:5]), ("test", CIFAR10_BATCHES[5:])):
        drawn, names = Counter(), Counter()
        for batch in map(cifar10.written.get, batches):
            planes = batch.pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            rows = zip(batch.labels, planes, strict=True)
            drawn.update((number, image.tobytes()) for number, image in rows)
            names.update(batch.filenames)
        records = examples(output, f"cifar10-{split}")
        assert Counter((label(r), pixels(r).tobytes()) for r in records) == drawn
        assert {text(r, "class/text") for r in records} == set(CIFAR10_CLASSES)
        assert {CIFAR10_CLASSES[label(r)] == text(r, "class/text") for r in records} == {True}
        assert {kind_of_image(r) for r in records} == {("PNG", "RGB", 3)}
        found = [text(record, "filename") for record in records]
        assert len(set(found)) == len(records)
        if form == "python":
            assert Counter(name.rpartition("/")[2] for name in found) == names
    assert len(shard_names(output)) == 2


def test_names_that_two_batches_share_are_made_unique():
    def image(batch: str, row: int, name: str) -> CifarImage:
        return CifarImage(name, 0, b"", batch, row)

    images = [image("a", 0, "x.png"), image("a", 1, "y.png"), image("b", 7, "x.png")]
    assert [name for name, _ in unique_names(iter(images))] == ["x.png", "y.png", "b/00007/x.png"]


def test_flowers_keep_their_bytes_and_350_of_them_are_held_out(flowers, to_records, examples):
    output = to_records("flowers", f"--input={flowers.folder}", "--holdout=8")
    splits = {name: examples(output, f"flowers-{name}") for name in ("train", "validation")}
    assert {name: len(records) for name, records in splits.items()} == {
        "train": 22,
        "validation": 8,
    }
    found = {}
    for record in splits["train"] + splits["validation"]:
        found[text(record, "filename")] = record["image/encoded"][0]
        assert label(record) == sorted(FLOWER_CLASSES).index(text(record, "class/text"))
        assert text(record, "filename").startswith(text(record, "class/text") + "/")
        assert kind_of_image(record) == ("JPEG", "RGB", 3)
    assert found == flowers.written
    assert BUILT_IN["flowers"].holdout.images == 350
    assert shard_names(output) == [
        "flowers-train-00000-of-00001",
        "flowers-validation-00000-of-00001",
    ]


def test_the_held_out_flowers_follow_from_the_seed_not_from_the_form(
    flowers, to_records, convert, examples, tmp_path
):
    with tarfile.open(flowers.folder / "flower_photos.tgz") as tar:
        tar.extractall(tmp_path, filter="data")
    held_out = []
    for number, flags in enumerate(
        (
            [f"--input={flowers.folder}/flower_photos.tgz"],
            [f"--input={tmp_path}/flower_photos"],
            [f"--input={tmp_path}/flower_photos", "--selection_seed=1"],
        )
    ):
        output = tmp_path / f"out{number}"
        flags += ["--holdout=8", f"--output_dir={output}", "--train_shards=1"]
        assert convert("--dataset=flowers", *flags).status == 0
        held_out.append({text(r, "filename") for r in examples(output, "flowers-validation")})
    assert held_out[0] == held_out[1] != held_out[2]


def test_no_flower_is_held_out_where_none_is_asked_for(flowers, to_records):
    output = to_records("flowers", f"--input={flowers.folder}", "--holdout=0")
    assert {name.split("-00")[0] for name in shard_names(output)} == {"flowers-train"}


def test_any_small_set_can_hold_images_out(mnist, to_records, examples):
    output = to_records("mnist", f"--input={mnist.folder}", "--holdout=5")
    names = [text(record, "filename") for record in examples(output, "mnist-validation")]
    assert len(names) == 5
    assert set(names).isdisjoint(text(r, "filename") for r in examples(output, "mnist-train"))
    assert len(examples(output, "mnist-train")) == 25


def test_options_of_imagenet_work_for_small_sets_too(mnist, to_records, examples, pixels):
    flags = ["--classes=three", "--resize=exact:14x7", "--output_format=jpeg", "--label_base=1"]
    output = to_records("mnist", f"--input={mnist.folder}", *flags, "--train_shards=1")
    records = examples(output, "mnist-train")
    assert {(label(record), text(record, "class/text")) for record in records} == {(4, "three")}
    assert {pixels(record).shape for record in records} == {(7, 14)}
    assert {kind_of_image(record) for record in records} == {("JPEG", "Grayscale", 1)}


def test_tensorflow_datasets_finds_names_channels_and_labels(mnist, to_records):
    output = to_records("mnist", f"--input={mnist.folder}", "--schema=tfds") / "mnist" / "1.0.0"
    shard = output / "mnist-test.tfrecord-00000-of-00001"
    with shard.open("rb") as file:
        records = [parse_example(data) for data in read_records(file, shard.name)]
    assert {frozenset(record) for record in records} == {frozenset(("image", "label", "file_name"))}
    features = json.loads((output / "features.json").read_text())
    image = features["featuresDict"]["features"]["image"]["image"]
    assert (image["shape"]["dimensions"][-1], image["encodingFormat"]) == ("1", "png")
    assert (output / "label.labels.txt").read_text().split() == list(DIGITS)
    assert json.loads((output / "dataset_info.json").read_text())["name"] == "mnist"


@pytest.mark.slow
def test_tensorflow_datasets_reads_the_pixels(mnist, to_records):
    tfds = pytest.importorskip("tensorflow_datasets")
    output = to_records("mnist", f"--input={mnist.folder}", "--schema=tfds")
    builder = tfds.builder_from_directory(str(output / "mnist" / "1.0.0"))
    drawn = mnist.written.test
    rows = list(tfds.as_numpy(builder.as_dataset(split="test")))
    assert len(rows) == len(drawn.labels)
    for row in rows:
        index = int(row["file_name"][len(b"t10k_") : -len(b".png")])
        assert np.array_equal(row["image"], drawn.images[index][:, :, np.newaxis])
        assert row["label"] == drawn.labels[index]
    assert builder.info.features["label"].names == list(DIGITS)


def test_a_second_run_has_nothing_to_do_and_a_lost_shard_is_made_again(mnist, to_records, tree):
    flags = [f"--input={mnist.folder}"]
    before = tree(to_records("mnist", *flags))
    assert tree(to_records("mnist", *flags)) == before
    output = to_records("mnist", *flags)
    (output / "mnist-train-00000-of-00001").unlink()
    assert tree(to_records("mnist", *flags)) == before


def test_of_two_archives_in_a_folder_the_one_with_file_names_is_taken(cifar10):
    split = BUILT_IN["cifar10"].split_configs({"input": (str(cifar10.folder),)}, {}, Storage())[0]
    assert split.archives == (f"{cifar10.folder}/cifar-10-python.tar.gz",)


def test_the_official_counts_can_be_asked_for(mnist, convert, tmp_path):
    flags = [f"--input={mnist.folder}", "--expect=official", f"--output_dir={tmp_path}/out"]
    done = convert("--dataset=mnist", *flags)
    assert done.status == 2
    assert "holds 30 images, the official archive 60,000" in done.message or (
        "holds 10 images, the official archive 10,000" in done.message
    )


def test_help_tells_how_to_give_each_set(capsys):
    with pytest.raises(SystemExit):
        cli.main(["convert", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{name}:" in shown for name in BUILT_IN if name != "imagenet2012")
