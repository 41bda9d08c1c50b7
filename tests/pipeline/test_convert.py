"""The command `convert` from archives to records."""

import base64
import csv
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagenet_beam.transforms.images.filter import filter_name
from imagenet_beam.transforms.images.options import libraries
from imagenet_beam.transforms.images.plain_jpeg import decoder_name
from imagenet_beam.transforms.records.schemas import SCHEMAS

TRAIN_SHARDS, VALIDATION_SHARDS = 4, 3
SHARDS = (f"--train_shards={TRAIN_SHARDS}", f"--validation_shards={VALIDATION_SHARDS}")
BOX_KEYS = {f"image/object/bbox/{side}" for side in ("xmin", "xmax", "ymin", "ymax", "label")}
KEYS = {
    *(f"image/{name}" for name in ("height", "width", "channels", "colorspace", "format")),
    *(f"image/{name}" for name in ("filename", "encoded", "class/label", "class/synset")),
    *("image/class/text", "image/object/class/label"),
    *BOX_KEYS,
}
# A JPEG of 8 by 8 pixels that is kept as it is, so that no library shows in the records.
GRAY_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERX"
    "RTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABv/EABQQAQAA"
    "AAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AJv/Z"
)


@pytest.fixture(scope="module")
def converted(hard, convert, tmp_path_factory):
    """The hard archives in 4 and 3 shards, with the defaults."""
    folder = tmp_path_factory.mktemp("converted") / "out"
    finished = convert(*hard.flags, f"--output_dir={folder}", *SHARDS)
    assert finished.status == 3, finished.message
    return folder


@pytest.fixture(scope="module")
def manifest(converted):
    return json.loads((converted / "manifest.json").read_bytes())


def text(example: dict, key: str) -> str:
    (value,) = example[key]
    return value.decode()


def number(example: dict, key: str) -> int:
    (value,) = example[key]
    return value


def picture(example: dict) -> Image.Image:
    return Image.open(io.BytesIO(example["image/encoded"][0]))


def wnids_of(archives, split: str) -> dict[str, str]:
    return archives.expected.train if split == "train" else archives.expected.validation


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_image_is_a_record_with_its_class_or_a_reject(converted, hard, examples, split):
    expected = hard.expected
    wnids = wnids_of(hard, split)
    kept = {name for name in wnids if expected.fates.get(name, "record") == "record"}
    records = examples(converted, split)
    assert len(records) == len(kept)
    assert {text(record, "image/filename") for record in records} == kept
    for record in records:
        wnid = wnids[text(record, "image/filename")]
        assert text(record, "image/class/synset") == wnid
        assert number(record, "image/class/label") == 1 + expected.wnids.index(wnid)
        assert text(record, "image/class/text") == expected.words[wnid]


def test_records_have_the_keys_that_readers_ask_for(converted, examples):
    assert set(SCHEMAS) >= {"inception"}
    for record in examples(converted, "train") + examples(converted, "validation"):
        assert set(record) == KEYS
        assert all(record[key] == [] for key in (*BOX_KEYS, "image/object/class/label"))


def test_pictures_are_resized_and_say_what_they_are(converted, hard, examples):
    kinds = hard.expected.kinds
    for record in examples(converted, "train"):
        with picture(record) as image:
            assert image.format == text(record, "image/format") == "JPEG"
            assert image.size == (number(record, "image/width"), number(record, "image/height"))
            assert min(image.size) == 256
            is_gray = kinds.get(text(record, "image/filename")) in ("gray", "png_16_bit_gray")
            assert (image.mode == "L") == (number(record, "image/channels") == 1)
            if is_gray:
                assert image.mode == "L"
            assert text(record, "image/colorspace") == {"L": "Grayscale", "RGB": "RGB"}[image.mode]


def test_pixels_are_those_of_the_archive(converted, hard, examples):
    with tarfile.open(hard.validation) as archive:
        stored = {item.name: archive.extractfile(item).read() for item in archive}
    compared = 0
    for record in examples(converted, "validation"):
        name = text(record, "image/filename")
        if name in hard.expected.kinds:
            continue  # their colours are compared in test_images.py
        with Image.open(io.BytesIO(stored[name])) as original, picture(record) as image:
            assert image.mode == original.mode
            back = np.asarray(image.resize(original.size, Image.Resampling.BOX), dtype=float)
            difference = np.abs(back - np.asarray(original, dtype=float))
        assert difference.mean() < 6, name
        compared += 1
    assert compared >= 9


