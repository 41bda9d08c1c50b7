"""Flowers, MNIST and CIFAR-10 in their real file formats.

Each writer takes the folder, which it makes, how many images there shall be, and a seed
that gives other ones. It raises what `check_range` and `claim_folder` raise.
"""

import struct
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from imagenet_beam.pipeline.synthetic import archives, pictures
from imagenet_beam.pipeline.synthetic.pictures import fractions, numbers, shuffled

_FLOWERS_NAME = "flower_photos.tgz"
# In the order in which the real archive has them.
_FLOWERS = {
    "roses": ("heart", "red"), "sunflowers": ("star", "yellow"), "daisy": ("flower", "white"),
    "dandelion": ("circle", "orange"), "tulips": ("drop", "purple"),
}  # fmt: skip
FLOWER_CLASSES = tuple(sorted(_FLOWERS))
_LICENSE = b"""All pictures in this archive are synthetic drawings.

The real archive lists the photographers and the licence of each photograph here.
"""
_MNIST_SIDE, _CIFAR_SIDE = 28, 32
_MNIST_FILES = ("{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz")
_CIFAR10 = {
    "airplane": ("arrow", "white"), "automobile": ("square", "red"), "bird": ("crown", "brown"),
    "cat": ("cat", "orange"), "deer": ("triangle", "brown"), "dog": ("heart", "black"),
    "frog": ("hexagon", "green"), "horse": ("cross", "purple"), "ship": ("moon", "blue"),
    "truck": ("diamond", "yellow"),
}  # fmt: skip
CIFAR10_CLASSES = tuple(_CIFAR10)
CIFAR10_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
# Their order in the real archive.
_ORDER = ("data_batch_4", "test_batch", *(f"data_batch_{number}" for number in (3, 2, 5, 1)))
_PAGE = b'<meta HTTP-EQUIV="REFRESH" content="0; url=http://www.cs.toronto.edu/~kriz/cifar.html">\n'


def write_flowers(output_dir: Path, images_per_class: int = 100, seed: int = 0) -> dict[str, bytes]:
    """Writes flower_photos.tgz, a compressed tar with a folder for each class.

    Returns:
        By class and file name, such as `daisy/100080576_f52e8ee070_n.jpg`: the JPEG.
    """
    archives.check_range("images_per_class", images_per_class, 1, 100_000)
    archives.claim_folder(output_dir, [_FLOWERS_NAME])
    written = {}
    for flower, look in _FLOWERS.items():
        for number in range(1, images_per_class + 1):
            # A name as the photo site gave them: number, secret, size.
            photo, secret, more, size = numbers(4, "flower name", seed, flower, number)
            ending = f"{more % 256:02x}{('_n', '_m', '')[size % 3]}.jpg"
            layout = pictures.plan_layout(320, 240, seed, "flower", flower, number)
            picture = pictures.draw_picture(*look, layout, f"{flower}  #{number}")
            name = f"{flower}/{photo % 10**10}_{secret:08x}{ending}"
            written[name] = pictures.encode_jpeg(picture)
    about = [("LICENSE.txt", _LICENSE), *((f"{flower}/", b"") for flower in _FLOWERS)]
    members = archives.in_folder("flower_photos/", about, written.items())
    archives.publish_tar(output_dir / _FLOWERS_NAME, members)
    return written


class MnistSplit(NamedTuple):
    """One split: digits of shape (count, 28, 28), where 255 is ink, and their labels."""

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
    archives.check_range("train", train, 1, 1_000_000)
    archives.check_range("test", test, 1, 1_000_000)
    counts, splits = {"train": train, "t10k": test}, []
    names = [name.format(split) for split in counts for name in _MNIST_FILES]
    archives.claim_folder(output_dir, names)
    for split, size in counts.items():
        labels = [place % 10 for place in shuffled(size, seed, "mnist labels", split)]
        digits = [np.asarray(_draw_digit(label, seed, split, i)) for i, label in enumerate(labels)]
        splits.append(MnistSplit(np.stack(digits), np.array(labels, dtype=np.uint8)))
        for name, values in zip(_MNIST_FILES, splits[-1], strict=True):
            # The magic number ends in the number of dimensions.
            head = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
            with archives.published(output_dir / name.format(split)) as file:
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
    """One batch; a row of pixels has 1,024 red values, then green, then blue."""

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
    archives.check_range("images_per_batch", images_per_batch, 1, 10_000)
    paths = [output_dir / f"cifar-10-{form}.tar.gz" for form in ("python", "binary")]
    archives.claim_folder(output_dir, [path.name for path in paths])
    batches = {name: _draw_batch(name, images_per_batch, seed) for name in CIFAR10_BATCHES}
    meta = {
        b"num_cases_per_batch": images_per_batch,
        b"label_names": [name.encode() for name in CIFAR10_CLASSES],
        b"num_vis": 3 * _CIFAR_SIDE * _CIFAR_SIDE,
    }
    names = "".join(f"{name}\n" for name in CIFAR10_CLASSES) + "\n"
    python = [("readme.html", _PAGE), ("batches.meta", dump_python2(meta))]
    binary = [("readme.html", _PAGE), ("batches.meta.txt", names.encode())]
    for name in _ORDER:
        files, labels, pixels = batches[name]
        title = f"training batch {name.removeprefix('data_batch_')} of 5"
        content = {
            b"batch_label": b"testing batch 1 of 1" if name == "test_batch" else title.encode(),
            b"labels": list(labels),
            b"data": pixels,
            b"filenames": [file.encode() for file in files],
        }
        python.append((name, dump_python2(content)))
        rows = np.hstack([np.array(labels, dtype=np.uint8)[:, np.newaxis], pixels])
        binary.append((f"{name}.bin", rows.tobytes()))
    archives.publish_tar(paths[0], archives.in_folder("cifar-10-batches-py/", python))
    archives.publish_tar(paths[1], archives.in_folder("cifar-10-batches-bin/", binary))
    return batches


