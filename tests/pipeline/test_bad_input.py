"""What is wrong is said in one sentence that names it; nothing is published that is not whole."""

import gzip
import io
import os
import re
import resource
import tarfile

import pytest

from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX

HTML = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body></body></html>\n" * 20
SHARDS = ("--train_shards=3", "--validation_shards=2")


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read_tar(path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        return [(item.name, archive.extractfile(item).read()) for item in archive if item.isfile()]


def tar_bytes(members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def shards(out) -> list[str]:
    return sorted(path.name for path in out.rglob("*-of-*")) if out.exists() else []


@pytest.fixture
def refused(clean, convert, tmp_path):
    """`refused(*words, train=…)`: the run ends with status 2, says these words, leaves nothing."""

    def check(*words, flags=(), publishes=False, **paths):
        archives = clean._replace(**paths)
        out = tmp_path / "out"
        finished = convert(*archives.flags, *SHARDS, f"--output_dir={out}", *flags)
        assert finished.status == 2, finished.message
        assert "Traceback" not in finished.message
        *_, sentence = finished.message.strip().splitlines()
        for word in words:
            assert str(word) in sentence, finished.message
        assert publishes or not shards(out), "nothing is written from wrong inputs"
        assert not (out / "manifest.json").exists()
        assert not list(out.rglob(f"*{TEMPORARY_SUFFIX}"))
        return sentence

    return check


@pytest.mark.parametrize("name", ["train", "validation", "devkit"])
def test_missing_files(refused, tmp_path, name):
    path = tmp_path / "typo.tar"
    flag = "--devkit" if name == "devkit" else f"--{name}_archive"
    refused(flag, path, "does not exist", **{name: path})


@pytest.mark.parametrize("name", ["validation", "devkit"])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files(refused, tmp_path, name):
    path = tmp_path / "secret.tar"
    path.write_bytes(b"x")
    path.chmod(0)
    refused(path, "permission denied", **{name: path})


@pytest.mark.parametrize("name", ["train", "validation", "devkit"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", ("empty",), id="empty file"),
        pytest.param(HTML, ("an HTML or XML page",), id="web page"),
        pytest.param(b"no archive" * 200, ("not a tar archive",), id="text"),
        pytest.param(gzip.compress(b"no archive" * 200), ("tar",), id="gzip of something else"),
    ],
)
def test_files_that_are_no_archives(refused, tmp_path, name, content, words):
    path = tmp_path / "wrong.tar"
    path.write_bytes(content)
    sentence = refused(path, *words, **{name: path})
    assert ("--devkit" if name == "devkit" else f"--{name}_archive") in sentence


@pytest.mark.parametrize("name", ["train", "validation"])
def test_empty_archives(refused, tmp_path, name):
    path = write_tar(tmp_path / "empty.tar", [])
    refused(
        f"--{name}_archive", path, "is an empty tar archive", "get the file again", **{name: path}
    )


def test_an_archive_without_images(refused, tmp_path):
    path = write_tar(tmp_path / "texts.tar", [("readme.txt", b"x"), ("._a.JPEG", b"hidden")])
    refused("--validation_archive", path, "no images", validation=path)


def test_the_devkit_given_as_archive(refused, clean):
    refused("--validation_archive", clean.devkit, "no images", validation=clean.devkit)


def test_an_archive_given_as_devkit(refused, clean):
    refused("--devkit", clean.validation, "meta.mat", devkit=clean.validation)


def test_validation_given_as_train(refused, clean):
    refused(
        "--train_archive", clean.validation, "a validation archive", "--validation_archive",
        train=clean.validation,
    )  # fmt: skip


def test_train_given_as_validation(refused, clean):
    refused(
        "--validation_archive", clean.train, "a training archive", "--train_archive",
        validation=clean.train,
    )  # fmt: skip


@pytest.mark.parametrize("first", [2085620, 3000000], ids=["dogs", "others"])
def test_the_dogs_archive_is_told_by_its_classes(first, convert, tmp_path):
    """120 classes of other things are no dogs."""
    wnids = [f"n{first + number:08d}" for number in range(117)]
    wnids += ["n02115641", "n02115913", "n02116738"]
    image = tar_bytes([("1.JPEG", b"x")])
    archive = write_tar(tmp_path / "120.tar", [(f"{wnid}.tar", image) for wnid in wnids])
    (listed := tmp_path / "classes").write_text("\n".join([*wnids, "n09999999"]))
    given = [f"--train_archive={archive}", f"--labels_file={listed}", *SHARDS[:1]]
    finished = convert(*given, f"--output_dir={tmp_path / 'out'}")
    assert finished.status == 2
    assert "lacks 1 class (n09999999) of the 121 of the labels" in finished.message
    dogs = " (they are those of ILSVRC2012_img_train_t3.tar, dogs only)"
    assert (dogs in finished.message) == (first == 2085620)
    assert "--expect=any" in finished.message


@pytest.mark.parametrize("left", [1000, 1024, 20_000, 30_001], ids=str)
def test_truncated_outer_archive(refused, clean, tmp_path, left):
    path = tmp_path / "cut.tar"
    path.write_bytes(clean.train.read_bytes()[:left])
    refused("--train_archive", path, "truncated", "get the file again", train=path)


@pytest.mark.parametrize("left", [700, 10_000], ids=str)
def test_truncated_validation_archive(refused, clean, tmp_path, left):
    path = tmp_path / "cut.tar"
    path.write_bytes(clean.validation.read_bytes()[:left])
    refused(path, "truncated", "get the file again", validation=path)


def test_truncated_class_tar(refused, clean, tmp_path):
    (first, data), *others = read_tar(clean.train)
    path = write_tar(tmp_path / "train.tar", [*others, (first, data[:5000])])
    refused("train.tar", first, "truncated", "get the file again", train=path)


def test_a_class_tar_that_is_none(refused, clean, tmp_path):
    (first, _), *others = read_tar(clean.train)
    path = write_tar(tmp_path / "train.tar", [*others, (first, HTML)])
    refused("train.tar", first, "an HTML or XML page", train=path)


def test_a_devkit_of_other_length(refused, clean, write_archives, tmp_path):
    other = write_archives(
        tmp_path / "other", classes=4, train_per_class=1, validation_per_class=5, hard_images=False
    )
    refused(
        clean.validation, "holds 12 images", "the ground truth has 20 lines", "--expect=any",
        devkit=other.devkit,
    )  # fmt: skip


def test_a_validation_number_without_a_label(refused, clean, tmp_path):
    members = read_tar(clean.validation)
    members[3] = ("ILSVRC2012_val_00000099.JPEG", members[3][1])
    path = write_tar(tmp_path / "val.tar", members)
    refused("ILSVRC2012_val_00000099.JPEG", "99", validation=path)


def test_a_name_without_a_number(refused, clean, tmp_path):
    members = read_tar(clean.validation)
    members[5] = ("holiday.JPEG", members[5][1])
    path = write_tar(tmp_path / "val.tar", members)
    refused("holiday.JPEG, which is no validation image", "val_00000001", validation=path)


def test_validation_images_of_another_year(refused, clean, tmp_path):
    """Their numbers are those of other pictures."""
    members = [(name.replace("2012", "2010"), data) for name, data in read_tar(clean.validation)]
    path = write_tar(tmp_path / "val.tar", members)
    refused("_val_00000", "a validation image of ILSVRC2010", "class folders", validation=path)
    mixed = write_tar(tmp_path / "val.tar", [*read_tar(clean.validation)[1:], members[0]])
    refused(members[0][0], "a validation image of ILSVRC2010", validation=mixed)


def test_validation_images_of_another_year_in_class_folders(clean, convert, examples, tmp_path):
    wnids = clean.expected.wnids
    members = [
        (f"val/{wnids[at % 4]}/{name.replace('2012', '2010')}", data)
        for at, (name, data) in enumerate(read_tar(clean.validation))
    ]
    path = write_tar(tmp_path / "val.tar", members)
    flags = [f"--validation_archive={path}", "--validation_shards=1", f"--output_dir={tmp_path}/o"]
    finished = convert(*flags)
    assert finished.status == 0, finished.message
    found = {
        (r["image/class/synset"][0].decode(), r["image/filename"][0].decode())
        for r in examples(tmp_path / "o", "validation")
    }
    assert found == {tuple(name.split("/")[1:]) for name, _ in members}


def test_an_unknown_class(refused, clean, tmp_path):
    (_, data), *others = read_tar(clean.train)
    path = write_tar(tmp_path / "train.tar", [*others, ("n09999999.tar", data)])
    refused("--train_archive", path, "n09999999", "the labels do not have", "devkit", train=path)


def test_an_unknown_class_is_also_found_by_the_job(refused, clean, tmp_path):
    (_, data), *others = read_tar(clean.train)
    path = write_tar(tmp_path / "train.tar", [*others, ("n09999999.tar", data)])
    refused("n09999999", "4 classes", flags=["--expect=any"], train=path)


def test_a_class_that_is_missing(refused, clean, tmp_path):
    (first, _), *others = read_tar(clean.train)
    path = write_tar(tmp_path / "train.tar", others)
    refused(path, f"lacks 1 class ({first[:-4]}) of the 4", "--expect=any", train=path)


def test_fewer_classes_are_converted_on_request(clean, convert, tmp_path):
    _, *others = read_tar(clean.train)
    path = write_tar(tmp_path / "train.tar", others)
    flags = (f"--train_archive={path}", f"--devkit={clean.devkit}", "--train_shards=3")
    finished = convert(*flags, f"--output_dir={tmp_path / 'out'}", "--expect=any")
    assert finished.status == 0, finished.message
    row = next(line.split() for line in finished.message.splitlines() if line.startswith("train  "))
    assert row[1:4] == ["18", "18", "0"]


def test_official_counts_on_request(refused):
    # Both archives are too short; which of them is named first is the runner's choice.
    words = ("_archive=", "the official archive", "--expect=consistent")
    sentence = refused(*words, flags=["--expect=official"])
    assert re.search("24 images, the .* 1,281,167;|12 images, the .* 50,000;", sentence)


def test_two_images_with_one_name_in_one_class(refused, clean, tmp_path):
    (first, data), *others = read_tar(clean.train)
    (tmp_path / "class.tar").write_bytes(data)
    images = read_tar(tmp_path / "class.tar")
    doubled = (first, tar_bytes([*images, images[0]]))
    path = write_tar(tmp_path / "train.tar", [*others, doubled])
    refused("two images are called", images[0][0], "remove one", train=path)


def test_two_images_with_one_name_in_validation(refused, clean, tmp_path):
    members = read_tar(clean.validation)
    members[0] = (members[1][0], members[0][1])
    path = write_tar(tmp_path / "val.tar", members)
    # Validation is checked last; training shards may be there already, and they are whole.
    refused("two images are called", members[1][0], validation=path, publishes=True)


def test_more_shards_than_images(refused, clean):
    refused(
        "--validation_shards=13", "12 images", clean.validation, "--validation_shards=12 or fewer",
        flags=["--validation_shards=13"],
    )  # fmt: skip


def test_a_shard_of_rejects_only(refused, clean, tmp_path):
    members = [(name, b"") for name, _ in read_tar(clean.validation)]
    path = write_tar(tmp_path / "val.tar", members)
    refused("validation-0000", "would be empty", "rejected", validation=path, publishes=True)
    assert not [name for name in shards(tmp_path / "out") if name.startswith("validation")]


def test_what_is_refused_at_once_leaves_no_folder(clean, convert, tmp_path):
    out = tmp_path / "new" / "out"
    wrong = [f"--train_archive={tmp_path / 'none.tar'}"], [f"--train_archive={clean.validation}"]
    for flags in wrong:
        finished = convert(*flags, f"--devkit={clean.devkit}", f"--output_dir={out}")
        assert finished.status == 2
    assert not out.parent.exists()


def test_output_in_a_place_that_is_no_folder(clean, convert, tmp_path):
    place = tmp_path / "file"
    place.write_text("not a folder")
    for out in (place, place / "below", "/proc/imagenet-beam"):
        finished = convert(*clean.flags, *SHARDS, f"--output_dir={out}")
        assert finished.status == 2
        assert finished.message.startswith(f"imagenet-beam: --output_dir: {out} ")
        assert "Traceback" not in finished.message
    assert place.read_text() == "not a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_that_may_not_be_written(clean, convert, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    finished = convert(*clean.flags, *SHARDS, f"--output_dir={tmp_path / 'out'}")
    assert finished.status == 2
    assert f"--output_dir: {tmp_path / 'out'} " in finished.message


def test_disk_full_in_mid_shard(clean, convert, start, tree, tmp_path):
    """The limit on a file's size fails writes just as a full disk does."""
    out = tmp_path / "out"
    flags = (*clean.flags, *SHARDS, f"--output_dir={out}", "--resize=shorter:300")
    limit = 80_000  # a shard of 6 or 8 images has more than 100 KB

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    finished = start("convert", *flags, preexec_fn=limited).finish()
    assert finished.status == 2, finished.message
    assert "Traceback" not in finished.message
    assert re.search(r"-of-0000\d cannot be written: ", finished.message), finished.message
    assert "run the same command again" in finished.message
    assert not list(out.glob("*-of-*")) and not list(out.rglob(f"*{TEMPORARY_SUFFIX}"))
    assert not (out / "manifest.json").exists()
    assert convert(*flags).status == 0
    assert len(list(out.glob("*-of-*"))) == 5


WRONG_FLAGS = [
    (["--train_shard=3"], ["--train_shard", "did you mean --train_shards?"]),
    (["--runer=FlinkRunner"], ["--runer", "did you mean --runner?"]),
    (["--runner=SparkRunner"], ["--runner=SparkRunner", "accepted are", "DirectRunner"]),
    (["extra.tar"], ["extra.tar is not a flag", "--name=value"]),
    (["--train_shards=0"], ["--train_shards=0", "1 to 100,000"]),
    (["--train_shards=many"], ["--train_shards", "'many'", "a whole number"]),
    (["--validation_shards=-3"], ["--validation_shards=-3", "1 to 100,000"]),
    (["--resize=256"], ["--resize", "256", "shorter:N", "exact:WxH"]),
    (["--resize=shorter:0"], ["--resize", "shorter:0"]),
    (["--jpeg_quality=101"], ["--jpeg_quality=101", "1 to 100"]),
    (["--label_base=2"], ["--label_base=2", "0", "1"]),
    (["--max_rejects=-1"], ["--max_rejects=-1", "from 0"]),
    (["--shuffle=pictures"], ["--shuffle", "pictures", "references", "images"]),
    (["--schema=mine"], ["--schema", "mine", "inception"]),
    (["--expect=all"], ["--expect", "all", "consistent"]),
    (["--threads=-2"], ["--threads=-2", "from 0"]),
    (["--direct_running_mode=multi_threading"], ["=multi_threading", "corrupts data"]),
    (["--direct_num_workers=4"], ["--direct_num_workers=4", "--threads"]),
    (["--output_dir="], ["--output_dir has no value"]),
    (["--only_files="], ["--only_files has no value; give one, or leave the flag out"]),
    (["--train_archive=more.tar"], ["--train_archive is given twice; give it once, with commas"]),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "words"), WRONG_FLAGS, ids=lambda value: str(value[0]))
def test_wrong_flags_are_named_before_any_work(clean, convert, tmp_path, flags, words):
    out = tmp_path / "out"
    finished = convert(*clean.flags, f"--output_dir={out}", *flags)
    assert finished.status == 2
    assert finished.message.startswith("imagenet-beam: ") and finished.message.count("\n") == 1
    for word in words:
        assert word in finished.message
    assert not shards(out)


def test_a_mistake_in_a_process_of_its_own(clean, start, tmp_path):
    """Nothing but the sentence, though Beam logs what workers raise."""
    members = read_tar(clean.validation)
    members[3] = ("ILSVRC2012_val_00000099.JPEG", members[3][1])
    path = write_tar(tmp_path / "val.tar", members)
    flags = (f"--validation_archive={path}", f"--devkit={clean.devkit}", "--validation_shards=2")
    finished = start("convert", *flags, f"--output_dir={tmp_path / 'out'}").finish()
    assert finished.status == 2
    (sentence,) = finished.message.splitlines()
    assert sentence.startswith("imagenet-beam: ") and "ILSVRC2012_val_00000099.JPEG" in sentence


def test_no_command_and_unknown_commands(capsys):
    assert main([]) == 2
    assert "convert" in capsys.readouterr().out
    assert main(["covert"]) == 2
    error = capsys.readouterr().err
    assert "covert" in error and "convert" in error and "Traceback" not in error


@pytest.mark.parametrize("command", ["convert", "synthesize"])
def test_help_has_groups_and_says_something_of_each_flag(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    said = dict(re.findall(r"^  (--\w+)(?: \S+)?\s+(\S.*)$", text, re.MULTILINE))
    flags = set(re.findall(r"^  (--\w+)", text, re.MULTILINE))
    assert said.keys() == flags
    assert len(flags) >= 9
    assert "example:" in text
    if command == "convert":
        assert {"--train_archive", "--resize", "--max_rejects", "--overwrite"} <= flags
        for group in ("inputs", "output", "images", "run"):
            assert re.search(rf"^{group}.*:$", text, re.MULTILINE)
        assert "exit status: 0 done" in text
