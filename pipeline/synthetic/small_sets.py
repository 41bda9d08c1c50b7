"""Flowers, MNIST and CIFAR-10 in their real file formats.

Each writer takes the folder, which it makes, how many images there shall be, and a seed
that gives other ones. It raises what `check_range` and `claim_folder` raise.
"""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from imagenet_beam.pipeline.synthetic.archives import (
    check_range,
    claim_folder,
    in_folder,
    publish_tar,
    published,
)
from imagenet_beam.pipeline.synthetic.pictures import (
    draw_picture,
    draw_shape,
    encode_jpeg,
    plan_layout,
)
from imagenet_beam.pipeline.synthetic.python2_pickle import dump_python2
from imagenet_beam.pipeline.synthetic.variation import fractions, numbers, shuffled

_FLOWERS_NAME = "flower_photos.tgz"
# In the order in which the real archive has them.
_FLOWERS = {
    "roses": ("heart", "red"),
    "sunflowers": ("star", "yellow"),
    "daisy": ("flower", "white"),
    "dandelion": ("circle", "orange"),
    "tulips": ("drop", "purple"),
}
FLOWER_CLASSES = tuple(sorted(_FLOWERS))
_LICENSE = b"""All pictures in this archive are synthetic drawings.

The real archive lists the photographers and the licence of each photograph here.
"""
_MNIST_SIDE, _CIFAR_SIDE = 28, 32
_MOST_IMAGES = 1_000_000
_IMAGES_NAME = "{}-images-idx3-ubyte.gz"
_LABELS_NAME = "{}-labels-idx1-ubyte.gz"
_CIFAR10 = {
    "airplane": ("arrow", "white"), "automobile": ("square", "red"), "bird": ("crown", "brown"),
    "cat": ("cat", "orange"), "deer": ("triangle", "brown"), "dog": ("heart", "black"),
    "frog": ("hexagon", "green"), "horse": ("cross", "purple"), "ship": ("moon", "blue"),
    "truck": ("diamond", "yellow"),
}  # fmt: skip
CIFAR10_CLASSES = tuple(_CIFAR10)
CIFAR10_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_PYTHON_NAME = "cifar-10-python.tar.gz"
_BINARY_NAME = "cifar-10-binary.tar.gz"
# Their order in the real archive.
_ORDER = ("data_batch_4", "test_batch", *(f"data_batch_{number}" for number in (3, 2, 5, 1)))
_README = (
    b'<meta HTTP-EQUIV="REFRESH" content="0; url=http://www.cs.toronto.edu/~kriz/cifar.html">\n'
)


def write_flowers(output_dir: Path, images_per_class: int = 100, seed: int = 0) -> dict[str, bytes]:
    """Writes flower_photos.tgz, a compressed tar with a folder for each class.

    Returns:
        By class and file name, such as `daisy/100080576_f52e8ee070_n.jpg`: the JPEG.
    """
    check_range("images_per_class", images_per_class, 1, 100_000)
    claim_folder(output_dir, [_FLOWERS_NAME])
    written = {
        _photo_name(seed, flower, number): _draw_flower(flower, seed, number)
        for flower in _FLOWERS
        for number in range(1, images_per_class + 1)
    }
    folders = ((f"{flower}/", b"") for flower in _FLOWERS)
    members = in_folder("flower_photos/", [("LICENSE.txt", _LICENSE)], folders, written.items())
    publish_tar(output_dir / _FLOWERS_NAME, members, packed=True)
    return written


def _photo_name(seed: int, flower: str, number: int) -> str:
    """A name as the photo site gave them: number, secret, size."""
    photo, secret, more, size = numbers(4, "flower name", seed, flower, number)
    ending = f"{more % 256:02x}{('_n', '_m', '')[size % 3]}.jpg"
    return f"{flower}/{photo % 10**10}_{secret:08x}{ending}"


def _draw_flower(flower: str, seed: int, number: int) -> bytes:
    layout = plan_layout(320, 240, seed, "flower", flower, number)
    return encode_jpeg(draw_picture(*_FLOWERS[flower], layout, f"{flower}  #{number}"))


