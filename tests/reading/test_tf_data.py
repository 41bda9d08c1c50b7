"""A split as tf.data: cardinality, order, shards of workers, pixels, labels."""

import gzip
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from imagenet_beam import InputError, Records, as_tf_dataset
from imagenet_beam.transforms.records.example import serialize_example
from imagenet_beam.transforms.records.framing import framed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]
tf = pytest.importorskip("tensorflow")


def rows(dataset):
    return [(image, int(label)) for image, label in dataset.as_numpy_iterator()]


def files(dataset):
    """The images' files, which tell records apart."""
    return [image for image, _ in rows(dataset)]


def images_of(directory, split="train"):
    return [record["image"] for record in Records(directory, split)]


def test_elements_are_those_of_records_pixel_for_pixel(inception):
    dataset, records = as_tf_dataset(inception, "train"), Records(inception, "train")
    assert dataset.element_spec == (
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((), tf.int64),
    )
    assert dataset.cardinality().numpy() == len(records) == 48
    found = rows(dataset)
    assert len(found) == len(records)
    for (image, label), record in zip(found, records, strict=True):
        assert label == record["label"]
        assert np.array_equal(image, np.asarray(Image.open(io.BytesIO(record["image"]))))
    assert max(image.max() for image, _ in found) > 200  # 0 to 255, not 0 to 1


@pytest.mark.parametrize(
    "flags", [("--label_base=0",), ("--schema=tfds",), ("--schema=tpu",), ("--output_format=png",)]
)
def test_each_schema(made, flags):
    directory = made(*flags)
    for split in ("validation", "test"):
        found = rows(as_tf_dataset(directory, split))
        expected = [
            (np.asarray(Image.open(io.BytesIO(record["image"]))), record["label"])
            for record in Records(directory, split)
        ]
        assert [label for _, label in found] == [label for _, label in expected]
        assert ({-1} == {label for _, label in found}) == (split == "test")
        for (image, _), (pixels, _) in zip(found, expected, strict=True):
            assert np.array_equal(image, pixels)


def test_undecoded_images_are_the_files(inception):
    dataset = as_tf_dataset(inception, "validation", decode=False)
    assert dataset.element_spec[0] == tf.TensorSpec((), tf.string)
    assert files(dataset) == images_of(inception, "validation")


def test_one_channel(inception):
    dataset = as_tf_dataset(inception, "validation", channels=1)
    assert dataset.element_spec[0] == tf.TensorSpec((None, None, 1), tf.uint8)
    assert all(image.shape[2] == 1 for image, _ in rows(dataset))


def test_a_seed_gives_the_same_order_and_another_one_in_each_epoch(inception):
    def epochs(seed):
        dataset = as_tf_dataset(inception, "train", shuffle=True, seed=seed, decode=False)
        assert dataset.options().deterministic
        return files(dataset), files(dataset)

    first, second = epochs(7)
    assert epochs(7) == (first, second)
    assert len({tuple(order) for order in (first, second, *epochs(8))}) == 4
    assert sorted(first) == sorted(second) == sorted(images_of(inception))


def test_without_a_seed_every_record_comes_once(inception):
    dataset = as_tf_dataset(inception, "train", shuffle=True, decode=False)
    assert not dataset.options().deterministic
    found = files(dataset)
    assert Counter(found) == Counter(images_of(inception)) and found != images_of(inception)
    assert dataset.cardinality().numpy() == 48


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("shuffle", [False, True])
def test_workers_share_the_records(inception, workers, shuffle):
    found = []
    for worker in range(workers):
        dataset = as_tf_dataset(
            inception, "train", shuffle=shuffle, seed=3, shard=(worker, workers), decode=False
        )
        part = files(dataset)
        assert dataset.cardinality().numpy() == len(part) > 0
        found += part
    assert Counter(found) == Counter(images_of(inception))


def test_reading_and_decoding_are_autotuned(inception):
    dataset = as_tf_dataset(inception, "train", shuffle=True)
    seen, left = [], [dataset]
    while left:
        one = left.pop()
        seen.append((type(one).__name__, getattr(one, "_num_parallel_calls", None)))
        left += one._inputs()
    calls = {name: int(number) for name, number in seen if number is not None}
    assert calls == {"_ParallelMapDataset": -1, "_ParallelInterleaveDataset": -1}
    assert seen[1][0] == "_PrefetchDataset"


def test_sets_without_a_manifest(bare, gzipped, inception):
    expected = rows(as_tf_dataset(inception, "train", decode=False))
    assert rows(as_tf_dataset(gzipped, decode=False, label_base=1)) == expected
    for path in gzipped.iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert rows(as_tf_dataset(bare, decode=False, label_base=1)) == expected
    pattern = f"{bare}/train-*"
    assert rows(as_tf_dataset(pattern, decode=False, label_base=1)) == expected


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_worker_that_is_none_is_refused(inception, shard):
    with pytest.raises(InputError, match=r"^shard=\(.*\) is out of range; accepted is \(i, n\)"):
        as_tf_dataset(inception, "train", shard=shard)


def test_records_without_images_are_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(framed(serialize_example({"x": 1}))))
    with pytest.raises(InputError, match="has no images: no feature image/encoded and no image"):
        as_tf_dataset(str(path))