def test_rejects_are_listed_with_place_and_reason(converted, hard):
    lines = (converted / "rejects.jsonl").read_text().splitlines()
    rejects = [json.loads(line) for line in lines]
    bad = {name: fate for name, fate in hard.expected.fates.items() if fate != "record"}
    assert {reject["filename"]: reject["reason"] for reject in rejects} == bad
    assert len(rejects) == len(bad) == 10
    wnids = {**hard.expected.train, **hard.expected.validation}
    for reject in rejects:
        archive = hard.train if reject["split"] == "train" else hard.validation
        assert list(reject) == [
            *("split", "shard", "archive", "filename", "offset_bytes", "wnid", "reason", "detail"),
            "size_bytes",
        ]
        assert reject["archive"] == str(archive)
        assert reject["wnid"] == wnids[reject["filename"]]
        assert (converted / reject["shard"]).exists() and reject["detail"]
    places = {reject["filename"]: reject["offset_bytes"] for reject in rejects}
    with tarfile.open(hard.validation) as archive:
        for member in archive:
            assert places.pop(member.name, member.offset_data) == member.offset_data


def test_manifest_accounts_for_every_image(manifest, hard, converted, examples):
    for split, entry in manifest["splits"].items():
        wnids, fates = wnids_of(hard, split), hard.expected.fates
        assert entry["images"] == len(wnids) == entry["records"] + entry["rejects"]
        assert entry["records"] == len(examples(converted, split))
        for wnid, (images, records) in entry["classes"].items():
            names = [name for name, other in wnids.items() if other == wnid]
            assert images == len(names)
            assert records == sum(fates.get(name, "record") == "record" for name in names)
        assert set(entry["classes"]) == set(hard.expected.wnids)
        assert entry["reject_reasons"] == dict.fromkeys(
            ("empty", "gzip", "not_an_image", "too_large", "truncated"), 1
        )
        assert entry["notes"]["repaired:cmyk"] == 1


def test_plan_and_manifest_name_the_filter_and_the_decoder(manifest, converted):
    plan = json.loads((converted / ".imagenet-beam" / "plan.json").read_text())
    assert plan["format"] == 2
    assert plan["libraries"] == manifest["libraries"] == libraries()
    assert plan["libraries"]["filter"] == filter_name()
    assert plan["libraries"]["jpeg_decoder"] == decoder_name()


def test_shards_are_named_and_of_equal_length(manifest, converted):
    names = sorted(path.name for path in converted.glob("*-of-*"))
    assert names == [
        *(f"train-{shard:05d}-of-00004" for shard in range(TRAIN_SHARDS)),
        *(f"validation-{shard:05d}-of-00003" for shard in range(VALIDATION_SHARDS)),
    ]
    for entry in manifest["splits"].values():
        images = [shard["records"] + shard["rejects"] for shard in entry["shards"]]
        assert max(images) - min(images) <= 1
        for shard in entry["shards"]:
            assert (converted / shard["name"]).stat().st_size == shard["bytes"]
    listed = [shard["name"] for entry in manifest["splits"].values() for shard in entry["shards"]]
    assert listed == names


