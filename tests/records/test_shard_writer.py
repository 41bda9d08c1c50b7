"""Writing one shard: exact bytes, and whole shards or nothing."""

import gzip
import hashlib
import os
import subprocess
import sys
import zlib
from typing import ClassVar

import google_crc32c
import pytest

from imagenet_beam.transforms.elements import Record, Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import framed
from imagenet_beam.transforms.records.receipts import receipt_to_json
from imagenet_beam.transforms.records.shard_writer import WRITE_BYTES, ShardTarget
from imagenet_beam.transforms.storage.files import Storage
from imagenet_beam.transforms.threads.ordered import OrderedPool

REJECT = Reject("a.tar", "x.JPEG", 512, "", "truncated", "it ends after 3 bytes")
FORMAT = "train-%(shard_num)05d-of-%(num_shards)05d"
NAME = "train-00001-of-00003"
PLAIN = b"".join(framed(b"first")) + b"".join(framed(b"second")) + b"".join(framed(b"third"))
KEYED = [(b"2", Record(b"second", "n1")), (b"1", Record(b"first")), (b"3", Record(b"third", "n1"))]


@pytest.fixture
def pool():
    pool = OrderedPool(lambda _: b"", lambda value, _: value, lambda _: 1, 2)
    yield pool
    pool.close()


def target(folder, **options):
    return ShardTarget(f"{folder}/{FORMAT}", 3, **options)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_records_are_sorted_by_key_and_framed(tmp_path, pool):
    shard = target(tmp_path, receipts_dir=f"{tmp_path}/receipts", plan="p")
    receipt = shard.write(1, [*KEYED, (b"0", REJECT)], pool.map)
    assert (tmp_path / NAME).read_bytes() == PLAIN
    assert receipt == ShardReceipt(
        NAME, 4, 3, len(PLAIN), google_crc32c.value(PLAIN), (("n1", 2),), (), (REJECT,), "p"
    )
    assert (tmp_path / "receipts" / f"{NAME}.json").read_bytes() == receipt_to_json(receipt)
    assert files(tmp_path) == [f"receipts/{NAME}.json", NAME]


def test_without_a_folder_for_receipts_there_are_none(tmp_path, pool):
    target(tmp_path).write(1, KEYED, pool.map)
    assert files(tmp_path) == [NAME]


def test_what_a_changed_file_became_is_not_published(tmp_path, pool):
    source = tmp_path / "train.tar"
    source.write_bytes(b"images")
    made_from = (Storage().stat(str(source)),)
    shard = target(tmp_path / "out", receipts_dir=f"{tmp_path}/out/receipts", made_from=made_from)
    shard.write(1, KEYED, pool.map)
    os.utime(source, ns=(0, 0))
    with pytest.raises(InputError, match=f"{source} was changed while it was being read"):
        shard.write(2, KEYED, pool.map)
    assert files(tmp_path / "out") == [f"receipts/{NAME}.json", NAME]


def test_gzip_is_the_same_each_time_and_has_no_clock(tmp_path, pool):
    for folder in ("a", "b"):
        target(tmp_path / folder, compression="gzip").write(1, KEYED, pool.map)
    data = (tmp_path / "a" / NAME).read_bytes()
    assert data == (tmp_path / "b" / NAME).read_bytes()
    assert data[:8] == b"\x1f\x8b\x08\x00" + bytes(4)
    assert gzip.decompress(data) == PLAIN


def test_zlib(tmp_path, pool):
    receipt = target(tmp_path, compression="zlib").write(1, KEYED, pool.map)
    data = (tmp_path / NAME).read_bytes()
    assert zlib.decompress(data) == PLAIN
    assert (receipt.size_bytes, receipt.crc32c) == (len(data), google_crc32c.value(data))


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_shards_larger_than_one_write(tmp_path, pool, compression):
    incompressible = b"".join(hashlib.sha512(b"%d" % n).digest() for n in range(8000))
    values = [(b"%02d" % n, Record(incompressible + b"%d" % n)) for n in range(8)]
    receipt = target(tmp_path, compression=compression).write(1, values, pool.map)
    data = (tmp_path / NAME).read_bytes()
    assert receipt.size_bytes == len(data) > 3 * WRITE_BYTES
    plain = gzip.decompress(data) if compression == "gzip" else data
    assert plain == b"".join(b"".join(framed(record.data)) for _, record in values)


