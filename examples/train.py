"""A small network learns the classes of the demo: it trains on what was written.

python examples/demo.py demo
python examples/train.py demo/tfrecords

Its labels are held to the classes' names: of each validation image, the class that the network
names must be the one whose wnid the record has.
"""

from __future__ import annotations

import sys
import time

import keras
import numpy as np
import tensorflow as tf

from imagenet_beam import Records, as_tf_dataset

SIZE_PX = 36
EPOCHS = 20
WANTED = 0.9


def small(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Images of one size, without their captions: those name the class."""
    height = tf.shape(image)[0]
    image = image[: height * 6 // 7]
    return tf.image.resize(image, (SIZE_PX, SIZE_PX), antialias=True), label


def network(classes: int) -> keras.Model:
    """Three convolutions; some 43,000 weights."""
    layers: list[keras.Layer] = [
        keras.layers.Input((SIZE_PX, SIZE_PX, 3)),
        keras.layers.Rescaling(1 / 127.5, -1),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
    ]
    for filters in (24, 48, 72):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    layers += [keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(classes)]
    return keras.Sequential(layers)


def main(directory: str) -> None:
    keras.utils.set_random_seed(1)
    started = time.monotonic()
    train = as_tf_dataset(directory, "train", shuffle=True, seed=1).map(small).cache()
    validation = as_tf_dataset(directory, "validation").map(small).batch(64)
    records = Records(directory, "validation")
    model = network(len(records.classes))
    model.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train.shuffle(1000, seed=1).batch(32), epochs=EPOCHS, verbose=2)
    named = [records.classes[label].wnid for label in np.argmax(model.predict(validation), axis=1)]
    right = sum(name == record["wnid"] for name, record in zip(named, records, strict=True))
    accuracy = right / len(records)
    seconds = time.monotonic() - started
    print(f"{right} of {len(records)} validation images right ({accuracy:.0%}) in {seconds:.0f} s")
    if accuracy < WANTED:
        raise SystemExit(f"fewer than {WANTED:.0%}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/train.py DIRECTORY")
    main(sys.argv[1])
