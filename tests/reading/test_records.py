"""Records by their number: what they hold, whatever wrote them and wherever they lie."""

import io
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from imagenet_beam import InputError, Records
from imagenet_beam.transforms.records.example import parse_example, serialize_example
from imagenet_beam.transforms.records.framing import framed, read_records

ALWAYS = {"image", "label", "wnid", "text", "filename", "boxes"}
SIZED = ALWAYS | {"height", "width", "channels", "format", "colorspace"}


def write(path, *records):
    path.write_bytes(b"".join(b"".join(framed(serialize_example(r))) for r in records))
    return str(path)


@pytest.mark.parametrize(
    ("flags", "keys"),
    [
        ((), SIZED),
        (("--label_base=0",), SIZED),
        (("--schema=tpu",), SIZED),
        (("--schema=tfds",), ALWAYS),
        (("--output_layout=by_split",), SIZED),
        (("--label_order=ilsvrc2012_id",), SIZED),
        (("--output_format=png",), SIZED),
    ],
)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_each_schema_and_layout_gives_the_same_labels(made, source, flags, keys, split):
    records, expected = Records(made(*flags), split), source.expected
    truth = getattr(expected, split)
    order = [info.wnid for info in records.classes]
    assert sorted(order) == list(expected.wnids)
    assert (order == list(expected.wnids)) == ("--label_order=ilsvrc2012_id" not in flags)
    assert len(records) == len(truth)
    found = {}
    for record in records:
        assert set(record) == keys
        wnid = record["wnid"]
        found[record["filename"]] = wnid
        assert record["label"] == order.index(wnid)
        assert record["text"] == expected.words[wnid] == records.classes[record["label"]].text
        picture = Image.open(io.BytesIO(record["image"]))
        if "height" in keys:
            assert (record["width"], record["height"]) == picture.size
            assert (record["format"], record["colorspace"]) == (picture.format, picture.mode)
    assert found == truth


def test_test_images_have_no_label(made):
    for flags in ((), ("--label_base=0",), ("--schema=tfds",)):
        for record in Records(made(*flags), "test"):
            assert (record["label"], record["wnid"], record["text"]) == (-1, "", "")


def test_boxes(inception, source):
    found = {record["filename"]: record["boxes"] for record in Records(inception, "train")}
    assert {name for name, boxes in found.items() if boxes} == {
        name for name, boxes in source.expected.boxes.items() if boxes and name in found
    }
    for name, boxes in found.items():
        assert isinstance(boxes, tuple)
        expected = source.expected.boxes.get(name, ())
        assert boxes == tuple(tuple(map(float, np.float32(box))) for box in expected)


def test_the_order_is_that_of_the_shards(inception, examples):
    names = [example["image/filename"][0].decode() for example in examples(inception, "train")]
    records = Records(inception, "train")
    assert [record["filename"] for record in records] == names
    assert [parse_example(records.raw(i))["image/filename"][0].decode() for i in range(3)] == (
        names[:3]
    )


def test_indices_are_those_of_a_sequence(inception):
    records = Records(str(inception), "validation")
    last = records[len(records) - 1]
    assert records[-1] == records[np.int64(-1)] == last != records[0]
    assert records[-len(records)] == records[0]
    for index in (len(records), -len(records) - 1):
        with pytest.raises(IndexError):
            records[index]
    with pytest.raises(TypeError):
        records.__getitem__("0")  # type: ignore[index]
    assert records.__getitems__([3, 0, 3]) == [records[3], records[0], records[3]]
    assert repr(records) == f"Records({str(inception)!r}, 'validation': 16 records)"


