"""What is passed over is counted by reason, and named where it may be an image; nothing is lost."""

import json
import tarfile

import pytest

from imagenet_beam.pipeline.inspect import inspect_path
from imagenet_beam.transforms.archives.passed import PassedTally, sum_passed
from imagenet_beam.transforms.elements import PassedOver
from imagenet_beam.transforms.list_images import list_images, split_source
from imagenet_beam.transforms.storage.files import Storage

A, B = "n01440764", "n01443537"


def listed(path, kind="", split=""):
    """The names of the images of a source, and what was passed over."""
    storage, names, passed = Storage(), [], []
    for span in split_source(str(path), storage, kind):
        tally = PassedTally()
        names += [ref.filename for ref in list_images(span, storage, split, tally)]
        passed += [span.passed, tally.result()]
    return names, sum_passed(passed)


def members(kind):
    """Two images of a class, one with a damaged name, and what often lies beside them."""
    files = {
        f"train/{A}/{A}_1.JPEG": b"1",
        f"train/{A}/{A}_2.KPEG": b"2",
        f"train/{A}/._{A}_1.JPEG": b"",
        f"val/{A}/{A}_3.JPEG": b"3",
        "annotations/1.xml": b"<annotation/>",
    }
    if kind != "folder":
        files["__MACOSX/train/x.JPEG"] = b""
    return files


EXPECTED = {"beside_images": 1, "hidden": 1, "no_image_suffix": 1, "other_split": 1}


@pytest.mark.parametrize("kind", ["tar", "gz", "zip", "folder"])
def test_each_reason_is_counted_in_each_form(kind, make, tmp_path):
    path, files = tmp_path / "x", members(kind)
    write = {"tar": make.tar, "zip": make.zip, "folder": make.tree}.get(kind)
    if write:
        write(path, files)
    else:
        make.tar(path, files, "w:gz")
    names, passed = listed(path, "folder" if kind == "folder" else "", "train")
    assert names == [f"{A}_1.JPEG"]
    hidden = EXPECTED["hidden"] + (kind != "folder")
    assert passed == PassedOver({**EXPECTED, "hidden": hidden}, (f"train/{A}/{A}_2.KPEG",))
    assert len(names) + sum(passed.counts.values()) == len(files)