class MnistSplit(NamedTuple):
    """One split.

    Attributes:
        images: Shape (count, 28, 28); 0 is paper, 255 is ink.
        labels: The digits.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


class MnistSet(NamedTuple):
    """What was written."""

    train: MnistSplit
    test: MnistSplit


def write_mnist(
    output_dir: Path, train: int = 60_000, test: int = 10_000, seed: int = 0
) -> MnistSet:
    """Writes the four IDX files under their real names."""
    check_range("train", train, 1, _MOST_IMAGES)
    check_range("test", test, 1, _MOST_IMAGES)
    files = (_IMAGES_NAME, _LABELS_NAME)
    claim_folder(output_dir, [name.format(split) for split in ("train", "t10k") for name in files])
    splits = []
    for split, count in (("train", train), ("t10k", test)):
        labels = [place % 10 for place in shuffled(count, seed, "mnist labels", split)]
        digits = [np.asarray(_draw_digit(label, seed, split, i)) for i, label in enumerate(labels)]
        splits.append(MnistSplit(np.stack(digits), np.array(labels, dtype=np.uint8)))
        for name, values in zip(files, splits[-1], strict=True):
            # The magic number ends in the number of dimensions.
            head = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
            with published(output_dir / name.format(split), packed=True) as file:
                file.write(head + values.tobytes())
    return MnistSet(*splits)


def _draw_digit(digit: int, *key: object) -> Image.Image:
    """A digit in a size, at a place and turned as the key says."""
    size, turn, x, y = fractions(4, "mnist", *key)
    image = Image.new("L", (_MNIST_SIDE, _MNIST_SIDE))
    middle = (_MNIST_SIDE / 2 + 3 * x - 1.5, _MNIST_SIDE / 2 + 3 * y - 1.5)
    font = ImageFont.load_default(22 + 4 * size)
    ImageDraw.Draw(image).text(middle, str(digit), 255, font, anchor="mm")
    return image.rotate(20 * turn - 10, Image.Resampling.BILINEAR)


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


def write_cifar10(
    output_dir: Path, images_per_batch: int = 10_000, seed: int = 0
) -> dict[str, CifarBatch]:
    """Writes cifar-10-python.tar.gz and cifar-10-binary.tar.gz.

    Returns:
        The content by the names in `CIFAR10_BATCHES`.
    """
    check_range("images_per_batch", images_per_batch, 1, 10_000)
    claim_folder(output_dir, (_PYTHON_NAME, _BINARY_NAME))
    batches = {name: _draw_batch(name, images_per_batch, seed) for name in CIFAR10_BATCHES}
    meta = {
        b"num_cases_per_batch": images_per_batch,
        b"label_names": [name.encode() for name in CIFAR10_CLASSES],
        b"num_vis": 3 * _CIFAR_SIDE * _CIFAR_SIDE,
    }
    about = (("readme.html", _README), ("batches.meta", dump_python2(meta)))
    members = ((name, _python_batch(name, batches[name])) for name in _ORDER)
    python = in_folder("cifar-10-batches-py/", about, members)
    publish_tar(output_dir / _PYTHON_NAME, python, packed=True)
    names = "".join(f"{name}\n" for name in CIFAR10_CLASSES) + "\n"
    about = (("readme.html", _README), ("batches.meta.txt", names.encode()))
    members = ((f"{name}.bin", _binary_batch(batches[name])) for name in _ORDER)
    binary = in_folder("cifar-10-batches-bin/", about, members)
    publish_tar(output_dir / _BINARY_NAME, binary, packed=True)
    return batches


def _python_batch(name: str, batch: CifarBatch) -> bytes:
    number = name.removeprefix("data_batch_")
    title = "testing batch 1 of 1" if name == "test_batch" else f"training batch {number} of 5"
    content = {
        b"batch_label": title.encode(),
        b"labels": list(batch.labels),
        b"data": batch.pixels,
        b"filenames": [filename.encode() for filename in batch.filenames],
    }
    return dump_python2(content)


def _binary_batch(batch: CifarBatch) -> bytes:
    labels = np.array(batch.labels, dtype=np.uint8)[:, np.newaxis]
    return np.hstack([labels, batch.pixels]).tobytes()


def _draw_batch(name: str, count: int, seed: int) -> CifarBatch:
    labels = tuple(place % 10 for place in shuffled(count, seed, "cifar labels", name))
    names = tuple(f"{CIFAR10_CLASSES[label]}_s_{i:06d}.png" for i, label in enumerate(labels))
    images = [np.asarray(_draw_object(label, seed, name, i)) for i, label in enumerate(labels)]
    return CifarBatch(names, labels, np.stack(images).transpose(0, 3, 1, 2).reshape(count, -1))


def _draw_object(label: int, *key: object) -> Image.Image:
    red, green, blue, across, down, x, y = fractions(7, "cifar", label, *key)
    sky = tuple(int(110 + 130 * share) for share in (red, green, blue))
    image = Image.new("RGB", (_CIFAR_SIDE, _CIFAR_SIDE), sky)
    width, height = (round((0.6 + 0.4 * share) * _CIFAR_SIDE) for share in (across, down))
    left, top = int(x * (_CIFAR_SIDE - width)), int(y * (_CIFAR_SIDE - height))
    shape, color = _CIFAR10[CIFAR10_CLASSES[label]]
    draw_shape(image, shape, color, (left, top, left + width, top + height))
    return image
