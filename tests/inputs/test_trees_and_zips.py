"""Extracted trees, Kaggle's tree and zip, several archives for one split, test images."""

import io
import os
import tarfile
import zipfile

import pytest
from PIL import Image


def folders(pictures):
    return {f"{pictures.wnid(name)}/{name}": data for name, data in pictures.train.items()}


def kaggle(pictures):
    """Kaggle's tree: all three splits, labels beside them, annotations that are no images."""
    top = "ILSVRC/Data/CLS-LOC"
    files = {f"{top}/train/{path}": data for path, data in folders(pictures).items()}
    files |= {f"{top}/val/{name}": data for name, data in pictures.validation.items()}
    files |= {f"{top}/test/{name}": data for name, data in pictures.test.items()}
    first = next(iter(pictures.train))
    files[f"ILSVRC/Annotations/CLS-LOC/train/{first[:9]}/{first[:-5]}.xml"] = b"<annotation/>"
    return files


def test_class_folders(make, pictures, official, same, tmp_path):
    tree = make.tree(tmp_path / "train", folders(pictures))
    (tree / ".DS_Store").write_bytes(b"x")
    (tree / "n01440764").mkdir(exist_ok=True)
    (tree / "n01440764" / "._x.JPEG").write_bytes(b"x")
    same("train", f"--train_directory={tree}", f"--devkit={official.devkit}")


@pytest.mark.parametrize("suffix", [".jpeg", ".jpg", ".JPG"])
def test_other_spellings_of_the_suffix(suffix, make, pictures, official, same, tmp_path):
    files = {path[: -len(".JPEG")] + suffix: data for path, data in folders(pictures).items()}
    tree = make.tree(tmp_path / "train", files)
    same("train", f"--train_directory={tree}", f"--devkit={official.devkit}")


def test_a_readme_before_the_class_tars(make, official, same, tmp_path):
    whole = official.train.read_bytes()
    (readme := tmp_path / "train.tar").write_bytes(
        make.tar(tmp_path / "r.tar", {"README": b"hello"}).read_bytes()[:1024] + whole
    )
    same("train", f"--train_archive={readme}", f"--devkit={official.devkit}")


@pytest.mark.parametrize("suffix", ["gif", "webp", "bmp", "JPE"])
def test_images_of_other_kinds_are_listed(suffix, make, convert, examples, tmp_path):
    buffer = io.BytesIO()
    kind = {"JPE": "jpeg"}.get(suffix, suffix)
    Image.new("RGB", (20, 10), (200, 0, 0)).save(buffer, kind)
    tree = make.tree(tmp_path / "train", {f"n01440764/n01440764_1.{suffix}": buffer.getvalue()})
    flags = [f"--train_directory={tree}", f"--output_dir={tmp_path / 'out'}", "--train_shards=1"]
    assert convert(*flags, "--expect=any").status == 0
    [example] = examples(tmp_path / "out", "train")
    assert example["image/class/synset"] == [b"n01440764"]


def test_folders_that_are_links(make, pictures, official, same, tmp_path):
    tree = make.tree(tmp_path / "all", folders(pictures))
    subset = tmp_path / "subset"
    subset.mkdir()
    for folder in tree.iterdir():
        os.symlink(folder, subset / folder.name)
    os.symlink(subset, subset / "itself")
    same("train", f"--train_directory={subset}", f"--devkit={official.devkit}")


@pytest.mark.parametrize("layout", ["flat", "class_folders"])
def test_validation_trees(layout, make, pictures, official, same, tmp_path):
    """Flat, or in class folders as `valprep.sh` and inception's script leave it."""
    files = {
        (f"{pictures.truth[name]}/" if layout == "class_folders" else "") + name: data
        for name, data in pictures.validation.items()
    }
    tree = make.tree(tmp_path / "val", files)
    same("validation", f"--validation_directory={tree}", f"--devkit={official.devkit}")


def test_validation_class_folders_need_no_devkit(make, pictures, official, same, tmp_path):
    files = {f"{pictures.truth[name]}/{name}": data for name, data in pictures.validation.items()}
    tree = make.tree(tmp_path / "val", files)
    words = official.train.parent / "labels" / "synset_words.txt"
    same("validation", f"--validation_directory={tree}", f"--class_names={words}")


