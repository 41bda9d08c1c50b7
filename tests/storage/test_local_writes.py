"""Writing on local disks: what is on the disk when, what stays, and what is said of errors."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX
from imagenet_beam.transforms.storage.files import Storage
from imagenet_beam.transforms.storage.local import LocalBackend
from imagenet_beam.transforms.storage.local_write import locked

BACKEND = LocalBackend()


def refusal(function, *arguments) -> str:
    with pytest.raises(InputError) as error:
        function(*arguments)
    return str(error.value)


@pytest.fixture
def synced(monkeypatch):
    """The paths that are synced, and "rename", in their order."""
    order = []
    fsync, replace = os.fsync, Path.replace

    def note(fd):
        order.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", lambda *paths: order.append("rename") or replace(*paths))
    return order


@pytest.mark.skipif(sys.platform != "linux", reason="paths of open files are in /proc")
def test_file_then_name_are_on_the_disk_and_folders_that_were_made(tmp_path, synced):
    Storage().publish_bytes(str(tmp_path / "new" / "out" / "shard"), b"x")
    made_in, new, file, rename, folder = synced
    assert {made_in, new} == {str(tmp_path), str(tmp_path / "new")}
    assert file.endswith(TEMPORARY_SUFFIX)
    assert (rename, folder) == ("rename", str(tmp_path / "new" / "out"))
    synced.clear()
    Storage().publish_bytes(str(tmp_path / "new" / "out" / "shard"), b"y")
    assert synced[1:] == ["rename", str(tmp_path / "new" / "out")]


def failing_for_folders(number, monkeypatch):
    fsync = os.fsync

    def fail(fd):
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            raise OSError(number, os.strerror(number))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS])
def test_a_file_system_that_syncs_no_folders_is_written_to(tmp_path, monkeypatch, number):
    failing_for_folders(number, monkeypatch)
    Storage().publish_bytes(str(tmp_path / "shard"), b"x")
    assert (tmp_path / "shard").read_bytes() == b"x"


def test_a_folder_that_does_not_reach_the_disk_is_an_error(tmp_path, monkeypatch):
    failing_for_folders(errno.EIO, monkeypatch)
    said = refusal(Storage().publish_bytes, str(tmp_path / "shard"), b"x")
    assert said.startswith(f"{tmp_path}/shard cannot be written: Input/output error; look after")


ADVICE = {
    errno.EIO: "look after the disk or the network that it lies on, then run the same",
    errno.ESTALE: "look after the disk or the network that it lies on, then run the same",
    errno.EROFS: "make its file system writable, then run the same command again, which resumes",
    errno.ENOSPC: "make room, then run the same command again, which resumes",
    errno.EDQUOT: "make room, then run the same command again, which resumes",
    errno.ELOOP: "a link on the way to it leads to itself: remove the link",
}


@pytest.mark.parametrize("number", ADVICE, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["mkdir", "fsync", "replace", "unlink"])
def test_a_disk_that_fails_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, call, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    if call == "unlink":
        (tmp_path / "shard").write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(*{"fsync": (os, call)}.get(call, (Path, call)), fail)
        if call == "unlink":
            said, what = refusal(BACKEND.remove, f"{tmp_path}/shard"), "removed"
        else:
            folder = tmp_path / "new" if call == "mkdir" else tmp_path
            said, what = refusal(Storage().publish_bytes, f"{folder}/shard", b"x"), "written"
    assert f"/shard cannot be {what}: {os.strerror(number)}; {ADVICE[number]}" in said
    assert not list(tmp_path.rglob(f"*{TEMPORARY_SUFFIX}"))


def test_a_temporary_file_that_cannot_be_removed_hides_no_error(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "unlink", fail)
    BACKEND.check_writable(str(tmp_path))
    (tmp_path / "shard").mkdir()
    said = refusal(Storage().publish_bytes, f"{tmp_path}/shard", b"x")
    assert said == (
        f"{tmp_path}/shard cannot be used: Is a directory; move it away: a file goes there"
    )


def test_a_lock_whose_folder_is_gone_ends_in_silence(tmp_path):
    with locked(str(tmp_path / "out"), "state/lock"):
        (tmp_path / "out").rename(tmp_path / "away")
    assert not (tmp_path / "out").exists()


ENDING = """
import os, sys, threading
from imagenet_beam.transforms.storage.files import Storage, end_writing
first = Storage().create(sys.argv[1] + "/first")
first.write(b"half")
Storage().publish_bytes(sys.argv[1] + "/whole", b"whole")
print(len(os.listdir(sys.argv[1])), flush=True)
if sys.argv[2] == "exit":  # as where workers are threads of a process that is interrupted
    raise SystemExit(130)
end_writing()
begin = threading.Thread(target=Storage().create, args=[sys.argv[1] + "/second"], daemon=True)
begin.start()
begin.join(0.2)  # for ever, but for the end of the process
os._exit(130)
"""


@pytest.mark.parametrize("how", ["exit", "_exit"])
def test_a_process_that_ends_takes_with_it_what_it_is_writing(tmp_path, how):
    command = [sys.executable, "-c", ENDING, str(tmp_path), how]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 130, ended.stderr
    assert ended.stdout == "2\n"
    assert os.listdir(tmp_path) == ["whole"]


def test_a_fork_leaves_alone_what_its_parent_is_writing(tmp_path):
    code = (
        "import os, sys\n"
        "from imagenet_beam.transforms.storage.files import Storage\n"
        "file = Storage().create(sys.argv[1])\n"
        "if not (child := os.fork()): sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "file.write(b'x')\n"
        "file.publish()\n"
    )
    subprocess.run([sys.executable, "-c", code, f"{tmp_path}/shard"], check=True)
    assert (tmp_path / "shard").read_bytes() == b"x"
