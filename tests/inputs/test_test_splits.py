"""Test images with labels, and held-out images beside the official test images."""

import json
from collections import Counter

import pytest


@pytest.fixture
def run(convert, examples, tmp_path):
    """`run(*flags)`: name and label of each record by split, after a conversion."""

    def convert_and_read(*flags):
        output = tmp_path / "out"
        done = convert(*flags, "--resize=none", f"--output_dir={output}")
        assert done.status == 0, done.message
        splits = json.loads((output / "manifest.json").read_text())["splits"]
        return {
            split: {
                r["image/filename"][0].decode(): r["image/class/label"][0]
                for r in examples(output, split)
            }
            for split in splits
        }

    return convert_and_read


@pytest.fixture
def split_off(make, pictures, tmp_path):
    """Class folders for training and, of one image a class, for testing, as a script leaves them.

    `split_off(rename)`: the path below the folder of each image, from its wnid and name.
    """

    def write(rename=lambda wnid, name: f"{wnid}/{name}"):
        kept, moved = {}, {}
        for name, data in sorted(pictures.train.items()):
            wnid = pictures.wnid(name)
            files = kept if any(path.startswith(f"{wnid}/") for path in moved) else moved
            files[f"{wnid}/{name}"] = data
        renamed = {rename(*path.split("/")): data for path, data in moved.items()}
        train = make.tree(tmp_path / "parts" / "train", kept)
        return train, make.tree(tmp_path / "parts" / "test", renamed)

    return write


SHARDS = ["--train_shards=2", "--test_shards=2"]


@pytest.mark.parametrize("form", ["directory", "archive"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_test_split_in_class_folders_has_labels(
    form, listed, split_off, official, pictures, make, run, tmp_path
):
    train, test = split_off(lambda wnid, name: f"{wnid}/{name.replace('_', '-')}")
    files = {str(path.relative_to(test)): path.read_bytes() for path in test.rglob("*.JPEG")}
    given = test if form == "directory" else make.tar(tmp_path / "test.tar", files)
    devkit = [f"--devkit={official.devkit}"] * listed
    found = run(f"--train_directory={train}", f"--test_{form}={given}", *devkit, *SHARDS)
    wnids = official.expected.wnids
    assert len(files) == 4
    assert found["test"] == {path: wnids.index(path[:9]) + 1 for path in files}
    assert len(found["train"]) == 12


def test_official_names_of_test_images_in_class_folders(split_off, official, run):
    test = split_off()[1]
    wnids = official.expected.wnids
    found = run(f"--test_directory={test}", "--test_shards=2", "--label_base=0")
    assert found["test"] == {path.name: wnids.index(path.name[:9]) for path in test.rglob("*.JPEG")}


@pytest.mark.parametrize("is_labelled", [True, False])
def test_classes_are_taken_of_labelled_test_images_only(is_labelled, split_off, official, run):
    train, test = split_off()
    given = f"--test_directory={test}"
    if not is_labelled:
        given = f"--test_archive={official.train.with_name('ILSVRC2012_img_test_v10102019.tar')}"
    wnid = official.expected.wnids[1]
    found = run(
        f"--train_directory={train}",
        given,
        f"--devkit={official.devkit}",
        f"--classes={wnid}",
        "--max_images_per_class=2",
        "--train_shards=1",
        "--test_shards=1",
    )
    assert Counter(found["train"].values()) == {2: 2}
    assert Counter(found["test"].values()) == ({2: 1} if is_labelled else {-1: 4})


def test_held_out_images_beside_official_test_images(official, pictures, run):
    archive = official.train.with_name("ILSVRC2012_img_test_v10102019.tar")
    found = run(
        *official.flags[:1],
        f"--test_archive={archive}",
        f"--devkit={official.devkit}",
        "--holdout_per_class=1",
        "--holdout_split=heldout",
        "--holdout_shards=3",
        *SHARDS,
    )
    assert found["test"] == dict.fromkeys(pictures.test, -1)
    assert Counter(found["heldout"].values()) == dict.fromkeys(range(1, 5), 1)
    assert Counter(found["train"].values()) == dict.fromkeys(range(1, 5), 3)
    assert not found["train"].keys() & found["heldout"].keys()


HELD_OUT = {
    "--holdout_split=held-out": "--holdout_split=held-out cannot be the name of a split; accepted",
    "--holdout_split=../x": "--holdout_split=../x cannot be the name of a split",
    "--holdout_split=2nd": "--holdout_split=2nd cannot be the name of a split",
    "--holdout_split=train": "--holdout_split=train is given as --train_archive too",
    "--holdout_split=Train": "two splits are called train",
    "--holdout_split=heldout --holdout_shards=5": "--holdout_shards=5 is more than the 4 images",
    "--holdout_shards=17": "--test_shards=17 is more than the 4 images",
    "--holdout_shards=2 --test_shards=2": "--test_shards and --holdout_shards are one number",
}


@pytest.mark.parametrize("flags", HELD_OUT)
def test_names_and_shards_of_a_held_out_split(flags, official, convert, tmp_path):
    done = convert(
        *official.flags[:1],
        "--holdout_per_class=1",
        *flags.split(),
        "--train_shards=2",
        f"--output_dir={tmp_path / 'out'}",
    )
    assert done.status == 2, done.message
    assert HELD_OUT[flags] in done.message


@pytest.mark.parametrize("flag", ["--holdout_split=heldout", "--holdout_shards=2"])
def test_a_held_out_split_of_nothing(flag, official, refused):
    said = refused(*official.flags[:1], flag)
    assert "--holdout_split and --holdout_shards are of held-out images; give --holdout_per" in said


MIXED = {
    "some in class folders": (
        ["n01440764/1.jpg", "2.jpg"],
        [],
        "1 of 2 with one (n01440764/1.jpg: n01440764); lay all of them in class folders, or none",
    ),
    "some in no class folder": (
        ["a.jpg", "n01440764/1.jpg"],
        [],
        "holds images without a class, and 1 of 2 with one",
    ),
    "a class that is none of the labels'": (
        ["n09999999/1.jpg"],
        ["--devkit={devkit}"],
        "the class n09999999 of n09999999/1.jpg",
    ),
    "a folder that is no class": (["images/1.jpg"], [], "1 class (images) whose names are no wn"),
    "one folder that may be no class": (
        ["images/1.jpg"],
        ["--allow_any_class_names"],
        "has all its 1 images in the one folder images",
    ),
    "folders that are not those of the training images": (
        ["part1/1.jpg", "part2/1.jpg"],
        ["--allow_any_class_names", "--train_archive={train}"],
        "the class part1 of part1/1.jpg",
    ),
    "validation images": (
        ["n01440764/ILSVRC2012_val_00000001.JPEG"],
        [],
        "it is a validation archive; give it to --validation_archive",
    ),
}


@pytest.mark.parametrize("case", MIXED)
def test_test_images_that_cannot_be_labelled(case, make, official, convert, pictures, tmp_path):
    paths, flags, said = MIXED[case]
    image = next(iter(pictures.train.values()))
    tree = make.tree(tmp_path / "test", dict.fromkeys(paths, image))
    places = {"devkit": official.devkit, "train": official.train}
    done = convert(
        f"--test_directory={tree}",
        *(flag.format(**places) for flag in flags),
        "--train_shards=1",
        "--test_shards=1",
        f"--output_dir={tmp_path / 'out'}",
    )
    assert done.status == 2, done.message
    assert said in done.message
    assert not list((tmp_path / "out").glob("test-*"))
