"""What every backend promises, whatever the scheme."""

import google_crc32c
import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.beam import BeamBackend
from imagenet_beam.transforms.storage.local import LocalBackend

DATA = bytes(range(256)) * 40


@pytest.fixture(params=["local", "beam", "gcs", "s3"])
def place(request, tmp_path):
    """A backend, and an empty directory that it can reach."""
    if request.param == "gcs":
        return request.getfixturevalue("backend"), f"gs://{request.getfixturevalue('bucket')}/data"
    if request.param == "s3":
        bucket = request.getfixturevalue("s3").bucket
        from imagenet_beam.transforms.storage.s3 import S3Backend

        return S3Backend(str(tmp_path)), f"s3://{bucket}/data"
    backend = LocalBackend() if request.param == "local" else BeamBackend(str(tmp_path))
    return backend, str(tmp_path / "data")


def publish(backend, path, data):
    file = backend.create(path)
    file.write(data)
    file.publish()
    file.discard()


def test_published_bytes_are_read_back_whole_and_by_range(place):
    backend, root = place
    publish(backend, f"{root}/a.bin", DATA)
    assert backend.read_bytes(f"{root}/a.bin") == DATA
    reader = backend.open_ranges(f"{root}/a.bin")
    assert (reader.name, reader.size_bytes) == (f"{root}/a.bin", len(DATA))
    assert reader.read(1000, 300) == DATA[1000:1300]
    assert reader.read(len(DATA) - 1, 1) == DATA[-1:]
    assert reader.read(7, 0) == b""


def test_a_range_beyond_the_end_is_an_error_that_names_the_file(place):
    backend, root = place
    publish(backend, f"{root}/a.bin", DATA)
    reader = backend.open_ranges(f"{root}/a.bin")
    with pytest.raises(InputError, match=r"a\.bin ends before byte 10,241"):
        reader.read(10_000, 241)


def test_the_pinned_path_of_a_stat_reads_what_the_stat_saw(place):
    backend, root = place
    publish(backend, f"{root}/a.bin", DATA)
    stat = backend.stat(f"{root}/a.bin")
    assert (stat.path, stat.size_bytes) == (f"{root}/a.bin", len(DATA))
    assert backend.stat(f"{root}/a.bin") == stat
    assert backend.open_ranges(stat.pinned).read(0, len(DATA)) == DATA


@pytest.mark.parametrize("method", ["stat", "open_ranges", "read_bytes"])
def test_a_missing_file_is_an_error_that_begins_with_its_path(place, method):
    backend, root = place
    with pytest.raises(InputError) as error:
        getattr(backend, method)(f"{root}/none.tar")
    assert str(error.value).startswith(f"{root}/none.tar ")


def test_a_listing_maps_relative_names_to_sizes(place):
    backend, root = place
    assert backend.list_sizes(root) == {}
    for name, size in {"a": 1, "sub/b": 2, "sub/deep/ c+%": 3}.items():
        publish(backend, f"{root}/{name}", b"x" * size)
    publish(backend, f"{root}-beside/d", b"x")
    assert backend.list_sizes(root) == {"a": 1, "sub/b": 2, "sub/deep/ c+%": 3}
    assert backend.list_sizes(f"{root}/sub/") == {"b": 2, "deep/ c+%": 3}


def test_nothing_is_visible_before_publish_nor_after_discard(place):
    backend, root = place
    file = backend.create(f"{root}/a")
    file.write(DATA)
    assert "a" not in backend.list_sizes(root)
    file.discard()
    assert backend.list_sizes(root) == {}


def test_an_atomic_file_knows_its_size_and_checksum(place):
    backend, root = place
    file = backend.create(f"{root}/a")
    file.write(DATA[:100])
    file.write(DATA[100:])
    assert (file.size_bytes, file.crc32c) == (len(DATA), google_crc32c.value(DATA))
    file.discard()


def test_publish_replaces_and_remove_forgives(place):
    backend, root = place
    publish(backend, f"{root}/a", b"old")
    publish(backend, f"{root}/a", b"")
    assert backend.read_bytes(f"{root}/a") == b""
    backend.remove(f"{root}/a")
    backend.remove(f"{root}/a")
    assert backend.list_sizes(root) == {}


def test_checking_that_a_directory_is_writable_leaves_nothing(place):
    backend, root = place
    backend.check_writable(root)
    assert backend.list_sizes(root) == {}