def test_other_features_keep_their_names(tmp_path):
    path = write(
        tmp_path / "a.tfrecord",
        {"image": b"\xff\xd8", "label": 3, "brightness": 0.5, "tags": [b"a", b"b"], "ids": [1, 2]},
        {"image/encoded": [b"1", b"2"], "image/class/label": b"three", "image/height": 1.0},
        {"image/encoded": b"x" * 70_000, "extra": b"y" * 70_000},
    )
    records = Records(path)
    assert records[0] == {
        "image": b"\xff\xd8", "label": 3, "wnid": "", "text": "", "filename": "", "boxes": (),
        "brightness": (0.5,), "tags": (b"a", b"b"), "ids": (1, 2),
    }  # fmt: skip
    assert records[1] == {
        "image/encoded": (b"1", b"2"), "image/class/label": (b"three",), "image/height": (1.0,),
        "label": -1, "wnid": "", "text": "", "filename": "", "boxes": (),
    }  # fmt: skip
    assert (records[2]["image"], records[2]["extra"]) == (b"x" * 70_000, (b"y" * 70_000,))


def test_a_set_without_a_manifest(bare, inception):
    expected = list(Records(inception, "train"))
    wnids = sorted({record["wnid"] for record in expected})
    for records in (
        Records(bare, label_base=1),
        Records(bare, "train", label_base=1),
        Records(f"{bare}/train-*", label_base=1),
        Records(f"{bare}/*", "train", label_base=1),
    ):
        assert records.classes == ()
        assert list(records) == expected
    assert [record["label"] for record in Records(bare)] == [
        wnids.index(record["wnid"]) + 1 for record in expected
    ]
    assert list(Records(bare / "train-00001-of-00004", label_base=1)) == expected[12:24]
    assert len(Records(f"{bare}/train-0000[01]*")) == 24
    for number, path in enumerate(sorted(bare.iterdir())):
        path.rename(bare / f"train_{number}.tfrecord")
    assert list(Records(bare, "train", label_base=1)) == expected


def test_classes_csv_alone_tells_the_base(bare, inception):
    shutil.copy(inception / "classes.csv", bare)
    assert list(Records(bare)) == list(Records(inception, "train"))
    assert Records(bare).classes == Records(inception, "train").classes


def test_a_set_of_tensorflow_datasets_has_its_names(made, tmp_path):
    folder = made("--schema=tfds") / "imagenet2012" / "5.1.0"
    records = Records(folder, "validation")
    assert [record["wnid"] for record in records] == [
        record["wnid"] for record in Records(made("--schema=tfds"), "validation")
    ]


def test_what_cannot_be_told_is_said(bare, inception, tmp_path):
    def said(*args):
        with pytest.raises(InputError) as error:
            Records(*args)
        return str(error.value)

    assert said(inception) == (
        f"{inception} has several splits; accepted are test, train, validation"
    )
    assert said(inception, "val") == (
        f"{inception} has no split val; accepted are test, train, validation"
    )
    assert said(bare, "validation") == (
        f"{bare} has no manifest.json and no shards of validation (files named like "
        "train-00000-of-00004, or with the ending .tfrecord); it has those of train"
    )
    assert said(tmp_path / "none") == f"{tmp_path}/none does not exist"
    assert said(f"{bare}/x*") == f"no file is called like {bare}/x*"
    shutil.copy(bare / "train-00000-of-00004", bare / "train-00000-of-00001")
    assert said(bare) == (
        f"{bare} has several sets of shards, train-*-of-00001, train-*-of-00004; name one of them"
    )
    (bare / "train-00000-of-00001").unlink()
    (bare / "train-00002-of-00004").unlink()
    assert said(bare) == f"{bare}/train-00002-of-00004 is missing: the set has 4 shards"
    (bare / "manifest.json").write_text('{"classes": {"label_base": "1"}}')
    assert said(bare).startswith(f"{bare}/manifest.json is not a manifest of this program")


def test_another_shard_than_the_manifest_says_is_noticed(own):
    shutil.copy(own / "validation-00000-of-00002", own / "train-00001-of-00004")
    records = Records(own, "train")
    assert records[0]
    with pytest.raises(InputError) as error:
        records[12]
    assert str(error.value) == (
        f"{own}/train-00001-of-00004 has 8 records, and the manifest says 12"
    )


