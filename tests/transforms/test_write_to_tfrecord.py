"""`WriteToTFRecord` in somebody's own pipeline: what it takes, and what it says otherwise."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam import WriteToTFRecord
from imagenet_beam.transforms.records.framing import read_records


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
