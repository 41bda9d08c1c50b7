"""The script that people write themselves: a pool of processes and `tf.io.TFRecordWriter`."""

import io
import multiprocessing
import sys
from pathlib import Path

import tensorflow as tf
from PIL import Image


def write_shard(path: str, files: list[Path], classes: list[str]) -> None:
    with tf.io.TFRecordWriter(path) as writer:
        for file in files:
            image = Image.open(file).convert("RGB")
            scale = 256 / min(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            image.resize(size, Image.Resampling.BICUBIC).save(
                out := io.BytesIO(), "JPEG", quality=95
            )
            label = classes.index(file.parent.name) + 1
            feature = {
                "image/encoded": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[out.getvalue()])
                ),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "image/filename": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[file.name.encode()])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


if __name__ == "__main__":
    folder, output, shards, processes = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
    files = sorted(folder.glob("*/*.JPEG"))
    classes = sorted({file.parent.name for file in files})
    with multiprocessing.Pool(processes) as pool:
        names = [f"{output}/train-{i:05d}-of-{shards:05d}" for i in range(shards)]
        pool.starmap(
            write_shard, [(name, files[i::shards], classes) for i, name in enumerate(names)]
        )
        pool.close()
        pool.join()
