"""IDX files: MNIST's format."""

import gzip
import io
import struct
import tracemalloc
from functools import partial

import pytest

from imagenet_beam.transforms.archives.idx import IdxForm, read_idx_images, read_idx_labels
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import Storage

gz = partial(gzip.compress, mtime=0)  # test names must not hold the time
PIXELS = bytes(range(12))
IMAGES = struct.pack(">4I", 0x803, 2, 2, 3) + PIXELS
LABELS = struct.pack(">2I", 0x801, 3) + bytes([7, 0, 9])


def short_id(value):
    return value[:30] if isinstance(value, str) else "data"


def images_of(data):
    images = read_idx_images(io.BytesIO(data), "images.gz")
    return images.count, images.layout, list(images)


def labels_of(data):
    return read_idx_labels(io.BytesIO(data), "labels.gz")


@pytest.mark.parametrize("pack", [bytes, gz], ids=["plain", "gzip"])
def test_images_and_labels_with_and_without_gzip(pack):
    count, layout, images = images_of(pack(IMAGES))
    assert (count, str(layout)) == (2, "gray:2x3")
    assert images == [(0, PIXELS[:6]), (1, PIXELS[6:])]
    assert labels_of(pack(LABELS)) == bytes([7, 0, 9])


def test_one_label_an_image(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(IMAGES)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(LABELS)
    storage, form = Storage(), IdxForm()
    [span] = form.split(storage, str(tmp_path))
    with pytest.raises(InputError, match=r"images-idx3-ubyte has 2 images but .* has 3 labels"):
        list(form.stream(storage, span, "train"))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 2) + b"\7\0")
    found = list(form.stream(storage, span, "train"))
    assert [(ref.filename, ref.class_index, ref.pixels, ref.wnid) for ref, _ in found] == [
        ("train_00000.png", 7, "gray:2x3", ""),
        ("train_00001.png", 0, "gray:2x3", ""),
    ]
    assert [data for _, data in found] == [PIXELS[:6], PIXELS[6:]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"images.gz is an empty file; accepted is an IDX file of images .*0x00000803"),
        (LABELS, r"images.gz is an IDX file of labels; accepted is an IDX file of images"),
        (gz(LABELS), r"images.gz is an IDX file of labels"),
        (b"<!DOCTYPE html><title>404", r"images.gz is an HTML"),
        (gz(b"\n<html>"), r"images.gz is a gzip file of an HTML"),
        (struct.pack(">4I", 0x804, 2, 2, 3) + PIXELS, r"starts with the bytes 00 00 08 04"),
        (IMAGES[:9], r"ends within its header"),
        (IMAGES[:-1], r"ends within image 1, but its header says that there are 2"),
        (gz(IMAGES)[:-9], r"damaged or truncated"),
        (gz(IMAGES)[:-8] + bytes(8), r"damaged or truncated"),
        (b"\x1f\x8bnonsense that is not deflated", r"damaged or truncated"),
        (IMAGES + b"\0", r"goes on after the 2 images"),
        (struct.pack(">4I", 0x803, 1, 0, 3), r"0 rows and 3 columns"),
        (struct.pack(">4I", 0x803, 1, 2**31, 2**31), r"2,147,483,648 rows"),
    ],
    ids=short_id,
)
def test_bad_image_files(data, message):
    with pytest.raises(InputError, match=message):
        images_of(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (IMAGES, r"labels.gz is an IDX file of images; accepted is an IDX file of labels"),
        (LABELS[:-1], r"ends after 2 labels, but its header says that there are 3"),
        (LABELS + b"\1", r"goes on after the 3 labels"),
        (struct.pack(">2I", 0x801, 2**32 - 1), r"says that it has 4,294,967,295 labels"),
    ],
    ids=short_id,
)
def test_bad_label_files(data, message):
    with pytest.raises(InputError, match=message):
        labels_of(data)


@pytest.mark.parametrize("side", [28, 16_384], ids=["claims-4-billion", "bomb"])
def test_memory_is_bounded_by_what_is_read(side):
    header = struct.pack(">4I", 0x803, 2**32 - 1, side, side)
    bomb = gz(header + bytes(50_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        images = iter(read_idx_images(io.BytesIO(bomb), "bomb.gz"))
        if side == 28:
            assert next(images) == (0, bytes(784))
        else:
            with pytest.raises(InputError, match="ends within image 0"):
                next(images)
        # The file itself is not counted; an image of the largest side may be held twice.
        assert tracemalloc.get_traced_memory()[1] < (2_000_000 if side == 28 else 120_000_000)
    finally:
        tracemalloc.stop()
