"""Class folders that are called by words: each is the class of its wnid, or is refused."""

import json

import pytest

TEXTS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n02113186": "Cardigan, Cardigan Welsh corgi",
    "n02119789": "kit fox, Vulpes macrotis",
    "n02963159": "cardigan",
    "n03126707": "crane",
    "n03494278": "harmonica, mouth organ, harp, mouth harp",
    "n03495258": "harp",
    "n03590841": "jack-o'-lantern",
    "n03710637": "maillot",
    "n03710721": "maillot, tank suit",
}
LINES = {
    "map_clsloc": [
        f"{wnid} {number} {text.partition(',')[0].replace(' ', '_')}"
        for number, (wnid, text) in enumerate(reversed(TEXTS.items()), 1)
    ],
    "synset_words": [f"{wnid} {text}" for wnid, text in TEXTS.items()],
}


@pytest.fixture
def lists(tmp_path):
    """The files of names by kind, and a list of all classes."""
    for kind, lines in {**LINES, "classes": TEXTS}.items():
        (tmp_path / kind).write_text("".join(f"{line}\n" for line in lines))
    return {kind: tmp_path / kind for kind in (*LINES, "classes")}


@pytest.fixture
def folders(make, pictures, tmp_path):
    """`folders(*paths)`: a tree with one picture under each path."""
    image = next(iter(pictures.train.values()))

    def write(*paths, name="train"):
        return make.tree(tmp_path / name, dict.fromkeys(paths, image))

    return write


@pytest.fixture
def run(convert, examples, tmp_path):
    """`run(*flags)`: wnid and label of each image by split, after a conversion."""

    def convert_and_read(*flags):
        output = tmp_path / "out"
        shards = [f"--{split}_shards=1" for split in ("train", "validation", "test")]
        done = convert(*flags, *shards, "--resize=none", f"--output_dir={output}")
        assert done.status == 0, done.message
        found = {"message": done.message}
        found["manifest"] = json.loads((output / "manifest.json").read_text())
        for split in found["manifest"]["splits"]:
            found[split] = {
                r["image/filename"][0].decode(): (
                    r["image/class/synset"][0].decode(),
                    r["image/class/label"][0],
                )
                for r in examples(output, split)
            }
        return found

    return convert_and_read


@pytest.mark.parametrize("kind", LINES)
def test_word_folders_are_the_classes_of_their_wnids(kind, lists, folders, run):
    wnids = {
        "crane": "n02012849",
        "crane_machine": "n03126707",
        "kit_fox": "n02119789",
        "maillot": "n03710637",
        "tank_suit": "n03710721",
        "tench": "n01440764",
    }
    tree = folders(*(f"{folder}/1.jpg" for folder in wnids))
    found = run(f"--train_directory={tree}", f"--class_names={lists[kind]}")
    labels = {wnid: label for label, wnid in enumerate(sorted(wnids.values()), 1)}
    assert found["train"] == {
        f"{folder}/1.jpg": (wnid, labels[wnid]) for folder, wnid in wnids.items()
    }
    assert found["manifest"]["splits"]["train"]["class_folders"] == wnids
    assert "in_class_names" not in found["manifest"]["classes"]
    told = "train: 6 class folders called by words: crane is n02012849, crane_machine is n03126707"
    assert told in found["message"]


@pytest.mark.parametrize("kind", LINES)
def test_word_folders_take_the_labels_of_the_list(kind, lists, folders, run):
    tree = folders("kit_fox/1.jpg", "tench/1.jpg", "n03495258/1.jpg")
    given = [f"--class_names={lists[kind]}", f"--labels_file={lists['classes']}", "--expect=any"]
    order = list(TEXTS)
    expected = {"tench": "n01440764", "kit_fox": "n02119789", "n03495258": "n03495258"}
    assert run(f"--train_directory={tree}", *given)["train"] == {
        f"{folder}/1.jpg": (wnid, order.index(wnid) + 1) for folder, wnid in expected.items()
    }


