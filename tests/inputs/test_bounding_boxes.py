"""Bounding boxes from each of their forms, through whole conversions."""

import gzip
import json
import struct
import tarfile

import pytest

from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.boxes.annotations import image_stem

STRANGERS = 1  # the training archive annotates an image that is in no archive


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def boxes_in(record):
    corners = [record[f"image/object/bbox/{side}"] for side in ("xmin", "ymin", "xmax", "ymax")]
    return [tuple(box) for box in zip(*corners, strict=True)]


@pytest.fixture(scope="module")
def archives(official):
    folder = official.train.parent
    return [
        folder / "ILSVRC2012_bbox_train_v2.tar.gz",
        folder / "ILSVRC2012_bbox_val_v3.tgz",
    ]


@pytest.fixture
def sources(archives, official, tmp_path):
    """`sources(form)`: the value of --bounding_boxes."""

    def make(form):
        if form == "archives":
            return ",".join(map(str, archives))
        if form == "tars":
            tars = [tmp_path / f"{path.name}.tar" for path in archives]
            for path, unpacked in zip(archives, tars, strict=True):
                unpacked.write_bytes(gzip.decompress(path.read_bytes()))
            return ",".join(map(str, tars))
        folder = tmp_path / "xml"
        for path in archives:
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter="data")
        return str(folder)

    return make


@pytest.mark.parametrize("form", ["archives", "tars", "folder"])
def test_boxes_are_joined_by_name(form, sources, official, convert, examples, tmp_path):
    output = tmp_path / "out"
    done = convert(
        *official.flags,
        f"--bounding_boxes={sources(form)}",
        "--train_shards=2",
        "--validation_shards=1",
        f"--output_dir={output}",
    )
    assert done.status == 0, done.message
    expected = official.expected.boxes
    assert any(expected.values())
    for split in ("train", "validation"):
        for record in examples(output, split):
            name = record["image/filename"][0].decode()
            wanted = [tuple(map(float32, box)) for box in expected.get(name, ())]
            assert boxes_in(record) == wanted, name
            labels = record["image/class/label"] * len(wanted)
            assert record["image/object/bbox/label"] == labels
            assert record["image/object/class/label"] == labels
    manifest = json.loads((output / "manifest.json").read_text())
    entry = manifest["bounding_boxes"]
    assert entry["boxes"] == sum(map(len, expected.values())) + STRANGERS
    assert entry["files"] == len(expected) + STRANGERS
    assert entry["without_image"] == STRANGERS
    assert set(entry) == {"files", "boxes", "clamped", "swapped", "dropped", "without_image"}


def test_boxes_of_streamed_images_are_the_same(official, archives, convert, tree, tmp_path):
    compressed = tmp_path / "train.tar.gz"
    compressed.write_bytes(gzip.compress(official.train.read_bytes(), 1))
    outputs = []
    for archive in (official.train, compressed):
        output = tmp_path / archive.name.replace(".", "_")
        done = convert(
            f"--train_archive={archive}",
            f"--bounding_boxes={archives[0]}",
            "--train_shards=2",
            f"--output_dir={output}",
        )
        assert done.status == 0, done.message
        outputs.append({k: v for k, v in tree(output).items() if k.startswith("train-")})
    assert len(outputs[0]) == 2
    assert outputs[0] == outputs[1]


def test_boxes_for_images_that_are_not_there_are_counted(official, archives, convert, tmp_path):
    output = tmp_path / "out"
    done = convert(
        *official.validation_flags,
        f"--bounding_boxes={archives[0]},{archives[1]}",
        "--validation_shards=1",
        f"--output_dir={output}",
    )
    assert done.status == 0, done.message
    entry = json.loads((output / "manifest.json").read_text())["bounding_boxes"]
    boxes = official.expected.boxes
    in_train = sum(len(found) for name, found in boxes.items() if name.startswith("n"))
    assert in_train
    assert entry["without_image"] == in_train + STRANGERS


def test_the_csv_of_the_command_is_an_input(official, archives, convert, examples, tmp_path):
    """Four decimals, as `process_bounding_boxes.py` writes them."""
    csv = tmp_path / "boxes.csv"
    annotations = ",".join(map(str, archives))
    assert main(["bounding_boxes", f"--annotations={annotations}", f"--output={csv}"]) == 0
    lines = csv.read_text().splitlines()
    expected = {
        f"{image_stem(name)}.JPEG,{b.xmin:.4f},{b.ymin:.4f},{b.xmax:.4f},{b.ymax:.4f}"
        for name, boxes in official.expected.boxes.items()
        for b in boxes
    }
    assert {line for line in lines if not line.startswith("n00007846_64193.JPEG")} == expected
    output = tmp_path / "out"
    done = convert(
        *official.validation_flags,
        f"--bounding_boxes={csv}",
        "--validation_shards=1",
        f"--output_dir={output}",
    )
    assert done.status == 0, done.message
    for record in examples(output, "validation"):
        for box in boxes_in(record):
            name = record["image/filename"][0].decode()
            assert f"{name},{','.join(f'{value:.4f}' for value in box)}" in expected


def test_the_csv_of_some_synsets(official, archives, tmp_path):
    wnid = next(n for n in sorted(official.expected.boxes) if n.startswith("n"))[:9]
    synsets = tmp_path / "synsets.txt"
    synsets.write_text(f"{wnid}\n")
    csv = tmp_path / "boxes.csv"
    status = main(
        [
            "bounding_boxes",
            f"--annotations={archives[0]}",
            f"--output={csv}",
            f"--synsets={synsets}",
        ]
    )
    assert status == 0
    count = sum(len(b) for name, b in official.expected.boxes.items() if name.startswith(wnid))
    assert len(csv.read_text().splitlines()) == count
    assert all(line.startswith(wnid) for line in csv.read_text().splitlines())


def test_classes_of_any_name_have_boxes_of_their_own(pictures, make, convert, examples, tmp_path):
    """Names may come again in another class; the CSV of the XML says the same once more."""
    data = next(iter(pictures.train.values()))
    images = make.tree(tmp_path / "images", {"daisy/1.jpg": data, "roses/1.jpg": data})
    xml = (
        "<annotation><size><width>8</width><height>8</height></size><object><bndbox>"
        "<xmin>0</xmin><ymin>2</ymin><xmax>4</xmax><ymax>8</ymax></bndbox></object></annotation>"
    )
    boxes = make.tree(tmp_path / "boxes", {"daisy/1.xml": xml.encode()})
    csv, output = tmp_path / "boxes.csv", tmp_path / "out"
    assert main(["bounding_boxes", f"--annotations={boxes}", f"--output={csv}"]) == 0
    assert csv.read_text() == "daisy/1.JPEG,0.0000,0.2500,0.5000,1.0000\n"
    done = convert(
        f"--train_directory={images}",
        "--allow_any_class_names",
        f"--bounding_boxes={boxes},{csv}",
        "--train_shards=1",
        f"--output_dir={output}",
    )
    assert done.status == 0, done.message
    found = {r["image/filename"][0]: boxes_in(r) for r in examples(output, "train")}
    assert found == {b"daisy/1.jpg": [(0.0, 0.25, 0.5, 1.0)], b"roses/1.jpg": []}


def test_boxes_that_are_missing_or_none_are_refused(official, refused, tmp_path):
    flags = official.validation_flags
    assert "--bounding_boxes: " in refused(*flags, f"--bounding_boxes={tmp_path}/no.tgz")
    page = tmp_path / "page.tgz"
    page.write_text("<html>log in</html>")
    assert "HTML" in refused(*flags, f"--bounding_boxes={page}")
