"""`WriteToTFRecord` in somebody's own pipeline: what it takes, and what it says otherwise."""

import threading

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam import WriteToTFRecord
from imagenet_beam.transforms.elements import Record
from imagenet_beam.transforms.encode_images import RecordEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import read_records
from imagenet_beam.transforms.records.shard_writer import WRITE_BYTES, ShardTarget
from imagenet_beam.transforms.records.shards import ShardLayout
from imagenet_beam.transforms.storage.local_write import LocalAtomicFile
from imagenet_beam.transforms.write_shards import _WriteShardFn


def write(prefix, elements, num_shards, windows=None):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        elements = pipeline | beam.Create(elements)
        if windows is not None:
            elements = elements | beam.WindowInto(windows)
        elements | WriteToTFRecord(str(prefix), num_shards=num_shards)


def read(folder):
    found = {}
    for path in sorted(folder.glob("out-*")):
        with path.open("rb") as file:
            found[path.name] = sorted(read_records(file, path.name))
    return found


def test_plain_and_named_elements_are_written(tmp_path):
    write(tmp_path / "out", [b"a", b"b"], 1)
    assert read(tmp_path) == {"out-00000-of-00001": [b"a", b"b"]}
    write(tmp_path / "out", [(str(number), b"same") for number in range(4)], 2)
    assert read(tmp_path)["out-00001-of-00002"] == [b"same", b"same"]


