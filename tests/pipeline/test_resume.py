"""Killed, changed, run twice: what the next run makes of what it finds."""

import os
import random
import re
import shutil
import signal
import time

import pytest

from imagenet_beam.transforms.images import filter as image_filter
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX, Storage

TRAIN_SHARDS, VALIDATION_SHARDS = 16, 8
# Enlarging small pictures keeps the job busy for a while without large archives.
FLAGS = (
    f"--train_shards={TRAIN_SHARDS}",
    f"--validation_shards={VALIDATION_SHARDS}",
    "--resize=shorter:500",
    "--threads=2",
)
RECEIPTS = ".imagenet-beam/receipts"


@pytest.fixture(scope="module")
def undisturbed(clean, convert, tree, tmp_path_factory):
    """All files of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    finished = convert(*clean.flags, f"--output_dir={out}", *FLAGS)
    assert finished.status == 0, finished.message
    return tree(out)


@pytest.fixture
def copied(clean, tmp_path):
    """The clean archives with the same times, to be damaged."""
    shutil.copytree(clean.train.parent, tmp_path / "archives")
    folder = tmp_path / "archives"
    return clean._replace(
        train=folder / clean.train.name,
        validation=folder / clean.validation.name,
        devkit=folder / clean.devkit.name,
    )


def receipts(out) -> set[str]:
    folder = out / RECEIPTS
    return {path.name for path in folder.glob("*.json")} if folder.exists() else set()


def published(out) -> dict[str, tuple[int, int]]:
    """Which file stands under each shard's name, and since when."""
    found = {}
    names = receipts(out)
    for path in out.glob("*-of-*"):
        if f"{path.name}.json" in names:
            state = path.stat()
            found[path.name] = (state.st_ino, state.st_mtime_ns)
    return found


# Five kills at moments of the clock, from the start of Python to the end of the job,
# and five when so many receipts have appeared.
KILLS = [*(("seconds", seed) for seed in range(5)), *(("receipts", seed) for seed in range(5))]


@pytest.mark.parametrize(("unit", "seed"), KILLS)
def test_killed_and_resumed_is_undisturbed(
    clean, convert, start, tree, tmp_path, undisturbed, unit, seed
):
    chance = random.Random(f"{unit} {seed}")  # noqa: S311
    out = tmp_path / "out"
    flags = (*clean.flags, f"--output_dir={out}", *FLAGS)
    running = start("convert", *flags)
    if unit == "seconds":
        delay = chance.uniform(0.2, 4)
        print(f"killed after {delay:.3f} s")
        time.sleep(delay)
    else:
        count = chance.randint(1, TRAIN_SHARDS + VALIDATION_SHARDS - 1)
        print(f"killed at {count} receipts")
        running.wait_for(lambda: len(receipts(out)) >= count)
        time.sleep(chance.uniform(0, 0.03))
    running.send(signal.SIGKILL)
    running.finish()
    before = published(out)
    finished = convert(*flags)
    assert finished.status == 0, finished.message
    after = published(out)
    assert {name: after[name] for name in before} == before, "published shards were written again"
    if before and "nothing to do" not in finished.message:
        assert f"resuming: {len(before)} of 24 shards" in finished.message
    assert tree(out) == undisturbed


def test_a_second_run_does_nothing_and_says_so(clean, convert, tmp_path):
    out = tmp_path / "out"
    flags = (*clean.validation_flags, f"--output_dir={out}", "--validation_shards=3")
    assert convert(*flags).status == 0
    before = published(out)
    assert len(before) == 3
    finished = convert(*flags)
    assert finished.status == 0
    assert f"{out} is complete already: nothing to do" in finished.message
    assert re.search(r"^validation +12 +12 ", finished.message, re.MULTILINE)
    assert published(out) == before


def test_a_run_with_another_filter_is_refused_by_name(
    clean, convert, tree, finished_run, monkeypatch
):
    if image_filter.vectorised is None:
        pytest.skip("cykooz-resizer is not installed")
    before, used = tree(finished_run), image_filter.filter_name()
    monkeypatch.setattr(image_filter, "vectorised", None)
    flags = (*clean.validation_flags, f"--output_dir={finished_run}", "--validation_shards=3")
    finished = convert(*flags)
    assert finished.status == 2
    now = image_filter.filter_name()
    assert f"holds another conversion: the resize filter was {used} and is {now};" in (
        finished.message
    )
    assert tree(finished_run) == before


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--resize=none", "--resize was shorter:256 and is none"),
        ("--jpeg_quality=80", "--jpeg_quality was 95 and is 80"),
        ("--label_base=0", "--label_base was 1 and is 0"),
        ("--shuffle_seed=3", "--shuffle_seed was 0 and is 3"),
        ("--validation_shards=4", "--validation_shards was 3 and is 4"),
        ("--apply_exif_orientation", "--apply_exif_orientation was off and is on"),
    ],
)
def test_another_option_is_refused_by_name(clean, convert, tree, finished_run, flag, sentence):
    before = tree(finished_run)
    flags = (*clean.validation_flags, f"--output_dir={finished_run}", "--validation_shards=3")
    finished = convert(*flags, flag)
    assert finished.status == 2
    assert f"--output_dir={finished_run} holds another conversion" in finished.message
    assert sentence in finished.message
    assert "--overwrite" in finished.message
    assert tree(finished_run) == before