def test_class_tars_called_by_words(lists, make, pictures, run, tmp_path):
    image = next(iter(pictures.train.values()))
    inner = make.tar(tmp_path / "inner.tar", {"1.jpg": image}).read_bytes()
    names = {"maillot": "n03710637", "tank_suit": "n03710721"}
    archive = make.tar(tmp_path / "t.tar", {f"{name}.tar": inner for name in names})
    found = run(f"--train_archive={archive}", f"--class_names={lists['map_clsloc']}")
    assert {name: wnid for name, (wnid, _) in found["train"].items()} == {
        f"{name}/1.jpg": wnid for name, wnid in names.items()
    }


@pytest.mark.parametrize("listed", [True, False])
def test_a_name_that_fits_two_classes_or_none_is_refused(listed, lists, folders, refused):
    classes = [f"--labels_file={lists['classes']}"] * listed
    given = [f"--class_names={lists['synset_words']}", *classes]
    two = refused(f"--train_directory={folders('tench/1.jpg', 'crane/1.jpg')}", *given)
    assert "--class_names: the class folder crane fits 2 classes, n02012849 (crane) and n" in two
    none = refused(f"--train_directory={folders('kit_foxx/1.jpg', name='other')}", *given)
    assert "--class_names: 1 class folder (kit_foxx) is called like no class of the list" in none


def test_what_is_left_over_in_one_split_is_not_in_another(lists, folders, refused):
    """Merged by a script that knows one maillot, beside a split where both have a name."""
    train = folders("maillot/1.jpg", "tank_suit/1.jpg", "tench/1.jpg")
    validation = folders("maillot/1.jpg", "tench/1.jpg", name="val")
    said = refused(
        f"--train_directory={train}",
        f"--validation_directory={validation}",
        f"--class_names={lists['map_clsloc']}",
    )
    assert f"--validation_directory={validation}: " in said
    assert "the class folder maillot fits 2 classes, n03710637" in said


def test_official_names_in_word_folders_decide_for_themselves(lists, folders, run):
    tree = folders("crane/n03126707_1.JPEG", "crane/n02012849_1.JPEG", "fox/n02119789_1.JPEG")
    found = run(f"--train_directory={tree}", f"--class_names={lists['map_clsloc']}")
    assert {name: wnid for name, (wnid, _) in found["train"].items()} == {
        f"{wnid}_1.JPEG": wnid for wnid in ("n02012849", "n02119789", "n03126707")
    }
    assert "class_folders" not in found["manifest"]["splits"]["train"]