def test_classes_stand_beside_the_shards(converted, hard):
    expected = hard.expected
    lines = (converted / "labels.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == [str(label) for label in range(6)]
    assert lines[:2] == ["0:background", "1:tench"]
    rows = list(csv.DictReader((converted / "classes.csv").read_text().splitlines()[1:]))
    assert [row["wnid"] for row in rows] == list(expected.wnids)
    for label, row in enumerate(rows, start=1):
        assert row["label"] == str(label)
        assert row["text"] == expected.words[row["wnid"]]
        assert row["ilsvrc2012_id"] == str(expected.ilsvrc_ids[row["wnid"]])
        assert lines[label] == f"{label}:{row['unique_name']}"


def test_summary_says_what_came_out(hard, convert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished = convert(*hard.flags, "--output_dir=the out", *SHARDS, "--max_rejects=10")
    assert finished.status == 0
    splits = json.loads(Path("the out", "manifest.json").read_bytes())["splits"]
    train, validation = (f"{entry['bytes'] / 1000:.1f} kB" for entry in splits.values())
    writing, _, end = finished.message.partition("\ndone: ")
    assert "writing 7 shards to the out" in writing
    done, rest = end.split("\n", 1)
    assert re.fullmatch(r"55 images in [^,]+, \d+ images?/s, peak memory [\d,]+ MB", done)
    repaired = "16bit (1), alpha (1), cmyk (1), cmyk_unmarked (1), palette (1), png (4), ycck (1)"
    unmarked = (
        "1 CMYK image without Adobe's marker, taken as Photoshop stores them (inverted): look at "
        "the first on the report's page"
    )
    rejected = "empty (1), gzip (1), not_an_image (1), too_large (1), truncated (1)"
    assert (
        rest
        == f"""
split       images  records  rejects  classes  shards     bytes
train           30       25        5        5       4  {train:>8}
validation      25       20        5        5       3  {validation:>8}

train: 30 of the 1,281,167 images of the official archive
train: {unmarked}
train, exif: corrupt (1)
train, orientation: 6 (1)
train, repaired: {repaired}
train, rejected: {rejected}
validation: 25 of the 50,000 images of the official archive
validation: {unmarked}
validation, exif: corrupt (1)
validation, orientation: 6 (1)
validation, repaired: {repaired}
validation, rejected: {rejected}

output: the out
manifest: the out/manifest.json
rejects: the out/rejects.jsonl

next:
  imagenet-beam verify 'the out'
  imagenet-beam show 'the out'
  imagenet-beam report 'the out'
  in Python: imagenet_beam.Records('the out', 'train')
"""
    )


def test_too_many_rejects_say_where_to_look(hard, convert, tmp_path):
    flags = [*hard.validation_flags, f"--output_dir={tmp_path / 'out'}", "--validation_shards=2"]
    finished = convert(*flags, "--max_rejects=4")
    assert finished.status == 3
    assert "5 images rejected, 4 allowed" in finished.message
    assert str(tmp_path / "out" / "rejects.jsonl") in finished.message
    assert "--max_rejects=5" in finished.message
    again = convert(*flags, "--max_rejects=5")
    assert again.status == 0
    assert "nothing to do" in again.message


def test_labels_may_begin_at_0(clean, convert, examples, tmp_path):
    out = tmp_path / "out"
    finished = convert(
        *clean.validation_flags, f"--output_dir={out}", "--validation_shards=1", "--label_base=0"
    )
    assert finished.status == 0, finished.message
    wnids = clean.expected.wnids
    for record in examples(out, "validation"):
        wnid = clean.expected.validation[text(record, "image/filename")]
        assert number(record, "image/class/label") == wnids.index(wnid)
    assert (out / "labels.txt").read_text().splitlines()[0] == "0:tench"


def test_seed_changes_the_order_and_not_the_records(clean, convert, examples, tmp_path):
    orders = []
    for seed in (0, 1, -5):
        out = tmp_path / f"seed{seed}"
        flags = ("--validation_shards=2", "--resize=none", f"--shuffle_seed={seed}")
        finished = convert(*clean.validation_flags, f"--output_dir={out}", *flags)
        assert finished.status == 0, finished.message
        orders.append([record["image/encoded"] for record in examples(out, "validation")])
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])


@pytest.mark.parametrize(
    ("resize", "size_of"),
    [
        ("shorter:20", lambda width, height: min(width, height) == 20),
        ("longer:30", lambda width, height: max(width, height) == 30),
        ("exact:24x16", lambda width, height: (width, height) == (24, 16)),
    ],
)
def test_each_way_to_resize(clean, convert, examples, tmp_path, resize, size_of):
    out = tmp_path / "out"
    flags = ("--validation_shards=1", f"--resize={resize}")
    finished = convert(*clean.validation_flags, f"--output_dir={out}", *flags)
    assert finished.status == 0, finished.message
    records = examples(out, "validation")
    assert len(records) == 12
    for record in records:
        with picture(record) as image:
            assert size_of(*image.size)


