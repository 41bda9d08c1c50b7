"""Local files: what all backends promise is in tests/storage/test_contract.py; here the rest."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX
from imagenet_beam.transforms.storage.files import Storage
from imagenet_beam.transforms.storage.local import LocalBackend
from imagenet_beam.transforms.storage.local_write import locked

BACKEND = LocalBackend()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refusal(function, *arguments) -> str:
    with pytest.raises(InputError) as error:
        function(*arguments)
    return str(error.value)


def test_a_reader_sees_the_old_file_or_the_new_one_and_nothing_else(tmp_path):
    path = tmp_path / "shard"
    versions = [bytes([number]) * 300_000 for number in range(40)]
    path.write_bytes(versions[0])
    seen, end = set(), threading.Event()

    def look():
        while not end.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for version in versions[1:]:
            file = BACKEND.create(str(path))
            file.write(version[:100_000])
            file.write(version[100_000:])
            file.publish()
    finally:
        end.set()
        reader.join()
    assert len(seen) > 1
    assert seen <= set(versions)
    assert files(tmp_path) == ["shard"]


def test_what_is_being_written_is_hidden_and_marked_as_temporary(tmp_path):
    file = BACKEND.create(str(tmp_path / "new" / "shard"))
    file.write(b"half")
    [name] = files(tmp_path)
    assert name.startswith("new/.shard.")
    assert name.endswith(TEMPORARY_SUFFIX)
    file.discard()
    file.discard()
    assert files(tmp_path) == []


def test_two_writers_of_one_path_do_not_meet(tmp_path):
    first, second = (BACKEND.create(str(tmp_path / "shard")) for _ in range(2))
    first.write(b"first")
    second.write(b"second")
    second.publish()
    assert (tmp_path / "shard").read_bytes() == b"second"
    first.publish()
    assert (tmp_path / "shard").read_bytes() == b"first"


DISK_FULL = """
import resource, signal, sys
from imagenet_beam.transforms.storage.local import LocalBackend
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
file = LocalBackend().create(sys.argv[1])
try:
    for _ in range(int(sys.argv[2])):
        file.write(bytes(700_000))
    file.publish()
finally:
    file.discard()
