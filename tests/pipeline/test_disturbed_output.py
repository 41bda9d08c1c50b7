"""An output folder that somebody else is at while the job runs: told, and the next run repairs."""

import errno
import os
import shutil

import pytest

from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX, Storage
from imagenet_beam.transforms.storage.local_write import LocalAtomicFile

SHARDS = ("--validation_shards=3", "--resize=none", "--threads=1")
RECEIPTS = ".imagenet-beam/receipts"
RECEIPT = f"{RECEIPTS}/{{shard}}.json"


@pytest.fixture(scope="module")
def undisturbed(clean, convert, tree, tmp_path_factory):
    """All files of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert convert(*clean.validation_flags, f"--output_dir={out}", *SHARDS).status == 0
    return tree(out)


@pytest.fixture
def flags(clean, tmp_path):
    return (*clean.validation_flags, f"--output_dir={tmp_path / 'out'}", *SHARDS)


@pytest.fixture
def disturb(monkeypatch):
    """`disturb(count, act)`: acts when so many files have been published, the plan the first."""

    def begin(count, act):
        publish, published = LocalAtomicFile.publish, []

        def then(file):
            publish(file)
            published.append(file)
            if len(published) == count:
                act()

        monkeypatch.setattr(LocalAtomicFile, "publish", then)

    return begin


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize(
    ("name", "act", "said"),
    [
        ("{shard}", os.unlink, "{out}/{shard} is not there any more"),
        ("{shard}", cut, "{out}/{shard} has "),
        (
            f"{RECEIPTS}/{{shard}}.json",
            os.unlink,
            f"{{out}}/{RECEIPTS}/{{shard}}.json is not there",
        ),
    ],
)
def test_a_shard_that_goes_during_the_run_is_missed(
    convert, disturb, flags, tree, tmp_path, undisturbed, name, act, said
):
    out = tmp_path / "out"
    shards = []

    def spoil():
        shards.extend(path.stem for path in (out / RECEIPTS).glob("*.json"))
        act(out / name.format(shard=shards[0]))

    disturb(5, spoil)  # one shard at least is done
    finished = convert(*flags)
    assert finished.status == 2, finished.message
    assert said.format(out=out, shard=shards[0]) in finished.message
    assert "run the same command again, which writes what is missing" in finished.message
    assert "Traceback" not in finished.message
    assert not (out / "manifest.json").exists()
    resumed = convert(*flags)
    assert resumed.status == 0, resumed.message
    assert "resuming: 2 of 3 shards" in resumed.message
    assert tree(out) == undisturbed


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_folder_that_goes_during_the_run_is_missed(
    convert, disturb, flags, tree, tmp_path, undisturbed, how, count
):
    out, away = tmp_path / "out", tmp_path / "away"

    def act():
        out.rename(away)
        if how == "removed":
            shutil.rmtree(away)
        elif how == "replaced":
            (out / ".imagenet-beam").mkdir(parents=True, exist_ok=True)
            (out / ".imagenet-beam" / "plan.json").write_text("{}")

    disturb(count, act)
    finished = convert(*flags)
    assert finished.status == 2, finished.message
    last = finished.message.splitlines()[-1]
    told = "the output folder was removed, moved or replaced while the job was running; put it back"
    # Gone since the plan was looked at:
    renamed = "its folder does not exist, or not any more: make it or put it back"
    assert told in last or renamed in last, last
    assert "then run the same command again" in last
    assert "Traceback" not in finished.message
    assert not list(tmp_path.rglob("manifest.json"))
    shutil.rmtree(out, ignore_errors=True)
    if how == "moved":
        away.rename(out)
    resumed = convert(*flags)
    assert resumed.status == 0, resumed.message
    assert tree(out) == undisturbed


@pytest.mark.parametrize("name", ["", ".imagenet-beam", RECEIPTS, ".imagenet-beam/lock"])
def test_a_link_that_leads_to_itself_is_named(convert, flags, tmp_path, name):
    link = tmp_path / "out" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(link)
    finished = convert(*flags)
    assert finished.status == 2, finished.message
    last = finished.message.splitlines()[-1]
    assert str(tmp_path / "out") in last
    assert "Too many levels of symbolic links; a link on the way to it leads to itself" in last


def test_links_that_lead_to_themselves_and_are_nothing_to_the_run_are_left(
    convert, flags, tree, tmp_path, undisturbed
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").symlink_to(out / "mine")
    (out / "validation-00001-of-00003").symlink_to("validation-00001-of-00003")
    assert convert(*flags).status == 0
    assert tree(out) == undisturbed and (out / "mine").is_symlink()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file_is_named(convert, flags, tmp_path, make):
    lock = tmp_path / "out" / ".imagenet-beam" / "lock"
    lock.parent.mkdir(parents=True)
    make(lock)
    finished = convert(*flags)
    assert finished.status == 2
    assert f"{lock} cannot be used: " in finished.message
    assert finished.message.endswith("; move it away: a file goes there\n")


def test_what_a_killed_run_was_writing_in_the_folder_of_indexes_is_removed(
    convert, flags, tmp_path
):
    half = f"0123abcd{TEMPORARY_SUFFIX}"
    indexes = tmp_path / "indexes"
    indexes.mkdir()
    (indexes / f".validation-00001-of-00003.idx.{half}").write_bytes(b"half")
    theirs = indexes / f".other-00001-of-00004.idx.{half}"
    theirs.write_bytes(b"of another job")
    assert convert(*flags, f"--index_dir={indexes}").status == 0
    assert [path for path in indexes.iterdir() if path.suffix != ".idx"] == [theirs]


def test_a_disk_that_cannot_be_asked_for_its_room_is_not_asked(monkeypatch, tmp_path):
    def stale(path):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", stale)
    assert Storage().free_bytes(str(tmp_path)) is None