@pytest.fixture(scope="module")
def finished_run(clean, convert, tmp_path_factory):
    """A finished conversion of the validation images, in 3 shards."""
    out = tmp_path_factory.mktemp("finished") / "out"
    flags = (*clean.validation_flags, f"--output_dir={out}", "--validation_shards=3")
    assert convert(*flags).status == 0
    return out


@pytest.fixture
def old_run(finished_run, tmp_path):
    """A copy of it that may be spoilt."""
    shutil.copytree(finished_run, tmp_path / "out")
    return tmp_path / "out"


def test_overwrite_leaves_no_stale_shards(clean, convert, tree, old_run):
    orphan = old_run / "validation-00002-of-00007"  # published, and killed before its receipt
    orphan.write_bytes(b"a shard without a receipt")
    flags = (*clean.validation_flags, f"--output_dir={old_run}", "--overwrite")
    finished = convert(*flags, "--validation_shards=2")
    assert finished.status == 0, finished.message
    assert {path.name for path in old_run.glob("*-of-*")} == {
        f"validation-0000{shard}-of-00002" for shard in range(2)
    }
    assert receipts(old_run) == {f"validation-0000{shard}-of-00002.json" for shard in range(2)}


def test_overwrite_that_was_killed_leaves_no_stale_shards(clean, convert, start, tree, old_run):
    flags = (*clean.flags, f"--output_dir={old_run}", *FLAGS)
    running = start("convert", *flags, "--overwrite")
    running.wait_for(lambda: any("-of-00016" in name for name in receipts(old_run)))
    running.send(signal.SIGKILL)
    running.finish()
    assert (old_run / "validation-00000-of-00003").exists(), "removed before there are new ones"
    finished = convert(*flags)
    assert finished.status == 0, finished.message
    assert not list(old_run.glob("*-of-00003*"))
    assert len(list(old_run.glob("*-of-*"))) == TRAIN_SHARDS + VALIDATION_SHARDS


def test_overwrite_keeps_the_lock(clean, convert, start, old_run):
    flags = (*clean.flags, f"--output_dir={old_run}", *FLAGS, "--overwrite")
    running = start("convert", *flags)
    running.wait_for(lambda: any("-of-00016" in name for name in receipts(old_run)))
    finished = convert(*flags)
    assert finished.status == 2
    assert "in use by another run" in finished.message
    assert running.process.poll() is None


def test_shards_of_nobody_are_refused(clean, convert, tree, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "validation-00001-of-00128").write_bytes(b"somebody's work")
    (out / "test-00001-of-00128").write_bytes(b"of a split that is not written")
    flags = (*clean.validation_flags, f"--output_dir={out}", "--validation_shards=2")
    finished = convert(*flags)
    assert finished.status == 2
    assert f"--output_dir={out} holds validation-00001-of-00128" in finished.message
    assert "--overwrite" in finished.message
    assert (out / "validation-00001-of-00128").read_bytes() == b"somebody's work"
    assert convert(*flags, "--overwrite").status == 0
    assert sorted(path.name for path in out.glob("*-of-*")) == [
        "test-00001-of-00128",
        "validation-00000-of-00002",
        "validation-00001-of-00002",
    ]


@pytest.mark.parametrize("change", ["size", "mtime", "devkit"])
def test_input_that_changed_between_runs_is_refused(copied, convert, tmp_path, change):
    out = tmp_path / "out"
    flags = (*copied.validation_flags, f"--output_dir={out}", "--validation_shards=3")
    assert convert(*flags).status == 0
    path = copied.devkit if change == "devkit" else copied.validation
    stat = path.stat()
    if change == "mtime":
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    else:
        with path.open("ab") as file:
            file.write(bytes(10_240))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (out / "validation-00001-of-00003").unlink()
    finished = convert(*flags)
    assert finished.status == 2
    named = f"{path} (--devkit)" if change == "devkit" else path
    assert f"holds another conversion: {named} has changed since; give" in finished.message
    assert not (out / "validation-00001-of-00003").exists()


def test_input_that_changes_while_it_is_read_is_an_error(copied, start, convert, tmp_path):
    out = tmp_path / "out"
    flags = (*copied.flags, f"--output_dir={out}", *FLAGS)
    running = start("convert", *flags)
    running.wait_for(lambda: len(receipts(out)) >= 3)
    os.utime(copied.train)
    finished = running.finish()
    assert finished.status == 2
    assert f"{copied.train} was changed while it was being read" in finished.message
    assert "--overwrite" in finished.message and "Traceback" not in finished.message
    assert not (out / "manifest.json").exists()
    assert convert(*flags).status == 2
    assert convert(*flags, "--overwrite").status == 0


