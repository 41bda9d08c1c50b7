"""Writes CIFAR-10 in both of its forms, with the same pixels in each."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagenet_beam.pipeline.synthetic.checks import check_range, claim_folder
from imagenet_beam.pipeline.synthetic.python2_pickle import dump_python2
from imagenet_beam.pipeline.synthetic.sketches import draw_sketch
from imagenet_beam.pipeline.synthetic.tars import gzipped_tar_file
from imagenet_beam.pipeline.synthetic.variation import fractions, shuffled

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR10_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_PYTHON_NAME = "cifar-10-python.tar.gz"
_BINARY_NAME = "cifar-10-binary.tar.gz"
# The order of the members in the real archives.
_PYTHON_ORDER = (
    "data_batch_4", "readme.html", "test_batch", "data_batch_3", "batches.meta",
    "data_batch_2", "data_batch_5", "data_batch_1",
)  # fmt: skip
_BINARY_ORDER = (
    "data_batch_1", "batches.meta", "data_batch_3", "data_batch_4", "test_batch",
    "readme.html", "data_batch_5", "data_batch_2",
)  # fmt: skip
_README = (
    b'<meta HTTP-EQUIV="REFRESH" content="0; url=http://www.cs.toronto.edu/~kriz/cifar.html">\n'
)
_SIDE = 32
_SPRITE_SIDE = 64
_SKETCHES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_COLORS = (
    ("#e9edf2", "#c8d4e3", "#f4f0e0"), ("#d62f3a", "#2f6fb5", "#f2c12e"),
    ("#b5562c", "#4a7fb5", "#d9a441"), ("#b8a07e", "#77706a", "#d98a3d"),
    ("#b07a45", "#8f6236", "#c99a66"), ("#c98a4b", "#6a5240", "#a59a8c"),
    ("#4caf50", "#8bb33a", "#2f8a63"), ("#8a5a34", "#b98d5e", "#5b4636"),
    ("#7a4a26", "#3a5a7a", "#8a2f2f"), ("#e07b2a", "#2f7fbf", "#3f9a5a"),
)  # fmt: skip


class CifarBatch(NamedTuple):
    """One batch.

    Attributes:
        filenames: As in the Python form; the binary form has none.
        labels: From 0 to 9.
        pixels: An image a row: 1,024 red values, then green, then blue.
    """

    filenames: tuple[str, ...]
    labels: tuple[int, ...]
    pixels: npt.NDArray[np.uint8]


class CifarSet(NamedTuple):
    """What was written; the pixels are drawn again when they are asked for."""

    images_per_batch: int
    seed: int

    def batch(self, name: str) -> CifarBatch:
        """The content of one of `CIFAR10_BATCHES`."""
        return draw_cifar_batch(name, self.images_per_batch, self.seed)


def write_cifar10(output_dir: Path, images_per_batch: int = 10_000, seed: int = 0) -> CifarSet:
    """Writes cifar-10-python.tar.gz and cifar-10-binary.tar.gz.

    Args:
        output_dir: Where to write; made if it is missing.
        images_per_batch: The real batches have 10,000.
        seed: Another number gives other pictures.

    Raises:
        InputError: A value is out of its range, the folder cannot be made, or it
            holds such archives that are not synthetic.
    """
    check_range("images_per_batch", images_per_batch, 1, 10_000)
    claim_folder(output_dir, (_PYTHON_NAME, _BINARY_NAME))
    written = CifarSet(images_per_batch, seed)
    _write_python(output_dir / _PYTHON_NAME, written)
    _write_binary(output_dir / _BINARY_NAME, written)
    return written


def draw_cifar_batch(name: str, count: int, seed: int) -> CifarBatch:
    """Draws a batch: the same arguments give the same pixels."""
    labels = tuple(place % 10 for place in shuffled(count, seed, "cifar labels", name))
    pixels = np.empty((count, 3 * _SIDE * _SIDE), dtype=np.uint8)
    for index, label in enumerate(labels):
        image = np.asarray(_draw(label, seed, name, index))
        pixels[index] = image.transpose(2, 0, 1).reshape(-1)
    filenames = (
        f"{CIFAR10_CLASSES[label]}_s_{index:06d}.png" for index, label in enumerate(labels)
    )
    return CifarBatch(tuple(filenames), labels, pixels)


def _draw(label: int, *key: object) -> Image.Image:
    color, red, green, blue, scale, x, y = fractions(7, "cifar", label, *key)
    sky = tuple(int(110 + 130 * share) for share in (red, green, blue))
    image = Image.new("RGB", (_SIDE, _SIDE), sky)
    side = round((0.72 + 0.28 * scale) * _SIDE)
    sprite = _sprite(label, int(color * len(_COLORS[label])), side)
    free = (_SIDE - sprite.width, _SIDE - sprite.height)
    image.paste(sprite, (int(x * free[0]), int(y * free[1])), sprite)
    return image


@lru_cache(maxsize=512)
def _sprite(label: int, color: int, side: int) -> Image.Image:
    sprite = draw_sketch(_SKETCHES[label], _COLORS[label][color], _SPRITE_SIDE)
    zoom = side / max(sprite.size)
    size = (round(sprite.width * zoom), round(sprite.height * zoom))
    return sprite.resize(size, Image.Resampling.BOX)


def _write_python(path: Path, written: CifarSet) -> None:
    folder = "cifar-10-batches-py/"
    with gzipped_tar_file(path) as tar:
        tar.add_folder(folder)
        for name in _PYTHON_ORDER:
            if name == "readme.html":
                data = _README
            elif name == "batches.meta":
                data = _python_meta(written.images_per_batch)
            else:
                data = _python_batch(name, written.batch(name))
            tar.add(folder + name, data)


def _python_meta(images_per_batch: int) -> bytes:
    meta = {
        b"num_cases_per_batch": images_per_batch,
        b"label_names": [name.encode() for name in CIFAR10_CLASSES],
        b"num_vis": 3 * _SIDE * _SIDE,
    }
    return dump_python2(meta)


def _python_batch(name: str, batch: CifarBatch) -> bytes:
    number = name.removeprefix("data_batch_")
    title = "testing batch 1 of 1" if name == "test_batch" else f"training batch {number} of 5"
    content = {
        b"batch_label": title.encode(),
        b"labels": list(batch.labels),
        b"data": batch.pixels,
        b"filenames": [filename.encode("latin-1") for filename in batch.filenames],
    }
    return dump_python2(content)


def _write_binary(path: Path, written: CifarSet) -> None:
    folder = "cifar-10-batches-bin/"
    names = "".join(f"{name}\n" for name in CIFAR10_CLASSES) + "\n"
    with gzipped_tar_file(path) as tar:
        tar.add_folder(folder)
        for name in _BINARY_ORDER:
            if name == "readme.html":
                tar.add(folder + name, _README)
            elif name == "batches.meta":
                tar.add(f"{folder}{name}.txt", names.encode())
            else:
                tar.add(f"{folder}{name}.bin", _binary_batch(written.batch(name)))


def _binary_batch(batch: CifarBatch) -> bytes:
    labels = np.array(batch.labels, dtype=np.uint8)[:, np.newaxis]
    return np.concatenate([labels, batch.pixels], axis=1).tobytes()
