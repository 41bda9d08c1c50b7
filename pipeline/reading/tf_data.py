"""A split as a `tf.data.Dataset`; the one module that imports TensorFlow, when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagenet_beam.pipeline.reading.records import Records
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.example import parse_example
from imagenet_beam.transforms.storage.files import Storage, read_ahead_bytes

if TYPE_CHECKING:
    import tensorflow as tf

_KEYS = (("image/encoded", "image/class/label"), ("image", "label"))
_INTERLEAVED = 16  # shards read at once for a shuffle
_SHUFFLE_RECORDS = 2048  # the shards themselves are shuffled over the whole set
_READ_BYTES = 1 << 20


def as_tf_dataset(
    directory: str,
    split: str = "",
    *,
    shuffle: bool = False,
    seed: int | None = None,
    shard: tuple[int, int] = (0, 1),
    decode: bool = True,
    channels: int = 3,
    storage: Storage | None = None,
    label_base: int | None = None,
    cache_dir: str = "",
) -> tf.data.Dataset:
    """The records of a split as a `tf.data.Dataset` of known cardinality.

    An element is (image, label): the image as uint8 of the shape [height, width, channels],
    each value from 0 to 255, height and width unknown to the graph; the label as a scalar
    int64 that counts from 0, -1 without. Reading and decoding run in parallel, as many calls
    at once as TensorFlow finds best.

    Args:
        directory: As for `Records`.
        split: As for `Records`.
        shuffle: Whether shards and records come in another order in each epoch. Without, the
            order is that of `Records`.
        seed: Makes a shuffled order the same in every run; None is faster.
        shard: (i, n): what the worker i of n reads. Each record is read by one of them: whole
            shards where there are n, so that workers may have a few records more or less; else
            every n-th record.
        decode: Whether images are decoded; without, they are scalar strings: the files' bytes.
        channels: 3, or 1 for gray images; 0 takes what each file has.
        storage: How to reach files before TensorFlow does.
        label_base: As for `Records`.
        cache_dir: As for `Records`.

    Raises:
        InputError: If there are no such records.
        ImportError: Where TensorFlow is not installed.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "as_tf_dataset needs TensorFlow, which is not installed: install it, or take "
            "imagenet_beam.Records, which does without"
        ) from error

    worker, workers = shard
    if not 0 <= worker < workers:
        raise InputError(f"shard={shard} is out of range; accepted is (i, n) with 0 <= i < n")
    records = Records(directory, split, storage=storage, label_base=label_base, cache_dir=cache_dir)
    image_key, label_key = _keys(records)
    by_file = workers <= len(records.paths)
    taken = slice(worker, None, workers) if by_file else slice(None)
    paths, count = records.paths[taken], sum(records.shard_lengths[taken])
    dataset = _read(tf, paths, shuffle, seed)
    if not by_file:
        dataset, count = dataset.shard(workers, worker), len(range(worker, count, workers))
    if shuffle:
        dataset = dataset.shuffle(_SHUFFLE_RECORDS, seed)

    def parse(data: Any) -> Any:
        features = {
            image_key: tf.io.FixedLenFeature([], tf.string),
            label_key: tf.io.FixedLenFeature([], tf.int64, -1),
        }
        example = tf.io.parse_single_example(data, features)
        image = example[image_key]
        if decode:  # of PNG too; the accurate method gives the pixels that Pillow gives
            image = tf.io.decode_jpeg(image, channels, dct_method="INTEGER_ACCURATE")
        return image, tf.maximum(example[label_key] - records.label_base, -1)

    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    options = tf.data.Options()
    options.deterministic = not shuffle or seed is not None
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def _read(tf: Any, paths: tuple[str, ...], shuffle: bool, seed: int | None) -> Any:
    """The serialised Examples."""
    buffer_bytes = read_ahead_bytes(paths[0]) or _READ_BYTES
    if not shuffle:
        return tf.data.TFRecordDataset(paths, buffer_size=buffer_bytes)
    return (
        tf.data.Dataset.from_tensor_slices(list(paths))
        .shuffle(len(paths), seed)
        .interleave(
            lambda path: tf.data.TFRecordDataset(path, buffer_size=buffer_bytes),
            cycle_length=_INTERLEAVED,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=seed is not None,
        )
    )


def _keys(records: Records) -> tuple[str, str]:
    """What image and label are called in the records."""
    names = parse_example(records.raw(0)).keys() if len(records) else ()
    for keys in _KEYS:
        if keys[0] in names:
            return keys
    raise InputError(
        f"{records!r} has no images: no feature {' and no '.join(keys[0] for keys in _KEYS)}"
    )
