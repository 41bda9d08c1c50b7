"""Records and their index in gs://: how many requests, forks, batches, and changes meanwhile."""

import multiprocessing

import pytest

from imagenet_beam import InputError, Records
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.records.example import serialize_example
from imagenet_beam.transforms.records.framing import framed

DOWNLOAD = "^/download/"
SHARDS, EACH = 3, 20


def shard(number):
    records = (
        {
            "image/encoded": bytes([number, item]) * 20_000,
            "image/class/label": 1 + item % 3,
            "image/filename": f"{number}-{item}.JPEG",
        }
        for item in range(EACH)
    )
    return b"".join(b"".join(framed(serialize_example(record))) for record in records)


@pytest.fixture
def folder(put, bucket):
    for number in range(SHARDS):
        put(f"set/train-0000{number}-of-0000{SHARDS}", shard(number))
    return f"gs://{bucket}/set"


def names(records, indices):
    return [records[index]["filename"] for index in indices]


EXPECTED = [f"{number}-{item}.JPEG" for number in range(SHARDS) for item in range(EACH)]


def test_each_record_and_label(folder):
    records = Records(folder, "train", label_base=1)
    assert len(records) == SHARDS * EACH
    assert names(records, range(len(records))) == EXPECTED
    assert [record["label"] for record in records] == [item % 3 for item in range(EACH)] * SHARDS
    assert list(Records(folder, checksums=True, label_base=1)) == list(records)


def test_with_an_index_a_record_is_one_request(folder, proxy):
    assert main(["index", folder]) == 0
    records = Records(folder)
    before = len(proxy.seen("GET", DOWNLOAD))
    assert records[0]["image"] == bytes(40_000)
    records[1], records[19]
    assert len(proxy.seen("GET", DOWNLOAD)) == before + 3
    found = records.__getitems__(list(range(0, 60, 2)))
    assert [record["filename"] for record in found] == EXPECTED[::2]
    assert len(proxy.seen("GET", DOWNLOAD)) == before + 33


def test_an_index_may_lie_elsewhere(folder, tmp_path):
    assert main(["index", f"{folder}/train-*", f"--index_dir={tmp_path}"]) == 0
    assert len(list(tmp_path.glob("*.idx"))) == SHARDS
    assert names(Records(folder, index_dir=str(tmp_path)), (0, 59)) == [EXPECTED[0], EXPECTED[59]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_have_connections_of_their_own(folder, method):
    records = Records(folder)
    names(records, range(5))  # the parent's connections are open
    with multiprocessing.get_context(method).Pool(3) as pool:
        found = pool.starmap(names, [(records, range(start, 60, 3)) for start in range(3)] * 2)
    assert found == [EXPECTED[start::3] for start in range(3)] * 2


def test_a_shard_that_is_replaced_meanwhile_is_not_mixed(folder, put, generations):
    records = Records(folder)
    names(records, range(1))
    put(f"set/train-00000-of-0000{SHARDS}", shard(7))
    with pytest.raises(InputError, match="was replaced during the job"):
        names(records, range(1, 2))