def test_a_replaced_archive_is_read_anew(copied, convert, examples, write_archives, tmp_path):
    """In one process, as in a notebook or on a worker that lives long."""
    out = tmp_path / "out"
    flags = (*copied.validation_flags, f"--output_dir={out}", "--validation_shards=1")
    options = ("--resize=none", "--overwrite")
    assert convert(*flags, *options).status == 0
    first = {record["image/encoded"][0] for record in examples(out, "validation")}
    spec = {"classes": 4, "train_per_class": 6, "validation_per_class": 3}
    other = write_archives(tmp_path / "other", **spec, hard_images=False, seed=1)
    os.replace(other.validation, copied.validation)
    os.replace(other.devkit, copied.devkit)
    assert convert(*flags, *options).status == 0
    second = {record["image/encoded"][0] for record in examples(out, "validation")}
    assert len(second) == 12 and not first & second


@pytest.mark.parametrize("spoil", ["deleted", "truncated", "receipt deleted"])
def test_a_spoilt_shard_is_made_anew(clean, convert, tree, old_run, spoil):
    before, whole = tree(old_run), published(old_run)
    name = "validation-00001-of-00003"
    if spoil == "deleted":
        (old_run / name).unlink()
    elif spoil == "truncated":
        os.truncate(old_run / name, 100)
    else:
        (old_run / RECEIPTS / f"{name}.json").unlink()
    flags = (*clean.validation_flags, f"--output_dir={old_run}", "--validation_shards=3")
    finished = convert(*flags)
    assert finished.status == 0, finished.message
    assert "resuming: 2 of 3 shards" in finished.message
    assert "\ndone: 4 images in" in finished.message, "only the missing shard"
    assert tree(old_run) == before
    after = published(old_run)
    assert after.pop(name) != whole.pop(name)
    assert after == whole


@pytest.mark.parametrize("name", ["manifest.json", "labels.txt", "classes.csv", "rejects.jsonl"])
def test_a_missing_file_beside_the_shards_is_written_again(clean, convert, tree, old_run, name):
    before, whole = tree(old_run), published(old_run)
    (old_run / name).unlink()
    flags = (*clean.validation_flags, f"--output_dir={old_run}", "--validation_shards=3")
    assert convert(*flags).status == 0
    assert tree(old_run) == before
    assert published(old_run) == whole


def test_what_a_killed_run_was_writing_is_removed(clean, convert, tree, old_run):
    before = tree(old_run)
    half = old_run / f".validation-00001-of-00003.0123abcd{TEMPORARY_SUFFIX}"
    other = old_run / RECEIPTS / f".x.json.0123abcd{TEMPORARY_SUFFIX}"
    for path in (half, other):
        path.write_bytes(b"half of a shard")
    (old_run / "notes of mine.txt").write_text("stay")
    flags = (*clean.validation_flags, f"--output_dir={old_run}", "--validation_shards=3")
    assert convert(*flags).status == 0
    assert tree(old_run) == {**before, "notes of mine.txt": b"stay"}


@pytest.mark.parametrize(
    "path", [".imagenet-beam/plan.json", f"{RECEIPTS}/validation-00000-of-00003.json"]
)
def test_damaged_state_is_named(clean, convert, old_run, path):
    (old_run / path).write_bytes(b"{")
    flags = (*clean.validation_flags, f"--output_dir={old_run}", "--validation_shards=3")
    finished = convert(*flags)
    assert finished.status == 2
    assert str(old_run / path) in finished.message
    assert convert(*flags, "--overwrite").status == 0


def test_a_second_run_at_the_same_time_is_refused(
    clean, convert, start, tree, tmp_path, undisturbed
):
    out = tmp_path / "out"
    flags = (*clean.flags, f"--output_dir={out}", *FLAGS)
    first = start("convert", *flags)
    first.wait_for(lambda: len(receipts(out)) >= 1)
    second = convert(*flags)
    assert second.status == 2
    assert f"--output_dir: {out} is in use" in second.message
    assert "in use by another run" in second.message
    assert first.finish().status == 0
    assert tree(out) == undisturbed


def test_the_lock_ends_with_its_holder(tmp_path):
    for _ in range(2):
        with Storage().exclusive(str(tmp_path), "lock"):
            pass


def test_a_higher_allowance_does_only_what_is_missing(hard, convert, tmp_path):
    out = tmp_path / "out"
    flags = (*hard.validation_flags, f"--output_dir={out}", "--validation_shards=3")
    assert convert(*flags).status == 3
    (out / "validation-00002-of-00003").unlink()
    whole = published(out)
    whole.pop("validation-00002-of-00003", None)
    finished = convert(*flags, "--max_rejects=5")
    assert finished.status == 0
    assert "resuming: 2 of 3 shards" in finished.message
    after = published(out)
    assert {name: after[name] for name in whole} == whole
    assert len(after) == 3