def test_gzip_shards_are_decompressed_once(gzipped, inception, tmp_path):
    expected = list(Records(inception, "train"))
    assert list(Records(gzipped, label_base=1)) == expected
    copies = list((tmp_path / "cache" / "decompressed").iterdir())
    assert sorted(path.name.partition("-")[2] for path in copies) == [
        f"train-0000{shard}-of-00004" for shard in range(4)
    ]
    before = [path.stat().st_ino for path in copies]
    assert list(Records(gzipped, label_base=1)) == expected
    assert [path.stat().st_ino for path in copies] == before
    elsewhere = Records(gzipped, label_base=1, cache_dir=str(tmp_path / "other"))
    assert list(elsewhere) == expected
    assert len(list((tmp_path / "other" / "decompressed").iterdir())) == 4


def test_a_gzip_shard_that_changes_is_decompressed_again(gzipped, tmp_path):
    first = list(Records(gzipped / "train-00000-of-00004.gz"))
    shutil.copy(gzipped / "train-00001-of-00004.gz", gzipped / "train-00000-of-00004.gz")
    again = list(Records(gzipped / "train-00000-of-00004.gz"))
    assert again == list(Records(gzipped / "train-00001-of-00004.gz")) != first


def test_a_damaged_gzip_shard_leaves_no_copy(gzipped, tmp_path):
    path = gzipped / "train-00002-of-00004.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"train-00002-of-00004\.gz"):
        Records(path)
    assert not list((tmp_path / "cache").rglob("*train*"))


def test_a_length_that_looks_like_gzip_is_a_length(tmp_path):
    data = serialize_example({"image": b"x" * 35_588})
    assert len(data).to_bytes(8, "little").startswith(b"\x1f\x8b")
    assert Records(write(tmp_path / "a.tfrecord", {"image": b"x" * 35_588}))[0]["image"]


def spoil(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "sentence"),
    [(300, "has damaged data"), (-1, "has damaged data"), (9, "has a damaged length")],
)
def test_both_checksums_on_request(own, offset, sentence):
    path = own / "train-00002-of-00004"
    with path.open("rb") as file:  # so that the length is not looked at while scanning
        sizes = [16 + len(data) for data in read_records(file, path.name)]
    starts = [sum(sizes[:number]) for number in range(12)]
    index = "".join(f"{start} {size}\n" for start, size in zip(starts, sizes, strict=True))
    path.with_name(f"{path.name}.idx").write_text(index)
    spoil(path, starts[5] + (offset if offset > 0 else sizes[5] + offset))
    unchecked, checked = Records(own, "train"), Records(own, "train", checksums=True)
    assert unchecked[24 + 5]["filename"] and checked[24 + 4] == unchecked[24 + 4]
    with pytest.raises(InputError) as error:
        checked[24 + 5]
    assert str(error.value) == f"{path}: the record at byte {starts[5]:,} {sentence}"


def test_a_record_that_is_no_example_is_named(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(framed(b"not an Example")))
    with pytest.raises(InputError, match=rf"^{path}: the record at byte 0 is no tf.train.Example"):
        Records(path)[0]


def test_the_index_of_another_shard_is_not_believed(own):
    expected = list(Records(own, "train"))
    other = own / "train-00001-of-00004"
    subprocess.run([sys.executable, "-m", "imagenet_beam", "index", own], check=True)
    (own / "train-00000-of-00004.idx").write_text((own / f"{other.name}.idx").read_text())
    assert list(Records(own, "train")) == expected


@pytest.mark.parametrize("size", [100, 50_000])
def test_an_index_that_only_looks_right_is_noticed(tmp_path, size):
    path = write(tmp_path / "a.tfrecord", {"image": b"x" * size}, {"image": b"x" * (size + 9)})
    total = os.path.getsize(path)
    half = total // 2
    (tmp_path / "a.tfrecord.idx").write_text(f"0 {half}\n{half} {total - half}\n")
    with pytest.raises(
        InputError, match=rf"^{path}: the record at byte 0 has another length than its index says$"
    ):
        Records(path)[0]


