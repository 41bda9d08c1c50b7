"""The preloaded library itself: what it counts, fails and takes away."""

import errno
import os
import subprocess
import sys

import calls
import pytest
from calls import CHANGING, KINDS, Fault

pytestmark = pytest.mark.skipif(bool(calls.missing()), reason=calls.missing())

PUBLISH = """
import os, sys
folder, is_synced = sys.argv[1], sys.argv[2] == "synced"
os.makedirs(folder + "/in", exist_ok=True)
with open(folder + "/in/new", "xb") as file:
    file.write(b"0123456789")
    file.flush()
    if is_synced:
        os.fsync(file.fileno())
os.replace(folder + "/in/new", folder + "/in/file")
if is_synced:
    os.fsync(os.open(folder + "/in", os.O_RDONLY))
os.mkdir(folder + "/empty")
print(sorted(os.listdir(folder + "/in")))
"""


@pytest.fixture
def publish(tmp_path):
    """`publish(kinds, at, effect)`: a program that writes, in a process; how it ends, the calls."""
    folder = tmp_path / "out"

    def run(kinds=KINDS, at=0, effect="count", error=0, how="synced"):
        fault = Fault(str(folder), kinds, at, effect, error)
        environment = {**os.environ, "LD_PRELOAD": calls.library(), "FAULTY_CALLS": fault.said}
        command = [sys.executable, "-c", PUBLISH, str(folder), how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        struck = [call.replace(f" {folder}", " ", 1) for call in fault.struck()]
        return done, struck, folder / "in" / "file"

    return run


def test_calls_below_the_folder_are_counted_and_no_others(publish):
    done, struck, _ = publish(CHANGING)
    assert done.stdout == "['file']\n", done.stderr
    assert struck == [
        "mkdir ", "mkdir /in", "create /in/new", "write /in/new", "fsync /in/new",
        "rename /in/file", "fsync /in", "mkdir /empty",
    ]  # fmt: skip


def test_the_kinds_that_only_look_are_counted_too(publish):
    _, struck, _ = publish(("open", "stat", "list", "close"))
    assert {call.split(" ")[0] for call in struck} == {"open", "stat", "list", "close"}


@pytest.mark.parametrize(("kind", "at"), [("rename", 1), ("fsync", 2), ("write", 1)])
def test_a_call_fails_with_the_error_that_was_asked_for(publish, kind, at):
    done, (struck,), _ = publish((kind,), at, "fail", errno.ESTALE)
    assert struck.startswith(f"{kind} ")
    assert f"OSError: [Errno {errno.ESTALE}] Stale file handle" in done.stderr


def test_a_full_disk_takes_a_part_of_what_is_written(publish):
    done, _, file = publish(("write",), 1, "fail_on", errno.ENOSPC)
    assert "No space left on device" in done.stderr
    assert file.with_name("new").read_bytes() == b"01234"


@pytest.mark.parametrize(
    ("at", "left"), [(4, b"01234"), (6, b"0123456789")], ids=["in a write", "before a rename"]
)
def test_a_process_dies_before_a_call_and_in_a_write(publish, at, left):
    done, _, file = publish(CHANGING, at, "die")
    assert done.returncode == -9
    assert not file.exists()
    assert file.with_name("new").read_bytes() == left


@pytest.mark.parametrize("how", ["synced", "not synced"])
def test_a_power_cut_takes_what_was_not_fsynced(publish, how):
    done, (struck,), file = publish(("mkdir",), 3, "cut", how=how)
    assert (done.returncode, struck) == (-9, "mkdir /empty")
    assert file.exists() == (how == "synced")
    if how == "synced":
        assert file.read_bytes() == b"0123456789"


def test_a_name_that_was_there_is_empty_where_its_file_was_not_fsynced(publish, tmp_path):
    file = tmp_path / "out" / "in" / "file"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"before")
    _, (struck,), _ = publish(("mkdir",), 2, "cut", how="not synced")
    assert struck == "mkdir /empty"
    assert file.read_bytes() == b""
