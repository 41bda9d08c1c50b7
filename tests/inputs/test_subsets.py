"""Held-out splits, fractions, classes, limits and lists: which images, and which labels."""

import json
from collections import Counter

import pytest


@pytest.fixture
def run(official, convert, examples, tmp_path):
    """`run(*flags)`: the training names by split, after a conversion that must succeed."""

    def convert_and_read(*flags, source=()):
        output = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        done = convert(
            *(source or [f"--train_archive={official.train}", f"--devkit={official.devkit}"]),
            *flags,
            "--train_shards=2",
            "--test_shards=2",
            "--validation_shards=2",
            "--resize=none",
            f"--output_dir={output}",
        )
        assert done.status == 0, done.message
        found = {}
        for split in ("train", "validation", "test"):
            records = examples(output, split)
            found[split] = {
                r["image/filename"][0].decode(): r["image/class/label"][0] for r in records
            }
        found["manifest"] = json.loads((output / "manifest.json").read_text())
        return found

    return convert_and_read


def per_class(names):
    return Counter(name[:9] for name in names)


def labels(official):
    wnids = official.expected.wnids
    return {name: wnids.index(wnid) + 1 for name, wnid in official.expected.train.items()}


def test_a_held_out_split_is_stratified_and_disjoint(run, official):
    found = run("--holdout_per_class=1")
    assert per_class(found["test"]) == dict.fromkeys(official.expected.wnids, 1)
    assert per_class(found["train"]) == dict.fromkeys(official.expected.wnids, 3)
    assert found["train"] | found["test"] == labels(official)
    assert found["manifest"]["splits"]["test"]["images"] == 4
    assert "is_official_count" not in found["manifest"]["splits"]["train"]


def test_boxes_of_held_out_images_are_counted_once(run, official):
    boxes = official.train.with_name("ILSVRC2012_bbox_train_v2.tar.gz")
    counts = [
        run(f"--bounding_boxes={boxes}", *holdout)["manifest"]["bounding_boxes"]
        for holdout in ((), ("--holdout_per_class=1",))
    ]
    assert counts[0] == counts[1]
    assert counts[0]["without_image"] == 1  # the annotation of an image that is in no archive


def test_held_out_images_follow_the_seed_and_not_the_form(run, official, make, pictures, tmp_path):
    first = run("--holdout_per_class=2", "--holdout_split=validation")["validation"]
    files = {f"{pictures.wnid(n)}/{n}": data for n, data in pictures.train.items()}
    archive = make.tar(tmp_path / "t.tgz", files, "w:gz")
    streamed = [f"--train_archive={archive}", f"--devkit={official.devkit}"]
    flags = ["--holdout_per_class=2", "--holdout_split=validation"]
    assert run(*flags, source=streamed)["validation"] == first
    assert run(*flags, "--selection_seed=1")["validation"] != first
    assert run(*flags, "--shuffle_seed=1")["validation"] == first


def test_a_class_with_too_few_images_is_refused(official, refused):
    message = refused(
        f"--train_archive={official.train}",
        f"--devkit={official.devkit}",
        "--holdout_per_class=4",
    )
    assert "--holdout_per_class=4 is too many: the class n" in message
    assert "has 4 images" in message


def test_classes_keep_their_labels(run, official):
    wnids = official.expected.wnids[1:3]
    found = run(f"--classes={','.join(wnids)}")["train"]
    assert found == {n: label for n, label in labels(official).items() if n[:9] in wnids}


def test_max_images_per_class(run, official):
    assert per_class(run("--max_images_per_class=2")["train"]) == dict.fromkeys(
        official.expected.wnids, 2
    )


def test_a_fraction_is_the_same_each_time_and_part_of_a_larger_one(run):
    half = run("--fraction=0.5")["train"]
    assert 0 < len(half) < 16
    assert run("--fraction=0.5")["train"] == half
    assert half.items() < run("--fraction=0.8")["train"].items()


def test_only_files(run, official, tmp_path):
    names = sorted(official.expected.train)[::3]
    listed = tmp_path / "1percent.txt"
    listed.write_text("".join(f"train/{name}\n" for name in names))
    assert sorted(run(f"--only_files={listed}")["train"]) == names


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("daisy/1.jpg\nroses/2.jpg\n", ["daisy/1.jpg", "roses/2.jpg"]),
        ("flower_photos/daisy/1.jpg\n3.jpg\n", ["daisy/1.jpg", "roses/3.jpg"]),
    ],
)
def test_only_files_of_any_name(listed, expected, run, pictures, make, tmp_path):
    data = next(iter(pictures.train.values()))
    names = ("daisy/1.jpg", "daisy/2.jpg", "roses/1.jpg", "roses/2.jpg", "roses/3.jpg")
    folder = make.tree(tmp_path / "flowers", dict.fromkeys(names, data))
    path = tmp_path / "some.txt"
    path.write_text(listed)
    source = [f"--train_directory={folder}", "--allow_any_class_names"]
    assert sorted(run(f"--only_files={path}", source=source)["train"]) == expected


def test_the_order_of_choices(run, official):
    found = run("--holdout_per_class=1", "--max_images_per_class=2")
    assert per_class(found["test"]) == dict.fromkeys(official.expected.wnids, 1)
    assert per_class(found["train"]) == dict.fromkeys(official.expected.wnids, 2)
    assert not found["train"].keys() & found["test"].keys()


REFUSALS = {
    "--fraction=0": "--fraction=0.0 is out of range; accepted is a number above 0 and up to 1",
    "--fraction=all": "'all' is not accepted; give a number above 0",
    "--classes=n00000001": "--classes names n00000001, which is none of the 4 classes",
    "--max_images_per_class=0": "--max_images_per_class=0 takes no image; accepted is a number",
    "--max_images_per_class=-1": "--max_images_per_class=-1 is out of range",
    "--only_files={list}": "names 2 images, and 1 of them are there",
    "--holdout_per_class=1 --test_archive={train}": "--holdout_split=test is given as",
    "--classes={wnid} --train_shards=9": "--train_shards=9 is more than the 4 images",
}


@pytest.mark.parametrize("flags", REFUSALS)
def test_refusals(flags, official, convert, tmp_path):
    listed = tmp_path / "list"
    listed.write_text(f"{min(official.expected.train)}\nn01440764_1.JPEG\n")
    output = tmp_path / "out"
    filled = flags.format(list=listed, train=official.train, wnid=official.expected.wnids[0])
    done = convert(
        f"--train_archive={official.train}",
        f"--devkit={official.devkit}",
        f"--output_dir={output}",
        "--train_shards=2",
        *filled.split(),
    )
    assert done.status == 2, done.message
    assert REFUSALS[flags] in done.message
    assert not list(output.glob("train-*"))