def test_folders_and_links_of_archives_are_counted(make, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, kind in (("a", tarfile.DIRTYPE), ("b.txt", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a" * (kind == tarfile.SYMTYPE)
            tar.addfile(info)
    with tarfile.open(tmp_path / "x.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo(f"{A}_1.JPEG"))
    names, passed = listed(tmp_path / "x.tar")
    assert (names, passed) == ([f"{A}_1.JPEG"], PassedOver({"folder": 1, "no_file": 1}, ()))
    archive = make.zip(tmp_path / "x.zip", {"a/": b"", f"{A}_1.JPEG": b""})
    assert listed(archive) == ([f"{A}_1.JPEG"], PassedOver({"folder": 1}, ()))


@pytest.fixture
def class_tars(make, tmp_path):
    """An archive of class tars, with a third one and an image in each that are called otherwise."""
    files = {"README": b"", ".hidden": b""}
    for wnid in (A, B):
        images = {f"{wnid}_{number}.JPEG": b"x" for number in (1, 2)} | {f"{wnid}_3.KPEG": b"x"}
        files[f"{wnid}.tar"] = make.tar(tmp_path / "inner.tar", images).read_bytes()
    return files | {"n02000000.uar": files[f"{A}.tar"]}


CLASS_TARS = PassedOver(
    {"beside_images": 4, "hidden": 1}, ("README", f"{A}.tar/{A}_3.KPEG", f"{B}.tar/{B}_3.KPEG")
)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_what_stands_beside_class_tars_and_in_them(mode, class_tars, make, tmp_path):
    names, passed = listed(make.tar(tmp_path / "train", class_tars, mode))
    assert names == [f"{wnid}_{number}.JPEG" for wnid in (A, B) for number in (1, 2)]
    assert passed == CLASS_TARS


def test_a_folder_of_class_tars_alone_is_their_archive(class_tars, make, tmp_path):
    names, passed = listed(make.tree(tmp_path / "train", class_tars), "folder")
    assert names == [f"{wnid}_{number}.JPEG" for wnid in (A, B) for number in (1, 2)]
    assert passed == CLASS_TARS


def test_a_folder_of_the_official_class_tars_becomes_the_same_shards(official, same, tmp_path):
    with tarfile.open(official.train) as tar:
        tar.extractall(tmp_path / "train", filter="data")
    same("train", f"--train_directory={tmp_path / 'train'}", f"--devkit={official.devkit}")


def test_a_folder_of_class_tars_is_of_training_images(
    class_tars, make, official, refused, tmp_path
):
    tree = make.tree(tmp_path / "val", class_tars)
    said = refused(f"--validation_directory={tree}", f"--devkit={official.devkit}")
    assert f"holds class tars ({A}.tar): it is a training archive; give it to --train_direc" in said


@pytest.mark.parametrize("folder", ["", "deeper/"])
def test_class_tars_left_among_extracted_folders(
    folder, make, pictures, official, refused, tmp_path
):
    tree = make.tree(
        tmp_path / "train",
        {f"{name[:9]}/{name}": data for name, data in pictures.train.items()}
        | {f"{folder}n0144353{number}.tar": b"x" for number in range(4)},
    )
    said = refused(f"--train_directory={tree}", f"--devkit={official.devkit}")
    tars = ", ".join(f"{folder}n0144353{number}.tar" for number in range(3))
    assert f"--train_directory: {tree} holds class tars beside extracted images ({tars}, …)" in said
    [fact] = inspect_path(str(tree), Storage()).facts
    assert f"({tars}, …)" in fact


def test_other_tars_in_a_tree_are_passed_over(make, tmp_path):
    tree = make.tree(tmp_path / "val", {"ILSVRC2012_img_val.tar": b"x", f"{A}/1.jpg": b"x"})
    assert listed(tree, "folder") == ([f"{A}/1.jpg"], PassedOver({"no_image_suffix": 1}, ()))


def test_the_first_names_do_not_depend_on_the_order_of_the_parts():
    parts = [PassedOver({"beside_images": 1}, (name,)) for name in "dacb"]
    expected = PassedOver({"beside_images": 4}, ("a", "b", "c"))
    assert sum_passed(parts) == sum_passed(parts[::-1]) == expected
    assert sum_passed([sum_passed(parts[:2]), sum_passed(parts[2:])]) == expected


def test_manifest_summary_and_inspect_tell_it(make, pictures, convert, tmp_path):
    by_class = {f"{name[:9]}/{name}": data for name, data in pictures.train.items()}
    files = {f"train/{path}": data for path, data in by_class.items()}
    first, second = sorted(files)[:2]
    lost = f"{first[:-4]}KPEG"
    other = next(path.partition("/")[0] for path in by_class if path[:9] != first[6:15])
    moved = f"train/{other}/{second.rpartition('/')[2]}"
    files = {{first: lost, second: moved}.get(path, path): data for path, data in files.items()}
    files |= {f"val/{path}": data for path, data in list(by_class.items())[:3]}
    archive = make.tar(tmp_path / "train.tar", files)
    output = tmp_path / "out"
    flags = ["--train_shards=1", f"--output_dir={output}", "--resize=none"]
    done = convert(f"--train_archive={archive}", *flags)
    assert done.status == 0, done.message
    entry = json.loads((output / "manifest.json").read_text())["splits"]["train"]
    count, name = len(by_class) - 1, moved.rpartition("/")[2]
    assert entry["passed_over"] == {
        "counts": {"beside_images": 1, "other_split": 3},
        "names": [lost],
    }
    assert entry["misplaced"] == {"images": 1, "first": [[name, other]]}
    assert len(files) == entry["records"] + entry["rejects"] + 4 == count + 4
    beside = f"1 beside images with another suffix ({lost})"
    elsewhere = f"1 image lies in another class than the name says ({name} in {other})"
    for line in (f"4 members passed over: {beside}, 3 images of other splits", elsewhere):
        assert f"\ntrain: {line}\n" in done.message
    facts = inspect_path(str(archive), Storage()).facts
    assert f"1 member passed over: {beside}" in facts
    assert f"train: {elsewhere}" in facts
    for start in (f"train: {count} images, ", "validation: 3 images, "):
        assert any(fact.startswith(start) for fact in facts), facts


def test_folders_that_are_splits_are_counted_apart(make, tmp_path):
    """Of `train` and `val` a conversion of training images reads one only."""
    names = [*(f"train/cat/{n}.jpg" for n in range(4)), "val/cat/1.jpg", "val/cat/2.jpg"]
    tree = make.tree(tmp_path / "tree", dict.fromkeys(names, b"x"))
    facts = inspect_path(str(tree), Storage()).facts
    assert any(fact.startswith("train: 4 images") for fact in facts)
    assert any(fact.startswith("validation: 2 images") for fact in facts)
    assert listed(tree, "folder", "train")[1] == PassedOver({"other_split": 2}, ())


def test_folders_with_nothing_in_them_are_counted(make, tmp_path):
    tree = make.tree(tmp_path / "tree", {f"{A}/1.jpg": b"x", "c/d/1.jpg": b"x"})
    for empty in (B, "c/e/f"):
        (tree / empty).mkdir(parents=True)
    assert listed(tree, "folder")[1] == PassedOver({"empty": 2}, ())