@pytest.mark.parametrize(
    ("elements", "num_shards", "sentence"),
    [
        ([b"same"] * 10, 2, r"because many of the 10 records are equal .* unique names"),
        ([b"a", b"b"], 3, r"2 records are too few for 3 shards of .*: some would be empty"),
        ([("n", b"a"), ("n", b"b")], 1, r"two records are called n: names must be unique"),
        ([("a", "text")], 1, r"takes \(name, value\) pairs with bytes .* neither: \('a', 'text'\)"),
        ([7], 1, r"elements of its coder, BytesCoder; this is neither: 7"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(elements, num_shards, sentence, tmp_path):
    with pytest.raises(Exception, match=sentence):  # runners wrap what a step raises
        write(tmp_path / "out", elements, num_shards)
    assert not list(tmp_path.glob("out-*"))


def test_windows_are_refused_when_the_pipeline_is_built(tmp_path):
    with pytest.raises(ValueError, match="writes each shard once, and FixedWindows would divide"):
        write(tmp_path / "out", [b"a"], 1, beam.window.FixedWindows(10))


class Gated(RecordEncoder[str]):
    """Holds the value `last` back until `next` is loaded; fails at `bad`."""

    def __init__(self) -> None:
        self.next_begun = threading.Event()

    def load(self, value: str) -> bytes:
        if value == "next":
            self.next_begun.set()
        return value.encode()

    def finish(self, value: str, data: bytes) -> Record:
        assert value != "last" or self.next_begun.wait(20)
        if value == "bad":
            raise KeyError("a defect")
        return Record(data)


def shard_of(*values: str) -> list[tuple[bytes, str]]:
    return [(b"%016d" % number, value) for number, value in enumerate(values)]


def process(fn, group):
    return fn.process(group, ShardLayout(3, (), (), ()))


@pytest.fixture
def writer(tmp_path):
    target = ShardTarget(f"{tmp_path}/x-%(shard_num)d", 3, receipts_dir=f"{tmp_path}/receipts")
    fn = _WriteShardFn(target, Gated(), 2, 0)
    fn.setup()
    fn.start_bundle()
    yield fn
    fn.teardown()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_next_shard_is_begun_before_the_last_one_is_published(tmp_path, threads):
    encoder = Gated()
    fn = _WriteShardFn(ShardTarget(f"{tmp_path}/out-%(shard_num)d", 3), encoder, threads, 0)
    fn.setup()
    fn.start_bundle()
    if threads == 1:  # of one thread, the next values wait for the last one, not for the disk
        encoder.next_begun.set()
    receipts = list(process(fn, (0, shard_of("a", "last"))))
    assert receipts == [], "nobody waits for the first shard yet"
    receipts += process(fn, (1, shard_of("next", "b")))
    receipts += process(fn, (2, shard_of("c")))
    receipts += [found.value for found in fn.finish_bundle()]
    fn.teardown()
    assert [receipt.name for receipt in receipts] == ["out-0", "out-1", "out-2"]
    assert read(tmp_path) == {"out-0": [b"a", b"last"], "out-1": [b"b", b"next"], "out-2": [b"c"]}


class Traced(RecordEncoder[str]):
    """Notes the threads that encode."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def finish(self, value: str, data: bytes) -> Record:
        self.threads.append(threading.get_ident())
        return Record(value.encode())


def test_short_values_are_encoded_here_while_shards_go_to_the_disk(tmp_path, monkeypatch):
    third_filled = threading.Event()
    publish, published_in = LocalAtomicFile.publish, []

    def publish_late(file):
        assert third_filled.wait(20), "the caller waits for the disk"
        published_in.append(threading.get_ident())
        publish(file)

    encoder, here = Traced(), threading.get_ident()
    fn = _WriteShardFn(ShardTarget(f"{tmp_path}/out-%(shard_num)d", 3), encoder, 2, 0)
    fn.setup()
    fn._pool._short_seconds = float("inf")
    fn.start_bundle()
    receipts = list(process(fn, (0, shard_of("a"))))
    receipts += [found.value for found in fn.finish_bundle()]
    assert encoder.threads != [here], "nothing is known of the values yet"
    monkeypatch.setattr(LocalAtomicFile, "publish", publish_late)
    fn.start_bundle()
    for shard, value in ((1, "b"), (2, "c"), (3, "d")):
        receipts += process(fn, (shard, shard_of(value)))
    assert encoder.threads[1:] == [here] * 3
    third_filled.set()
    receipts += [found.value for found in fn.finish_bundle()]
    fn.teardown()
    assert here not in published_in
    assert [receipt.name for receipt in receipts] == ["out-0", "out-1", "out-2", "out-3"]
    assert read(tmp_path) == {f"out-{shard}": [b"abcd"[shard : shard + 1]] for shard in range(4)}


def test_a_failed_bundle_leaves_whole_shards_with_receipts_and_nothing_else(writer, tmp_path):
    assert list(process(writer, (0, shard_of("a")))) == []
    with pytest.raises(KeyError, match="a defect"):
        list(process(writer, (1, shard_of("b", "bad"))))
        list(process(writer, (2, shard_of("c"))))
        list(writer.finish_bundle())
    found = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert found - {"x-2", "x-2.json"} == {"x-0", "x-0.json"}
    assert {"x-2", "x-2.json"} & found in ({"x-2", "x-2.json"}, set())
    writer.start_bundle()
    assert list(process(writer, (1, shard_of("d")))) == []
    assert [found.value.name for found in writer.finish_bundle()] == ["x-1"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_shard_that_cannot_be_written_does_not_hold_up_the_next(tmp_path, monkeypatch, threads):
    encoder = Gated()
    encoder.next_begun.set()
    fn = _WriteShardFn(ShardTarget(f"{tmp_path}/out-%(shard_num)d", 2), encoder, threads, 0)
    fn.setup()
    fn.start_bundle()
    write = LocalAtomicFile.write

    def disk_full_at_first(file, data):
        if file._path.name == "out-0":
            raise InputError("out-0 cannot be written: no space left")
        write(file, data)

    monkeypatch.setattr(LocalAtomicFile, "write", disk_full_at_first)
    large = "x" * (WRITE_BYTES + 1)  # written before the values behind it are asked for
    with pytest.raises(InputError, match="no space left"):
        list(process(fn, (0, shard_of(*[large] * 100))))
        list(process(fn, (1, shard_of("next"))))
        list(fn.finish_bundle())
    fn.teardown()
    assert read(tmp_path) == {"out-1": [b"next"]}
