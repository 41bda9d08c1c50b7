"""Other schemes through Beam: what the contract in tests/storage/test_contract.py does not show."""

import os
import threading

import pytest
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.beam import BeamBackend
from imagenet_beam.transforms.storage.files import Storage


@pytest.fixture
def backend(tmp_path):
    (tmp_path / "scratch").mkdir()
    return BeamBackend(str(tmp_path / "scratch"))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_content_is_spooled_to_scratch_space_without_a_name(backend, tmp_path):
    file = backend.create(f"{tmp_path}/out/a")
    file.write(b"x" * 3_000_000)
    spool = f"/proc/self/fd/{file._spool.fileno()}"
    assert os.readlink(spool).startswith(f"{tmp_path}/scratch/")
    assert names(tmp_path / "scratch") == []
    assert not (tmp_path / "out").exists()
    file.publish()
    assert names(tmp_path) == ["out/a"]
    file.discard()
    assert (tmp_path / "out/a").read_bytes() == b"x" * 3_000_000


@pytest.mark.parametrize("broken", ["rename", "create"])
def test_a_publish_that_fails_leaves_nothing(backend, tmp_path, monkeypatch, broken):
    def fail(*_, **__):
        raise BeamIOError("no room")

    file = backend.create(f"{tmp_path}/out/a")
    file.write(b"x")
    monkeypatch.setattr(FileSystems, broken, fail)
    with pytest.raises(InputError, match=r"/out/a cannot be used: no room"):
        file.publish()
    file.discard()
    assert names(tmp_path) == []


def test_compressed_files_are_read_as_they_are(backend, tmp_path):
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b no gzip")
    assert backend.read_bytes(f"{tmp_path}/a.gz") == b"\x1f\x8b no gzip"
    assert backend.open_ranges(f"{tmp_path}/a.gz").read(0, 2) == b"\x1f\x8b"
    file = backend.create(f"{tmp_path}/b.gz")
    file.write(b"plain")
    file.publish()
    assert (tmp_path / "b.gz").read_bytes() == b"plain"


def test_a_pattern_does_not_pass_for_its_first_match(backend, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.tar").write_bytes(b"x")
    with pytest.raises(InputError, match=r"\*\.tar names 2 files; give one path for each"):
        backend.stat(f"{tmp_path}/*.tar")


def test_a_missing_scratch_folder_is_told_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=f"/a cannot be spooled in {tmp_path}/none: .*scratch_dir"):
        BeamBackend(f"{tmp_path}/none").create(f"{tmp_path}/a")


def test_a_scheme_that_beam_does_not_know_is_told_in_a_sentence():
    for method in ("stat", "open_ranges", "read_bytes", "list_sizes", "check_writable"):
        with pytest.raises(InputError, match=r"^nope://host/"):
            getattr(Storage(), method)("nope://host/x")


def test_schemes_that_need_a_package_say_which():
    for scheme, package in (("azfs", "azure"), ("hdfs", "hadoop")):
        with pytest.raises(
            InputError, match=rf"^{scheme}://a/b/c needs .*apache-beam\[{package}\]"
        ):
            Storage().stat(f"{scheme}://a/b/c")


def test_threads_read_with_a_file_each(backend, tmp_path):
    """One is held in the middle of its read; the others go on."""
    (tmp_path / "a").write_bytes(bytes(range(256)))
    reader = backend.open_ranges(f"{tmp_path}/a")
    held, go_on = threading.Event(), threading.Event()
    (file,) = reader._idle

    class Held:
        def seek(self, offset):
            held.set()
            assert go_on.wait(30)
            return file.seek(offset)

        def read(self, length):
            return file.read(length)

    reader._idle[:] = [Held()]
    found = []
    thread = threading.Thread(target=lambda: found.append(reader.read(3, 2)))
    thread.start()
    assert held.wait(30)
    assert reader.read(10, 3) == bytes([10, 11, 12])
    go_on.set()
    thread.join(30)
    assert found == [bytes([3, 4])]
