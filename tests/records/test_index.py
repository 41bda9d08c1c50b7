"""Index files: where the records of a shard begin."""

from array import array

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import framed
from imagenet_beam.transforms.records.index import (
    format_index,
    index_path,
    parse_index,
    scan_offsets,
)
from imagenet_beam.transforms.storage.files import Storage

RECORDS = [b"one", b"", b"three" * 5000]
DATA = b"".join(b"".join(framed(record)) for record in RECORDS)
OFFSETS = [0, 19, 35, 25051]
TEXT = b"0 19\n19 16\n35 25016\n"


def scan(tmp_path, data):
    path = tmp_path / "shard"
    path.write_bytes(data)
    return scan_offsets(Storage().open_ranges(str(path)))


def test_known_answer(tmp_path):
    assert list(scan(tmp_path, DATA)) == OFFSETS
    assert format_index(array("Q", OFFSETS)) == TEXT
    assert list(parse_index(TEXT, len(DATA))) == OFFSETS


def test_an_empty_file_has_no_records(tmp_path):
    assert list(scan(tmp_path, b"")) == [0]
    assert format_index(array("Q", [0])) == b""
    assert list(parse_index(b"", 0)) == [0]


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        (DATA[:-1], "the record at byte 35 is cut short"),
        (DATA + b"1234", "the record at byte 25,051 is cut short"),
        (DATA[:19] + b"\1" + DATA[20:], "the record at byte 19 has a damaged length"),
        (b"no TFRecords at all", "the record at byte 0 has a damaged length"),
    ],
)
def test_damage_is_named(tmp_path, spoilt, sentence):
    with pytest.raises(InputError) as error:
        scan(tmp_path, spoilt)
    assert str(error.value) == f"{tmp_path}/shard: {sentence}"


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        (TEXT, len(DATA) + 1),
        (TEXT[:-1], len(DATA) - 1),
        (b"", len(DATA)),
        (b"0 19\n19 16\n", len(DATA)),
        (b"5 14\n19 16\n35 25016\n", len(DATA)),
        (b"0 18\n19 16\n35 25016\n", len(DATA)),
        (b"0 19\n19\n", 35),
        (b"0 -19\n", 0),
        (b"\xff\xfe", len(DATA)),
        (b"0 99999999999999999999\n", 5),
    ],
)
def test_what_is_not_the_index_of_this_file_is_none(text, size_bytes):
    assert parse_index(text, size_bytes) is None


def test_its_name():
    assert index_path("a/b/train-00000-of-00004") == "a/b/train-00000-of-00004.idx"
    assert index_path("gs://b/train-00000-of-00004", "gs://c/idx") == (
        "gs://c/idx/train-00000-of-00004.idx"
    )


def test_only_headers_are_read_of_a_local_file(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(DATA)
    reader, asked = Storage().open_ranges(str(path)), []

    class Watched:
        name, size_bytes = reader.name, reader.size_bytes

        def read(self, offset, length):
            asked.append((offset, length))
            return reader.read(offset, length)

    scan_offsets(Watched())
    assert asked == [(0, 12), (19, 12), (35, 12)]
