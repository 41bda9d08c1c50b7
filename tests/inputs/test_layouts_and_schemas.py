"""Where the shards lie, and the keys of their records."""

import json

import pytest

SHARDS = ["--train_shards=3", "--validation_shards=2"]


def test_a_folder_for_each_split(official, convert, shards, tree, tmp_path):
    output = tmp_path / "out"
    flags = [*official.flags, *SHARDS, "--resize=none", "--output_layout=by_split"]
    done = convert(*flags, f"--output_dir={output}")
    assert done.status == 0, done.message
    written = {name: data for name, data in tree(output).items() if "-of-" in name}
    expected = {
        f"{name.partition('-')[0]}/{name}": data
        for name, data in shards.items()
        if not name.startswith("test")
    }
    assert {name: data for name, data in written.items() if name[0] != "."} == expected
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["splits"]["train"]["shards"][0]["name"] == "train/train-00000-of-00003"
    again = convert(*flags, f"--output_dir={output}")
    assert "is complete already" in again.message
    (output / "train" / "train-00001-of-00003").unlink()
    assert convert(*flags, f"--output_dir={output}").status == 0
    assert {n: d for n, d in tree(output).items() if "-of-" in n and n[0] != "."} == expected


def test_the_keys_of_the_tpu_scripts(official, convert, examples, tmp_path):
    output = tmp_path / "out"
    done = convert(*official.flags, *SHARDS, "--schema=tpu", f"--output_dir={output}")
    assert done.status == 0, done.message
    wnids = official.expected.wnids
    for record in examples(output, "train"):
        assert set(record) == {
            "image/height", "image/width", "image/colorspace", "image/channels",
            "image/class/label", "image/class/synset", "image/format", "image/filename",
            "image/encoded",
        }  # fmt: skip
        wnid = official.expected.train[record["image/filename"][0].decode()]
        assert record["image/class/label"] == [wnids.index(wnid) + 1]


@pytest.mark.slow
def test_tensorflow_datasets_reads_the_folder(official, convert, pictures, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    output = tmp_path / "out"
    test = official.train.with_name("ILSVRC2012_img_test_v10102019.tar")
    done = convert(
        *official.flags,
        f"--test_archive={test}",
        *SHARDS,
        "--test_shards=1",
        "--schema=tfds",
        "--resize=none",
        f"--output_dir={output}",
    )
    assert done.status == 0, done.message
    folder = output / "imagenet2012" / "5.1.0"
    assert (folder / "imagenet2012-train.tfrecord-00000-of-00003").exists()
    builder = tfds.builder_from_directory(str(folder))
    assert builder.info.name == "imagenet2012"
    assert {name: s.num_examples for name, s in builder.info.splits.items()} == {
        "train": 16,
        "validation": 8,
        "test": 4,
    }
    manifest = json.loads((output / "manifest.json").read_text())
    for name, split in builder.info.splits.items():
        written = manifest["splits"][name]["shards"]
        assert split.shard_lengths == [shard["records"] for shard in written]
    wnids = list(official.expected.wnids)
    assert builder.info.features["label"].names == wnids
    expected = {
        "train": {n: wnids.index(w) for n, w in official.expected.train.items()},
        "validation": {n: wnids.index(w) for n, w in official.expected.validation.items()},
        "test": dict.fromkeys(pictures.test, -1),
    }
    for split, labels in expected.items():
        found = list(builder.as_dataset(split=split).as_numpy_iterator())
        assert {row["file_name"].decode(): int(row["label"]) for row in found} == labels
        assert all(row["image"].shape == found[0]["image"].shape for row in found[:1])
        assert all(row["image"].ndim == 3 and row["image"].shape[2] == 3 for row in found)


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--label_base=1", "has labels from 0; give --label_base=0 or leave it out"),
        ("--output_layout=by_split", "give --output_layout=flat"),
        ("--bounding_boxes=x", "has no keys for --bounding_boxes"),
    ],
)
def test_what_tfds_cannot_take_is_refused(flag, sentence, official, refused):
    assert sentence in refused(*official.flags, "--schema=tfds", flag)


def test_the_keys_of_the_tpu_scripts_take_no_boxes(official, refused):
    said = refused(*official.flags, "--schema=tpu", "--bounding_boxes=x")
    assert "--schema=tpu has no keys for --bounding_boxes; leave one of them out" in said
