"""`tf.train.Example` without TensorFlow: equal bytes, readable by tf.data."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.records.example import Floats, Ints, parse_example, serialize_example
from imagenet_beam.transforms.records.framing import framed

# Made by TensorFlow 2.21.0:
#   F, T = tf.train.Feature, tf.train
#   feature = {"b": F(bytes_list=T.BytesList(value=[b"\x00\xff"])),
#              "i": F(int64_list=T.Int64List(value=[-1, 300])),
#              "f": F(float_list=T.FloatList(value=[0.5])),
#              "e": F(float_list=T.FloatList())}
#   T.Example(features=T.Features(feature=feature)).SerializeToString(deterministic=True).hex()
GOLDEN = bytes.fromhex(
    "0a3c0a0b0a016212060a040a0200ff0a070a0165120212000a0d0a0166120812060a040000003f"
    "0a150a016912101a0e0a0cffffffffffffffffff01ac02"
)


def test_bytes_equal_those_of_tensorflow():
    features = {"i": (-1, 300), "b": b"\x00\xff", "f": 0.5, "e": Floats()}
    assert serialize_example(features) == GOLDEN
    assert parse_example(GOLDEN) == {"b": [b"\x00\xff"], "e": [], "f": [0.5], "i": [-1, 300]}


KINDS = {
    "bytes": b"\xff\xd8",
    "no bytes": b"",
    "text": "tench, Tinca tinca",
    "foreign/狗é": "Müller 狗 \N{GRINNING FACE}",
    "minus one": -1,
    "zero": 0,
    "largest": 2**63 - 1,
    "least": -(2**63),
    "true": True,
    "float": 0.1,
    "tiny": 1e-45,
    "huge": 3.4028234e38,
    "ints": (3, 1, 2),
    "floats": (0.25, -0.0, 1.0),
    "mixed floats": (0.5, 2),
    "texts": ("a", "狗"),
    "many bytes": [b"a", b""],
    "no ints": Ints(),
    "no floats": Floats(),
    "nothing": (),
    "some ints": Ints([7]),
    "int as float": Floats([7]),
}
EXPECTED_KINDS = {
    "int64": ["minus one", "zero", "largest", "least", "true", "ints", "no ints", "some ints"],
    "float": ["float", "tiny", "huge", "floats", "mixed floats", "no floats", "int as float"],
}

TENSORFLOW = """
import json, sys
import tensorflow as tf
path, kinds = sys.argv[1], json.load(sys.stdin)
[record] = [record.numpy() for record in tf.data.TFRecordDataset(path)]
example = tf.train.Example.FromString(record)
assert example.SerializeToString(deterministic=True) == record, "other bytes"
rebuilt = tf.train.Example()
for name, feature in reversed(list(example.features.feature.items())):
    rebuilt.features.feature[name].CopyFrom(feature)
assert rebuilt.SerializeToString(deterministic=True) == record, "other bytes when built anew"
types = {"int64": tf.int64, "float": tf.float32, "bytes": tf.string}
parsed = tf.io.parse_single_example(
    record, {name: tf.io.VarLenFeature(types[kind]) for name, kind in kinds.items()})
def plain(value):
    return value.decode("latin1") if isinstance(value, bytes) else value
print(json.dumps({name: [plain(v) for v in value.values.numpy().tolist()]
                  for name, value in parsed.items()}))
"""


@pytest.mark.skipif(not find_spec("tensorflow"), reason="no TensorFlow")
def test_tensorflow_reads_every_kind_of_value_and_would_write_the_same_bytes(tmp_path):
    data = serialize_example(KINDS)
    (tmp_path / "x").write_bytes(b"".join(framed(data)))
    kinds = {
        name: next((kind for kind, names in EXPECTED_KINDS.items() if name in names), "bytes")
        for name in KINDS
    }
    command = [sys.executable, "-c", TENSORFLOW, str(tmp_path / "x")]
    run = subprocess.run(command, input=json.dumps(kinds), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    here = {
        name: [v.decode("latin1") if isinstance(v, bytes) else v for v in values]
        for name, values in parse_example(data).items()
    }
    there = json.loads(run.stdout)
    assert there == here
    assert there["largest"] == [2**63 - 1]
    assert there["minus one"] == [-1]
    assert there["no ints"] == there["no floats"] == there["nothing"] == []
    assert there["foreign/狗é"][0].encode("latin1").decode() == "Müller 狗 \N{GRINNING FACE}"
    assert there["mixed floats"] == [0.5, 2.0]


FLOAT32 = st.floats(width=32, allow_nan=False)
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    st.binary(),
    INT64,
    FLOAT32,
    st.lists(st.binary()).map(tuple),
    st.lists(INT64).map(Ints),
    st.lists(FLOAT32).map(Floats),
)


@given(st.dictionaries(st.text(), VALUES), st.randoms())
def test_what_is_written_is_read_back_and_order_does_not_matter(features, random):
    expected = {
        name: list(value) if isinstance(value, tuple) else [value]
        for name, value in features.items()
    }
    data = serialize_example(features)
    assert parse_example(data) == expected
    shuffled = list(features.items())
    random.shuffle(shuffled)
    assert serialize_example(dict(shuffled)) == data


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "the feature 'x' cannot be stored: no feature can hold a NoneType"),
        ({"a": 1}, TypeError, "no feature can hold a dict"),
        ((1, 2.5), TypeError, "'x' cannot be stored: a list of float and int; accepted are lists"),
        ([b"a", 1], TypeError, "a list of bytes and int"),
        (np.zeros((2, 3)), TypeError, "an array of 2 dimensions; flatten it"),
        (2**63, ValueError, None),
    ],
)
def test_what_no_feature_can_hold_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        serialize_example({"x": value})


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(-3), -3),
        (np.uint8(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.bool_(True), 1),
        (np.str_("a"), "a"),
        (np.array(7), 7),
        (np.arange(3), (0, 1, 2)),
        (np.array([0.5, 2], np.float32), (0.5, 2.0)),
        ([np.float32(0.5), 2], (0.5, 2.0)),
        ((np.int32(1), np.int64(2)), (1, 2)),
        (np.array([b"a", b"bc"]), (b"a", b"bc")),
        (np.array([], np.float32), Floats()),
        (np.array([], np.int8), Ints()),
    ],
    ids=repr,
)
def test_numpy_holds_what_python_holds(value, plain):
    assert serialize_example({"x": value}) == serialize_example({"x": plain})


def test_no_name_clashes_with_the_messages_of_tensorflow():
    from google.protobuf import descriptor_pool

    serialize_example({})
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("imagenet_beam.Example")


@pytest.mark.parametrize("kind", [Floats, Ints])
def test_lists_of_numpy_scalars_that_cannot_be_hashed(kind):
    value = np.array(3.0 if kind is Floats else 3)
    plain = serialize_example({"x": kind([value.item()])})
    assert serialize_example({"x": kind([value])}) == plain


def test_equal_values_of_other_kinds_stay_apart():
    for first, second in ((1, True), (Floats(), Ints()), (1, 1.0)):
        apart = [serialize_example({"x": value}) for value in (first, second, first, second)]
        assert apart[:2] == apart[2:]
        assert (apart[0] == apart[1]) is (second is True)