FIRST, SECOND = (f"ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2))


@pytest.mark.parametrize("flags", ["--class_names={names}", "--allow_any_class_names"])
@pytest.mark.parametrize("beside", ["train", "alone"])
def test_validation_images_in_word_folders(flags, beside, lists, folders, run):
    tree = folders(f"kit_fox/{FIRST}", f"tench/{SECOND}", name="val")
    given = [f"--validation_directory={tree}", flags.format(names=lists["map_clsloc"])]
    if beside == "train":
        given.append(f"--train_directory={folders('kit_fox/1.jpg', 'tench/1.jpg')}")
    classes = ("kit_fox", "tench") if "any" in flags else ("n02119789", "n01440764")
    labels = {name: label for label, name in enumerate(sorted(classes), 1)}
    assert run(*given)["validation"] == {
        name: (wnid, labels[wnid]) for name, wnid in zip((FIRST, SECOND), classes, strict=True)
    }


def test_validation_word_folders_and_labels_by_number(lists, folders, run, refused, tmp_path):
    (truth := tmp_path / "truth").write_text(f"{SOLUTION},n02119789 1 1\n{FIRST[:-5]},n02012849 1")
    given = [f"--validation_labels={truth}", f"--class_names={lists['map_clsloc']}"]
    agreeing = folders(f"crane/{FIRST}", f"images/{SECOND}", name="val")
    found = run(f"--validation_directory={agreeing}", *given)["validation"]
    assert found == {FIRST: ("n02012849", 1), SECOND: ("n02119789", 2)}
    other = folders(f"tench/{FIRST}", f"kit_fox/{SECOND}", name="other")
    said = refused(f"--validation_directory={other}", *given)
    assert f"{FIRST}: n01440764 in the archive, n02012849 by the labels" in said


SOLUTION = f"ImageId,PredictionString\n{SECOND[:-5]}"


def test_validation_images_in_folders_that_tell_nothing(lists, folders, refused):
    tree = folders(f"foxes/{FIRST}", f"tench/{SECOND}", name="val")
    for given in ([f"--class_names={lists['map_clsloc']}"], []):
        said = refused(f"--validation_directory={tree}", *given)
        assert f"the class of {FIRST} is not known: it lies in the folder foxes, which is" in said
        assert "give --class_names (map_clsloc.txt or synset_words.txt)" in said
    one = folders(f"images/{FIRST}", f"images/{SECOND}", name="one")
    said = refused(f"--validation_directory={one}", "--allow_any_class_names")
    assert "has all its 2 images in the one folder images" in said


def test_a_list_of_which_nothing_is_used_is_told(lists, folders, run):
    tree = folders("tench/1.jpg", "kit_fox/1.jpg")
    given = [f"--train_directory={tree}", f"--class_names={lists['map_clsloc']}"]
    found = run(*given, "--allow_any_class_names")
    assert (
        f"--class_names={lists['map_clsloc']} names none of the 2 classes; with "
        "--allow_any_class_names folders are classes by their own names" in found["message"]
    )
    assert {wnid for wnid, _ in found["train"].values()} == {"tench", "kit_fox"}


def test_a_list_of_which_a_part_is_used_is_told(lists, folders, run):
    tree = folders("tench/1.jpg", "n01443537/1.jpg")
    found = run(f"--train_directory={tree}", f"--class_names={lists['map_clsloc']}")
    assert f"--class_names={lists['map_clsloc']} names 1 of the 2 classes\n" in found["message"]
    assert found["manifest"]["classes"]["in_class_names"] == 1


@pytest.mark.parametrize("given", ["", "--class_names={names}", "--labels_file={classes}"])
def test_folders_without_text_say_which_flag_brings_it(given, lists, folders, run):
    tree = folders("n01440764/1.jpg", "n02119789/1.jpg")
    flags = given.format(names=lists["map_clsloc"], classes=lists["classes"]).split()
    found = run(f"--train_directory={tree}", *flags, "--expect=any")
    told = "--class_names=synset_words.txt, map_clsloc.txt or LOC_synset_mapping.txt brings them"
    assert (told in found["message"]) == ("names" not in given)


@pytest.mark.parametrize("output", ["", "/out", "/n01440764/out"])
def test_an_output_folder_among_the_images_is_refused(output, convert, make, tmp_path):
    tree = make.tree(tmp_path / "train", {"n01440764/1.jpg": b"x"})
    link = tmp_path / "link"
    link.symlink_to(tree)
    done = convert(f"--train_directory={tree}", f"--output_dir={link}{output}")
    assert done.status == 2
    assert f"--output_dir={link}{output} lies in --train_directory={tree}; give" in done.message
    assert [path.name for path in tree.rglob("*")] == ["n01440764", "1.jpg"]


def test_classes_of_any_name_are_not_compared_with_the_official_number(
    make, pictures, convert, tmp_path
):
    files = {f"{i % 2}x/{i}.jpg": data for i, data in enumerate(pictures.train.values())}
    tree = make.tree(tmp_path / "train", files)
    flags = ["--allow_any_class_names", f"--output_dir={tmp_path / 'out'}", "--resize=none"]
    done = convert(f"--train_directory={tree}", *flags)
    assert done.status == 0, done.message
    assert "official" not in done.message
