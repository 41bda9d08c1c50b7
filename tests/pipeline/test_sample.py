"""Real photographs in ImageNet's shape: 100 classes, 400 training and 200 validation images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "ilsvrc_sample"
pytestmark = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="the sample of real photographs is not beside the project"
)
# Run in a process of its own: importing TensorFlow takes ten seconds and 500 MB.
READ_WITH_TENSORFLOW = """
import glob, json, sys
import tensorflow as tf

features = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/filename": tf.io.FixedLenFeature([], tf.string),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    "image/class/synset": tf.io.FixedLenFeature([], tf.string),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    "image/channels": tf.io.FixedLenFeature([], tf.int64),
    "image/object/bbox/xmin": tf.io.VarLenFeature(tf.float32),
    "image/object/class/label": tf.io.VarLenFeature(tf.int64),
}
seen = {}
for data in tf.data.TFRecordDataset(sorted(glob.glob(sys.argv[1] + "/*-of-*"))):
    example = tf.io.parse_single_example(data, features)
    shape = tf.io.decode_jpeg(example["image/encoded"]).shape
    sides = ("height", "width", "channels")
    assert list(shape) == [int(example[f"image/{side}"]) for side in sides]
    name = example["image/filename"].numpy().decode()
    seen[name] = [example["image/class/synset"].numpy().decode(), int(example["image/class/label"])]
json.dump(seen, sys.stdout)
"""


@pytest.fixture(scope="module")
def converted(convert, tmp_path_factory):
    out = tmp_path_factory.mktemp("sample") / "out"
    finished = convert(
        f"--train_archive={SAMPLE / 'ILSVRC2012_img_train.tar'}",
        f"--validation_archive={SAMPLE / 'ILSVRC2012_img_val.tar'}",
        f"--devkit={SAMPLE / 'ILSVRC2012_devkit_t12.tar.gz'}",
        f"--output_dir={out}",
        "--train_shards=8",
        "--validation_shards=4",
        "--resize=shorter:64",
    )
    assert finished.status == 0, finished.message
    return out


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """By file name: the wnid."""
    splits = json.loads((SAMPLE / "expected_wnids.json").read_bytes())
    return {**splits["train"], **splits["validation"]}


def test_every_record_has_its_class(converted, expected, examples):
    found = {
        record["image/filename"][0].decode(): record["image/class/synset"][0].decode()
        for split in ("train", "validation")
        for record in examples(converted, split)
    }
    assert len(found) == 600
    assert found == expected


@pytest.mark.slow
def test_tensorflow_reads_every_record(converted, expected):
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_TENSORFLOW, str(converted)],
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    seen = json.loads(done.stdout)
    wnids = sorted({wnid for wnid, _ in seen.values()})
    assert len(seen) == 600 and len(wnids) == 100
    for name, (wnid, label) in seen.items():
        assert (wnid, label) == (expected[name], 1 + wnids.index(wnid))