def test_one_read_a_record_and_none_of_a_copy(tmp_path):
    """What keeps it fast: docs/reading.md has the microseconds."""
    path = write(tmp_path / "a.tfrecord", {"image": b"x" * 9_000}, {"image": b"x" * 90_000})
    records = Records(path)
    assert len(records[0]["image"]) == 9_000
    shard, asked = records._open[0], []
    read = shard.read
    shard.read = lambda offset, length: asked.append(length) or read(offset, length)
    records[0]
    assert len(asked) == 1 and asked[0] < 9_100
    asked.clear()
    assert len(records[1]["image"]) == 90_000
    assert sorted(asked)[-1] == 90_000 and len(asked) == 3


def label_and_name(records, indices):
    return [(records[index]["label"], records[index]["filename"]) for index in indices]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_many_processes_read_at_once(inception, method):
    records = Records(inception, "train")
    expected = label_and_name(records, range(48))
    chunks = [list(range(start, 48, 3)) for start in range(3)]
    with multiprocessing.get_context(method).Pool(3) as pool:
        found = pool.starmap(label_and_name, [(records, chunk) for chunk in chunks])
    for chunk, part in zip(chunks, found, strict=True):
        assert part == [expected[index] for index in chunk]


def test_a_forked_child_reads_with_the_files_of_its_parent(inception):
    """Both at once through the same descriptors, which have no position to share."""
    records = Records(inception, "train")
    expected = label_and_name(records, range(48))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        right = all(label_and_name(records, range(48)) == expected for _ in range(20))
        os.write(writing, b"1" if right else b"0")
        os._exit(0)
    assert all(label_and_name(records, range(48)) == expected for _ in range(20))
    assert os.read(reading, 1) == b"1"
    os.waitpid(child, 0)


def test_threads_read_at_once(inception):
    records = Records(inception, "train")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: records[index % 48]["filename"], range(480)))
    assert found == [record["filename"] for record in Records(inception, "train")] * 10


def test_a_pickle_holds_names_not_records(inception):
    records = Records(inception, "train", checksums=True)
    before = len(pickle.dumps(records))
    expected = list(records)
    data = pickle.dumps(records)
    assert len(data) == before < 3000
    assert list(pickle.loads(data)) == expected  # noqa: S301


FEW_FILES = """
import resource, sys
from imagenet_beam import Records
resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
records = Records(sys.argv[1])
for _ in range(2):
    assert [record["label"] for record in records] == list(range(200))
"""


def test_more_shards_than_files_may_be_open(tmp_path):
    for number in range(200):
        write(tmp_path / f"a-{number:05d}-of-00200", {"image": b"", "label": number})
    run = subprocess.run([sys.executable, "-c", FEW_FILES, tmp_path], capture_output=True)
    assert run.returncode == 0, run.stderr.decode()


ALONE = """
import sys
for name in ("tensorflow", "apache_beam", "google.cloud.storage"):
    sys.modules[name] = None
import imagenet_beam
records = imagenet_beam.Records(sys.argv[1], "train")
assert len(records) == 48 and records[47]["image"]
try:
    imagenet_beam.as_tf_dataset(sys.argv[1], "train")
except ImportError as error:
    print(error)
"""


def test_neither_tensorflow_nor_beam_is_needed(inception):
    run = subprocess.run([sys.executable, "-c", ALONE, inception], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        "as_tf_dataset needs TensorFlow, which is not installed: install it, or take "
        "imagenet_beam.Records, which does without\n"
    )


def test_a_set_that_was_replaced_is_read_as_it_is_now(own, made):
    before = Records(own, "train")[0]
    other = made("--label_base=0", "--shuffle_seed=7")
    shutil.rmtree(own)
    shutil.copytree(other, own)
    now, expected = Records(own, "train")[0], Records(other, "train")[0]
    assert now == expected
    assert now["filename"] != before["filename"]


def test_an_unfinished_conversion_is_told_from_a_set(own):
    (own / "manifest.json").unlink()
    (own / ".train-00001-of-00004.0123.imagenet-beam-tmp").touch()
    with pytest.raises(InputError, match=r"is an unfinished conversion.*which resumes"):
        Records(own, "train")
    shutil.move(own / ".imagenet-beam/plan.json", own / ".imagenet-beam/no.json")
    assert len(Records(own, "train")) == len(Records(own, "validation")) * 3