def test_validation_folders_that_contradict_the_devkit(make, pictures, official, refused, tmp_path):
    wnids = sorted(set(pictures.truth.values()))
    other = dict(zip(wnids, wnids[1:] + wnids[:1], strict=True))
    files = {
        f"{other[pictures.truth[name]]}/{name}": data for name, data in pictures.validation.items()
    }
    tree = make.tree(tmp_path / "val", files)
    message = refused(f"--validation_directory={tree}", f"--devkit={official.devkit}")
    assert "disagree on 8 of 8 images" in message
    for name in sorted(pictures.truth)[:3]:
        wnid = pictures.truth[name]
        assert f"{name}: {other[wnid]} in the archive, {wnid} by the labels" in message


def test_the_kaggle_tree(make, pictures, official, same, tmp_path):
    tree = make.tree(tmp_path, kaggle(pictures)) / "ILSVRC/Data/CLS-LOC"
    labels = official.train.parent / "labels"
    same(
        "train validation test",
        *(f"--{split}_directory={tree}/{folder}" for split, folder in SPLITS),
        f"--validation_labels={labels}/LOC_val_solution.csv",
        f"--class_names={labels}/LOC_synset_mapping.txt",
    )


SPLITS = (("train", "train"), ("validation", "val"), ("test", "test"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_kaggle_zip_holds_all_splits(method, make, pictures, official, same, tmp_path):
    archive = make.zip(tmp_path / "kaggle.zip", kaggle(pictures), method)
    labels = official.train.parent / "labels"
    message = same(
        "train validation test",
        *(f"--{split}_archive={archive}" for split, _ in SPLITS),
        f"--validation_labels={labels}/LOC_val_solution.csv",
        f"--class_names={labels}/LOC_synset_mapping.txt",
    )
    assert "decompressed twice" not in message


def test_one_tree_with_all_splits(make, pictures, official, same, tmp_path):
    tree = make.tree(tmp_path, kaggle(pictures)) / "ILSVRC"
    same("train", f"--train_directory={tree}", f"--devkit={official.devkit}")


@pytest.mark.parametrize("form", ["flat", "below test/"])
def test_test_images_have_no_label(form, make, pictures, convert, examples, tmp_path):
    folder = "test/" if form != "flat" else ""
    files = {folder + name: data for name, data in pictures.test.items()}
    archive = make.tar(tmp_path / "any.name", files)
    output = tmp_path / "out"
    done = convert(f"--test_archive={archive}", "--test_shards=1", f"--output_dir={output}")
    assert done.status == 0, done.message
    assert [path.name for path in output.glob("*-of-*")] == ["test-00000-of-00001"]
    records = examples(output, "test")
    assert sorted(r["image/filename"][0].decode() for r in records) == sorted(pictures.test)
    for record in records:
        assert record["image/class/label"] == [-1]
        assert record["image/class/synset"] == record["image/class/text"] == [b""]


@pytest.mark.parametrize("way", ["commas", "wildcards"])
def test_several_archives_for_one_split(way, make, pictures, official, same, tmp_path):
    items = sorted(folders(pictures).items())
    make.tar(tmp_path / "part1.tar", dict(items[::2]))
    make.tar(tmp_path / "part2.tar", dict(items[1::2]))
    value = f"{tmp_path}/part?.tar"
    if way == "commas":
        value = f"{tmp_path}/part1.tar,{tmp_path}/part2.tar"
    same("train", f"--train_archive={value}", f"--devkit={official.devkit}")


def test_a_class_may_be_called_like_a_split_below_a_split(
    make, pictures, convert, examples, tmp_path
):
    data = next(iter(pictures.train.values()))
    names = ("train/train/1.jpg", "train/cars/1.jpg", "val/train/2.jpg", "val/cars/2.jpg")
    archive = make.tar(tmp_path / "vehicles.tar", dict.fromkeys(names, data))
    done = convert(
        f"--train_archive={archive}",
        f"--validation_archive={archive}",
        "--allow_any_class_names",
        "--train_shards=1",
        "--validation_shards=1",
        f"--output_dir={tmp_path}/out",
    )
    assert done.status == 0, done.message
    for split, number in (("train", 1), ("validation", 2)):
        found = {
            r["image/filename"][0].decode(): r["image/class/synset"][0].decode()
            for r in examples(tmp_path / "out", split)
        }
        assert found == {f"train/{number}.jpg": "train", f"cars/{number}.jpg": "cars"}


def test_classes_without_wnids_are_refused_unless_asked_for(
    make, pictures, refused, convert, examples, tmp_path
):
    files = {
        f"{'cats' if index % 2 else 'dogs'}/{index}.jpg": data
        for index, data in enumerate(pictures.train.values())
    }
    tree = make.tree(tmp_path / "pets", files)
    message = refused(f"--train_directory={tree}")
    assert "2 classes (cats, dogs) whose names are no wnids" in message
    assert "--allow_any_class_names" in message
    output = tmp_path / "out"
    done = convert(
        f"--train_directory={tree}",
        "--allow_any_class_names",
        "--train_shards=2",
        f"--output_dir={output}",
    )
    assert done.status == 0, done.message
    labels = {r["image/filename"][0]: r["image/class/label"] for r in examples(output, "train")}
    assert labels == {
        path.replace(".jpg", ".jpg").encode(): [1 if path.startswith("cats") else 2]
        for path in files
    }


@pytest.mark.slow
def test_21k_shape_without_devkit(convert, examples, tmp_path, pictures):
    """20,000 class tars of one tiny image: the classes are those found."""
    image = min(pictures.train.values(), key=len)

    def member(name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)

    wnids = [f"n{number:08d}" for number in range(1, 40_001, 2)]
    archive = tmp_path / "winter21.tar"
    with archive.open("wb") as file:
        for wnid in reversed(wnids):
            inner = member(f"{wnid}_7.JPEG", image) + bytes(1024)
            file.write(member(f"{wnid}.tar", inner))
        file.write(bytes(1024))
    output = tmp_path / "out"
    done = convert(
        f"--train_archive={archive}", "--train_shards=4", "--resize=none", f"--output_dir={output}"
    )
    assert done.status == 0, done.message
    records = examples(output, "train")
    assert len(records) == 20_000
    labels = {r["image/class/synset"][0].decode(): r["image/class/label"][0] for r in records}
    assert labels == {wnid: label for label, wnid in enumerate(wnids, 1)}


def test_names_that_are_not_utf8_are_refused(make, pictures, official, refused, tmp_path):
    tree = make.tree(tmp_path / "train", folders(pictures))
    folder = next(path for path in tree.iterdir())
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    message = refused(f"--train_directory={tree}", f"--devkit={official.devkit}")
    assert "a name with bytes that are not UTF-8" in message
    assert "rename the file" in message


@pytest.mark.parametrize("order", [1, -1])
def test_images_and_class_tars_in_one_archive(order, make, refused, tmp_path):
    class_tar = make.tar(tmp_path / "class.tar", {"n01440764_2.JPEG": b"2"}).read_bytes()
    files = [("n01440764_1.JPEG", b"1"), ("n01440764.tar", class_tar)]
    mixed = make.tar(tmp_path / "mixed.tar", dict(files[::order]))
    said = refused(f"--train_archive={mixed}", "--expect=any")
    assert "holds both class tars (n01440764.tar) and images (n01440764_1.JPEG)" in said


REFUSALS = {
    "a directory that is not there": (["--train_directory={tmp}/no"], "no does not exist"),
    "a file as directory": (["--train_directory={train}"], "is a file, not a directory"),
    "a directory as archive": (["--train_archive={tmp}"], "give --train_directory"),
    "an empty folder": (["--train_directory={tmp}/empty"], "holds no images"),
    "no match": (["--train_archive={tmp}/x*.tar"], "no file is called like"),
    "both flags": (
        ["--train_archive={train}", "--train_directory={tmp}"],
        "--train_archive and --train_directory are both given",
    ),
    "test as validation": (
        ["--validation_archive={test}", "--devkit={devkit}"],
        "it is a test archive, without labels; give it to --test_archive",
    ),
    "train as test": (["--test_archive={train}"], "it is a training archive; give it to"),
    "validation as train": (["--train_archive={val}"], "give it to --validation_archive"),
    "a link to nothing": (["--train_directory={tmp}/linked"], "is a link to a file that does not"),
    "an archive as labels": (
        ["--labels_file={tmp}/huge.tar", "--train_archive={train}"],
        "and no file of this kind has more than",
    ),
    "a truncated zip": (["--train_archive={zip}"], "is a truncated zip archive"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case, make, pictures, official, refused, tmp_path):
    flags, sentence = REFUSALS[case]
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "n01440764_1.JPEG").symlink_to(tmp_path / "none")
    with (tmp_path / "huge.tar").open("wb") as file:
        file.truncate(1 << 40)
    archive = make.zip(tmp_path / "k.zip", kaggle(pictures))
    archive.write_bytes(archive.read_bytes()[:-2000])
    places = {
        "tmp": tmp_path,
        "train": official.train,
        "val": official.validation,
        "test": official.train.with_name("ILSVRC2012_img_test_v10102019.tar"),
        "devkit": official.devkit,
        "zip": archive,
    }
    message = refused(*(flag.format(**places) for flag in flags))
    assert sentence in message
    assert message.startswith(f"imagenet-beam: --{flags[0].partition('=')[0][2:]}")