def test_no_resize_keeps_the_bytes(hard, convert, examples, tmp_path):
    out = tmp_path / "out"
    flags = ("--validation_shards=1", "--resize=none")
    assert convert(*hard.validation_flags, f"--output_dir={out}", *flags).status == 3
    with tarfile.open(hard.validation) as archive:
        stored = {item.name: archive.extractfile(item).read() for item in archive}
    mended = {
        *("png", "png_palette", "png_alpha", "png_16_bit_gray"),
        *("cmyk", "cmyk_unmarked", "ycck"),
    }
    for record in examples(out, "validation"):
        name = text(record, "image/filename")
        is_mended = hard.expected.kinds.get(name) in mended
        assert (record["image/encoded"][0] != stored[name]) == is_mended, name


def test_quality_decides_the_size(clean, convert, tmp_path):
    sizes = []
    for quality in (30, 95):
        out = tmp_path / str(quality)
        flags = ("--validation_shards=1", f"--jpeg_quality={quality}")
        assert convert(*clean.validation_flags, f"--output_dir={out}", *flags).status == 0
        sizes.append((out / "validation-00000-of-00001").stat().st_size)
    assert sizes[0] < 0.7 * sizes[1]


def write_tar(path, members):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_known_bytes(clean, convert, tmp_path):
    """The whole of a small output; it changes only on purpose.

    Recipe: 2 copies of one JPEG in each of the first four synthetic classes, 3 shards.
    """
    for wnid in clean.expected.wnids:
        members = [(f"{wnid}_{number}.JPEG", GRAY_JPEG) for number in (7, 10)]
        write_tar(tmp_path / f"{wnid}.tar", members)
    class_tars = [(f"{wnid}.tar", tmp_path / f"{wnid}.tar") for wnid in clean.expected.wnids]
    train = write_tar(
        tmp_path / "train.tar", [(name, path.read_bytes()) for name, path in class_tars]
    )
    flags = [f"--train_archive={train}", f"--devkit={clean.devkit}", "--resize=none"]
    finished = convert(*flags, f"--output_dir={tmp_path / 'out'}", "--train_shards=3")
    assert finished.status == 0, finished.message
    names = [*(f"train-{shard:05d}-of-00003" for shard in range(3)), "labels.txt", "classes.csv"]
    content = b"".join((tmp_path / "out" / name).read_bytes() for name in names)
    assert hashlib.sha256(content).hexdigest() == (
        "4d075a8cabb668a24c9b8666d5b12c4bb5ed79984fa09cca85be7f9d7a1bf1b9"
    )


def test_the_command_as_a_process(clean, start, examples, tmp_path):
    out = tmp_path / "out"
    finished = start("convert", *clean.flags, f"--output_dir={out}", *SHARDS).finish()
    assert finished.status == 0, finished.message
    assert re.search(r"^train +24 +24 +0 +4 +4 ", finished.message, re.MULTILINE)
    assert "Traceback" not in finished.message and "WARNING" not in finished.message
    for split in ("train", "validation"):
        wnids = {
            text(record, "image/filename"): text(record, "image/class/synset")
            for record in examples(out, split)
        }
        assert wnids == wnids_of(clean, split)


def test_labels_that_may_be_of_another_set_are_told_of(clean, write_archives, convert, tmp_path):
    other = write_archives(
        tmp_path / "other", classes=4, train_per_class=1, validation_per_class=5, hard_images=False
    )
    out = tmp_path / "out"
    flags = [f"--validation_archive={clean.validation}", f"--devkit={other.devkit}"]
    finished = convert(*flags, "--expect=any", "--validation_shards=2", f"--output_dir={out}")
    assert finished.status == 0
    assert "validation: there are 20 labels for 12 images, and each image" in finished.message
    entry = json.loads((out / "manifest.json").read_text())["splits"]["validation"]
    assert (entry["labels_given"], entry["images_found"]) == (20, 12)
    right = convert(*clean.validation_flags, "--validation_shards=2", f"--output_dir={out}2")
    assert right.status == 0 and "labels for" not in right.message
