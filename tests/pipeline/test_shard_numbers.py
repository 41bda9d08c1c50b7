"""Numbers of shards that nobody typed follow the number of images."""

import shutil

import pytest

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.datasets.registry import DATASETS
from imagenet_beam.pipeline.reading.verify import verify
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.shards import shard_count
from imagenet_beam.transforms.storage.files import Storage
from imagenet_beam.transforms.write_to_tfrecord import WriteToTFRecord

TRAIN = [f"train-{number:05d}-of-00003" for number in range(3)]
VALIDATION = ["validation-00000-of-00001"]


@pytest.fixture(scope="module")
def many(tmp_path_factory, write_archives):
    """315 training images, which become three shards, and 105 validation images: one."""
    return write_archives(
        tmp_path_factory.mktemp("many"),
        classes=3,
        train_per_class=105,
        validation_per_class=35,
        hard_images=False,
    )


@pytest.fixture(scope="module")
def automatic(many, convert, tmp_path_factory):
    out = tmp_path_factory.mktemp("automatic") / "out"
    finished = convert(*many.flags, f"--output_dir={out}")
    assert finished.status == 0, finished.message
    assert f"writing 4 shards to {out}\n" in finished.message
    assert "\ndone: 420 images in " in finished.message
    return out


@pytest.fixture
def copied(automatic, tmp_path):
    return shutil.copytree(automatic, tmp_path / "copied")


def shards(folder):
    return sorted(path.name for path in folder.glob("*-of-*"))


def receipt(folder, name):
    return folder / ".imagenet-beam" / "receipts" / f"{name}.json"


@pytest.mark.parametrize(
    ("images", "number"),
    [(1, 1), (99, 1), (199, 1), (200, 2), (5_000, 50), (102_399, 1023), (1_281_167, 1024)],
)
def test_a_shard_has_a_hundred_images_at_least(images, number):
    assert shard_count(images, 1024, 100) == number


def test_what_the_real_imagenet_becomes():
    given = {f"{name}_archive": ("a.tar",) for name in ("train", "validation", "test")}
    splits = DATASETS["imagenet2012"].split_configs(given, {"test": 7}, Storage())
    images = {"train": 1_281_167, "validation": 50_000, "test": 100_000}
    found = {split.name: split.shards_of(images[split.name]) for split in splits}
    assert found == {"train": 1024, "validation": 128, "test": 7}
    assert splits[2].shards_of(3) == 7, "a number that was typed stays"


def test_the_bytes_are_those_of_the_same_number_typed(automatic, many, convert, tmp_path):
    out = tmp_path / "out"
    typed = ("--train_shards=3", "--validation_shards=1")
    assert convert(*many.flags, f"--output_dir={out}", *typed).status == 0
    assert shards(automatic) == shards(out) == [*TRAIN, *VALIDATION]
    for name in shards(out):
        assert (automatic / name).read_bytes() == (out / name).read_bytes()


def test_a_complete_folder_has_nothing_to_do(automatic, many, convert):
    again = convert(*many.flags, f"--output_dir={automatic}")
    assert again.status == 0
    assert f"{automatic} is complete already: nothing to do\n" in again.message
    assert verify(str(automatic), deep=True).findings == []


@pytest.mark.parametrize("lost", [[TRAIN[1]], [TRAIN[0], *VALIDATION], [*TRAIN, *VALIDATION]])
def test_what_is_missing_is_written_again(automatic, copied, many, convert, tree, lost):
    (copied / "manifest.json").unlink()
    for name in lost:
        (copied / name).unlink()
        receipt(copied, name).unlink()
    kept = {name: (copied / name).stat().st_mtime_ns for name in shards(copied)}
    finished = convert(*many.flags, f"--output_dir={copied}")
    assert finished.status == 0, finished.message
    said = {1: "resuming: 3 of 4 shards in", 2: "resuming: 2 shards in", 4: "writing 4 shards to"}
    assert f"{said[len(lost)]} {copied}" in finished.message
    assert {name: (copied / name).stat().st_mtime_ns for name in kept} == kept
    assert tree(copied) == tree(automatic)


def test_a_shard_without_receipt_is_written_again(automatic, copied, many, convert, tree):
    """As a run leaves it that is killed between the two, in its first shard."""
    for path in [*copied.glob("*-of-*"), *receipt(copied, "x").parent.iterdir()]:
        path.unlink()
    (copied / "manifest.json").unlink()
    shutil.copy(automatic / TRAIN[2], copied)
    assert convert(*many.flags, f"--output_dir={copied}").status == 0
    assert tree(copied) == tree(automatic)


def test_verify_knows_what_an_unfinished_folder_lacks(copied):
    (copied / "manifest.json").unlink()
    (copied / TRAIN[1]).unlink()
    receipt(copied, TRAIN[1]).unlink()
    found = [finding.file for finding in verify(str(copied)).findings]
    assert TRAIN[1] in found and not {TRAIN[0], TRAIN[2], *VALIDATION} & set(found)


@pytest.mark.parametrize("has_receipts", [True, False])
def test_a_shard_of_another_number_is_refused(copied, many, convert, has_receipts):
    (copied / "manifest.json").unlink()
    if not has_receipts:  # then the number is known after the images are listed
        shutil.rmtree(receipt(copied, "x").parent)
    foreign = copied / "train-00004-of-00099"
    foreign.write_bytes(b"")
    (copied / TRAIN[0]).write_bytes(b"as it was")
    refused = convert(*many.flags, f"--output_dir={copied}")
    assert refused.status == 2
    assert f"holds {foreign.name}, which is none of the shards of this conversion" in (
        refused.message
    )
    assert "writing" not in refused.message
    assert (copied / TRAIN[0]).read_bytes() == b"as it was"


@pytest.mark.parametrize("typed", [["--train_shards=5", "--validation_shards=1"], []])
def test_overwriting_leaves_no_shard_of_before(automatic, many, convert, tree, tmp_path, typed):
    out = tmp_path / "out"
    if typed:
        assert convert(*many.flags, f"--output_dir={out}", *typed).status == 0
    else:
        shutil.copytree(automatic, out)
    finished = convert(*many.flags, f"--output_dir={out}", "--overwrite")
    assert finished.status == 0, finished.message
    assert tree(out) == tree(automatic)


def test_another_number_is_another_conversion(automatic, many, convert):
    refused = convert(*many.flags, f"--output_dir={automatic}", "--train_shards=3")
    assert refused.status == 2
    was = "--train_shards was automatic (at most 1024, 100 images each) and is 3"
    assert was in refused.message


def test_nothing_is_said_to_be_written_before_the_checks(many, convert, tmp_path):
    refused = convert(*many.flags, f"--output_dir={tmp_path / 'out'}", "--train_shards=316")
    assert (refused.status, "writing" in refused.message) == (2, False)
    assert "give --train_shards=315 or fewer" in refused.message


@pytest.mark.parametrize("number", ["2", 2.0, True, None])
def test_a_number_that_is_none_is_said_in_a_sentence(number, tmp_path):
    with pytest.raises(InputError) as error:
        SplitConfig("train", "train_archive", ("a.tar",), number)
    assert str(error.value) == (
        f"`train.num_shards`={number!r} is no whole number; accepted is one from 1 to 100,000"
    )
    with pytest.raises(ValueError, match=r"num_shards=.* is not accepted; give a whole number"):
        WriteToTFRecord(str(tmp_path / "x"), num_shards=number)