"""


@pytest.mark.parametrize("writes", [5, 20])
def test_no_room_is_a_sentence_and_leaves_nothing(tmp_path, writes):
    """RLIMIT_FSIZE makes write(2) fail, late for buffered bytes, as a full disk does."""
    path = tmp_path / "shard"
    path.write_bytes(b"earlier")
    command = [sys.executable, "-c", DISK_FULL, str(path), str(writes)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stderr.splitlines()[-1].endswith(
        f"InputError: {path} cannot be written: File too large; make room, then run the same "
        "command again, which resumes"
    )
    assert files(tmp_path) == ["shard"]
    assert path.read_bytes() == b"earlier"


def test_a_rename_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "shard").mkdir()
    file = BACKEND.create(str(tmp_path / "shard"))
    file.write(b"x")
    assert refusal(file.publish).startswith(f"{tmp_path}/shard cannot be used: Is a directory; ")
    assert files(tmp_path) == []


HOLD = """
import sys
from imagenet_beam.transforms.storage.local_write import locked
with locked(sys.argv[1], "lock"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_keeps_a_second_process_out_until_the_first_is_dead(tmp_path):
    folder = str(tmp_path / "out")
    command = [sys.executable, "-c", HOLD, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError) as error, Storage().exclusive(folder, "lock"):
            pass
        holder.kill()
    assert str(error.value) == (
        f"{folder} is in use by another run; wait for it, or give another `output_dir`"
    )
    with locked(folder, "lock"), pytest.raises(InputError), locked(folder, "lock"):
        pass


def test_a_lock_takes_with_it_what_was_made_for_it(tmp_path):
    with locked(str(tmp_path / "a" / "b"), "state/lock"):
        assert (tmp_path / "a" / "b" / "state" / "lock").is_file()
    assert files(tmp_path) == []
    with locked(str(tmp_path), "state/lock"):
        (tmp_path / "shard").touch()
    assert files(tmp_path) == ["shard"]
    with locked(str(tmp_path), "state/lock"):
        (tmp_path / "state" / "plan").touch()
    with locked(str(tmp_path), "state/lock"):
        pass
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["lock", "plan"]


def test_a_lock_that_another_run_removes_meanwhile_is_made_anew(tmp_path, monkeypatch):
    lock, flock = tmp_path / "lock", fcntl.flock
    removed = []

    def slow(file, how):
        if not removed:  # the other run ends between our opening the file and our locking it
            removed.append(lock.stat().st_ino)
            lock.rename(tmp_path / "removed")
        flock(file, how)

    monkeypatch.setattr("fcntl.flock", slow)
    with locked(str(tmp_path), "lock"):
        assert lock.stat().st_ino != removed[0]
        with pytest.raises(InputError), locked(str(tmp_path), "lock"):
            pass


def test_a_file_system_without_locks_is_not_taken_for_another_run(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with (
        pytest.raises(InputError, match="is on a file system without locks"),
        locked(str(tmp_path), "lock"),
    ):
        pass


def test_other_storage_has_no_locks():
    out = ("hdfs://host/out", "lock")
    with Storage().exclusive(*out), Storage().exclusive(*out):
        pass


def test_places_that_cannot_be_written_are_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    below = f"{tmp_path}/file/out"
    said = refusal(BACKEND.check_writable, below)
    assert said.startswith(f"{below}/probe cannot be used: Not a directory; a file is where")
    assert "does not exist" in refusal(BACKEND.create, "/proc/none/x")
    if os.geteuid() != 0:  # permissions do not hold root
        (tmp_path / "closed").mkdir(mode=0o500)
        closed = f"{tmp_path}/closed/x"
        assert refusal(BACKEND.create, closed) == f"{closed} may not be accessed: permission denied"


def test_a_denied_permission_is_told_in_a_sentence(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    path = f"{tmp_path}/x"
    assert refusal(BACKEND.open_ranges, path) == f"{path} may not be accessed: permission denied"


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(BACKEND.stat, str(tmp_path / "pipe"))
    assert refusal(BACKEND.stat, str(tmp_path)) == f"{tmp_path} is a directory, not a file"


def test_a_listing_visits_each_folder_once_and_forgives_broken_links(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "none")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert BACKEND.list_sizes(str(tmp_path)) == {"a": 2, "link": 2}


def test_a_split_on_another_disk_is_listed_where_its_link_is(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a").write_bytes(b"12")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train").symlink_to(tmp_path / "disk")
    assert BACKEND.list_sizes(str(tmp_path / "out")) == {"train/a": 2}


def test_files_that_are_listed_again_are_opened_anew(tmp_path):
    path, storage = tmp_path / "1.JPEG", Storage()
    path.write_bytes(b"old")
    assert storage.read_range(str(path), 0, 3) == b"old"
    (tmp_path / "other").write_bytes(b"new")
    (tmp_path / "other").replace(path)
    [file] = storage.files(str(tmp_path), "")
    assert storage.read_range(file.pinned, 0, 3) == b"new"


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    with (tmp_path / "train.tar").open("wb") as file:
        file.truncate(1 << 40)
    said = refusal(Storage().read_bytes, str(tmp_path / "train.tar"), 1000)
    assert "has 1,099,511,627,776 bytes, and no file of this kind has more than 1,000" in said


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"12")
    assert (
        refusal(BACKEND.list_sizes, f"{tmp_path}/a")
        == f"{tmp_path}/a cannot be used: Not a directory"
    )

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", denied)
    assert "permission denied" in refusal(BACKEND.list_sizes, str(tmp_path))


def test_threads_share_one_reader(tmp_path):
    data = bytes(range(256)) * 400
    (tmp_path / "a").write_bytes(data)
    storage, wrong = Storage(), []

    def look(start):
        for offset in range(start, len(data) - 100, 997):
            if storage.read_range(f"{tmp_path}/a", offset, 100) != data[offset : offset + 100]:
                wrong.append(offset)

    threads = [threading.Thread(target=look, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert storage.open_ranges(f"{tmp_path}/a") is storage.open_ranges(f"{tmp_path}/a")


def test_few_files_are_held_open(tmp_path):
    storage = Storage()
    for number in range(200):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
        assert storage.read_range(f"{tmp_path}/{number}", 0, 1) == str(number)[:1].encode()
    held = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert sum(path.startswith(str(tmp_path)) for path in held) <= 64
    assert storage.read_range(f"{tmp_path}/0", 0, 1) == b"0"


def test_a_short_read_is_continued(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"0123456789")
    reader = BACKEND.open_ranges(str(tmp_path / "a"))
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 3), offset))
    assert reader.read(1, 8) == b"12345678"
    assert "ends before byte 11" in refusal(reader.read, 1, 10)


def test_a_file_url_is_a_local_path(tmp_path):
    storage = Storage()
    storage.publish_bytes(f"file://{tmp_path}/a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"
    assert storage.read_bytes(f"file://{tmp_path}/a") == b"x"