def test_a_shard_of_rejects_is_a_mistake_and_publishes_nothing(tmp_path, pool):
    shard = target(tmp_path, receipts_dir=f"{tmp_path}/receipts")
    with pytest.raises(InputError) as error:
        shard.write(1, [(b"1", REJECT), (b"2", REJECT)], pool.map)
    assert str(error.value) == (
        f"{tmp_path}/{NAME} would be empty: each of its 2 images was rejected, the first, x.JPEG, "
        "as truncated (it ends after 3 bytes); repair the images or ask for fewer shards"
    )
    assert files(tmp_path) == []


def test_an_exception_in_the_middle_leaves_the_earlier_shard_and_nothing_else(tmp_path):
    def finish(value, _):
        if value == 700:
            raise RuntimeError("in the middle")
        return Record(bytes(10_000))

    (tmp_path / NAME).write_bytes(b"earlier")
    pool = OrderedPool(lambda _: b"", finish, lambda _: 1, 2)
    shard = target(tmp_path, receipts_dir=f"{tmp_path}/receipts")
    with pytest.raises(RuntimeError, match="in the middle"):
        shard.write(1, [(b"%04d" % value, value) for value in range(1000)], pool.map)
    pool.close()
    assert files(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"earlier"


class Watched(Storage):
    """Notes in which order files appear."""

    published: ClassVar[list[str]] = []

    def create(self, path):
        file = super().create(path)
        publish = file.publish

        def note():
            publish()
            self.published.append(path.rpartition("/")[2])

        file.publish = note
        return file


def test_the_receipt_comes_after_the_shard(tmp_path, pool):
    Watched.published.clear()
    target(tmp_path, storage=Watched(), receipts_dir=f"{tmp_path}/r").write(1, KEYED, pool.map)
    assert Watched.published == [NAME, f"{NAME}.json"]


def test_the_index_comes_between_shard_and_receipt(tmp_path, pool):
    Watched.published.clear()
    shard = target(tmp_path, storage=Watched(), receipts_dir=f"{tmp_path}/r", index=True)
    shard.write(1, [*KEYED, (b"0", REJECT)], pool.map)
    assert Watched.published == [NAME, f"{NAME}.idx", f"{NAME}.json"]
    assert (tmp_path / f"{NAME}.idx").read_text() == "0 21\n21 22\n43 21\n"


def test_a_receipt_that_cannot_be_written_fails_the_job(tmp_path, pool):
    (tmp_path / "r").write_bytes(b"a file, not a folder")
    with pytest.raises(InputError, match=r"/r/train-00001-of-00003\.json cannot be used"):
        target(tmp_path, receipts_dir=f"{tmp_path}/r").write(1, KEYED, pool.map)


def test_a_value_that_is_lost_is_noticed(tmp_path):
    def forgetful(values):
        yield from list(values)[1:]

    with pytest.raises(AssertionError, match="3 values went in, 2 came out"):
        target(tmp_path).write(1, KEYED, forgetful)
    assert files(tmp_path) == []


DISK_FULL = """
import resource, signal, sys
from imagenet_beam.transforms.threads.ordered import OrderedPool
from imagenet_beam.transforms.elements import Record
from imagenet_beam.transforms.records.shard_writer import ShardTarget
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
pool = OrderedPool(lambda _: b"", lambda value, _: Record(bytes(100_000)), lambda _: 1, 2)
values = [(b"%04d" % n, n) for n in range(int(sys.argv[2]))]
target = ShardTarget(sys.argv[1] + "/shard-%(shard_num)d", 1, receipts_dir=sys.argv[1])
target.write(0, values, pool.map)
"""


@pytest.mark.parametrize(
    ("records", "left"), [(500, []), (31, []), (20, ["shard-0", "shard-0.json"])]
)
def test_a_full_disk_leaves_a_whole_shard_or_nothing(tmp_path, records, left):
    command = [sys.executable, "-c", DISK_FULL, str(tmp_path), str(records)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert files(tmp_path) == left
    if not left:
        assert f"InputError: {tmp_path}/shard-0 cannot be written: File too large" in run.stderr