def _draw_batch(name: str, size: int, seed: int) -> CifarBatch:
    labels = tuple(place % 10 for place in shuffled(size, seed, "cifar labels", name))
    names = tuple(f"{CIFAR10_CLASSES[label]}_s_{i:06d}.png" for i, label in enumerate(labels))
    images = [np.asarray(_draw_object(label, seed, name, i)) for i, label in enumerate(labels)]
    return CifarBatch(names, labels, np.stack(images).transpose(0, 3, 1, 2).reshape(size, -1))


def _draw_object(label: int, *key: object) -> Image.Image:
    *sky, across, down, x, y = fractions(7, "cifar", label, *key)
    color = tuple(int(110 + 130 * share) for share in sky)
    image = Image.new("RGB", (_CIFAR_SIDE, _CIFAR_SIDE), color)
    width, height = (round((0.6 + 0.4 * share) * _CIFAR_SIDE) for share in (across, down))
    left, top = int(x * (_CIFAR_SIDE - width)), int(y * (_CIFAR_SIDE - height))
    box = (left, top, left + width, top + height)
    pictures.draw_shape(image, *_CIFAR10[CIFAR10_CLASSES[label]], box)
    return image


def dump_python2(value: object) -> bytes:
    """Pickles dicts, lists, bytes, whole numbers and arrays of uint8, as Python 2 did.

    Python 3 writes bytes and NumPy's modules in another way, even with protocol 2: a reader
    of today's pickles need not cope with the real files. Instructions: `pickletools`.
    """
    return b"\x80\x02" + b"".join(_save(value, count(1))) + b"."


def _save(value: object, memo: Iterator[int]) -> Iterator[bytes]:
    """The instructions for a value; each container and text gets the next number of the memo."""
    if isinstance(value, dict | list):
        start, end = (b"}", b"u") if isinstance(value, dict) else (b"]", b"e")
        yield start + _put(memo) + b"("
        for item in chain(*value.items()) if isinstance(value, dict) else value:
            yield from _save(item, memo)
        yield end
    elif isinstance(value, bytes):
        yield _string(value) + _put(memo)
    elif isinstance(value, int):
        yield _integer(value)
    elif isinstance(value, np.ndarray) and value.dtype == np.uint8:
        # What `numpy.ndarray.__reduce__` of those days gave.
        shape = b"(K\1(" + b"".join(map(_integer, value.shape)) + b"t"
        names = (b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n")
        dtype = (b"cnumpy\ndtype\n", b"U\2u1K\0K\1\x87R")
        for step in (*names, b"K\0\x85", b"U\1b\x87R", shape, *dtype):
            yield step + _put(memo)
        yield b"(K\3U\1|NNN" + 2 * _integer(-1) + b"K\0tb\x89" + _string(value.tobytes()) + b"tb"
    else:
        raise TypeError(f"{type(value).__name__} is not written")


def _put(memo: Iterator[int]) -> bytes:
    number = next(memo)
    return struct.pack("<cB", b"q", number) if number < 256 else struct.pack("<cI", b"r", number)


def _string(value: bytes) -> bytes:
    size = len(value)
    return (
        struct.pack("<cB", b"U", size) if size < 256 else struct.pack("<ci", b"T", size)
    ) + value


def _integer(value: int) -> bytes:
    if 0 <= value < 256:
        return struct.pack("<cB", b"K", value)
    is_short = 0 <= value < 1 << 16
    return struct.pack("<cH", b"M", value) if is_short else struct.pack("<ci", b"J", value)
