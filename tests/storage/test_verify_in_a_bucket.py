"""`verify` of a set in gs://: by the service's checksums, without reading a shard."""

import pytest

from imagenet_beam.pipeline.reading.verify import verify
from imagenet_beam.runners.cli import main

FLAGS = ("--train_shards=2", "--validation_shards=2", "--resize=longer:24")


@pytest.fixture
def uploaded(clean, tmp_path, put, bucket, tree):
    """A small set that was converted here and copied to a bucket."""
    out = tmp_path / "out"
    assert main(["convert", *clean.flags, f"--output_dir={out}", *FLAGS]) == 0
    for name, data in tree(out).items():
        put(f"set/{name}", data)
    return f"gs://{bucket}/set", tree(out)


def read_shards(proxy):
    return [
        one
        for one in proxy.seen("GET", "^/download/")
        if "-of-" in one.path.rpartition("%2F")[2] and ".json" not in one.path
    ]


def test_no_shard_is_read_where_the_checksums_agree(uploaded, proxy):
    folder, _ = uploaded
    proxy.forget()
    assert verify(folder).findings == []
    assert proxy.seen("GET", "^/download/") and read_shards(proxy) == []
    assert verify(folder, deep=True).findings == []
    assert len(read_shards(proxy)) >= 4


def test_a_damaged_object_is_named_by_its_record(uploaded, put):
    folder, files = uploaded
    name = "train-00001-of-00002"
    data = bytearray(files[name])
    data[100] ^= 1
    put(f"set/{name}", bytes(data))
    crc, record = verify(folder).findings
    assert (crc.file, record.file, record.record, record.offset_bytes) == (name, name, 0, 0)
    assert crc.what.startswith("has the crc32c") and record.what == "has damaged data"


def test_convert_does_not_take_a_damaged_object_for_a_shard_that_is_done(
    clean, uploaded, put, capsys
):
    folder, files = uploaded
    convert = ["convert", *clean.flags, f"--output_dir={folder}", *FLAGS]
    assert main(convert) == 0
    assert "complete already" in capsys.readouterr().err
    name = "train-00001-of-00002"
    put(f"set/{name}", bytes([files[name][0] ^ 1]) + files[name][1:])
    assert main(convert) == 0
    assert "resuming: 3 of 4 shards" in capsys.readouterr().err
    assert verify(folder).findings == []
