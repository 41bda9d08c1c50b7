"""Members that are longer than any image: rejected, and not read."""

import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagenet_beam.transforms.archives.fetch import fetch, unpack
from imagenet_beam.transforms.archives.streams import StreamReader
from imagenet_beam.transforms.archives.tar_archives import stream_images
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.pixel_budget import MAX_IMAGE_BYTES
from imagenet_beam.transforms.storage.files import Storage

HUGE_BYTES = 5_000_000_000
HUGE_NAME = "n01440764/n01440764_9.JPEG"
SMALL_NAME = "n01440764/n01440764_1.JPEG"


def header(name: str, size_bytes: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    return info.tobuf(tarfile.USTAR_FORMAT)


def huge_tree(folder: Path, image: bytes) -> str:
    (folder / SMALL_NAME).parent.mkdir()
    (folder / SMALL_NAME).write_bytes(image)
    with (folder / HUGE_NAME).open("wb") as file:
        file.truncate(HUGE_BYTES)
    return f"--train_directory={folder}"


def huge_tar(folder: Path, image: bytes) -> str:
    path = folder / "train.tar"
    with path.open("wb") as file:
        file.write(header(SMALL_NAME, len(image)) + image + bytes(-len(image) % 512))
        file.write(header(HUGE_NAME, HUGE_BYTES))
        file.truncate(file.tell() + HUGE_BYTES + -HUGE_BYTES % 512 + 1024)
    return f"--train_archive={path}"


def lying_zip(folder: Path, image: bytes) -> str:
    """A zip that claims more than 256 MiB for a member of a few bytes."""
    path = folder / "train.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SMALL_NAME, image)
        archive.writestr(HUGE_NAME, b"few")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, MAX_IMAGE_BYTES + 1)
    path.write_bytes(data)
    return f"--train_archive={path}"


@pytest.mark.parametrize("form", [huge_tree, huge_tar, lying_zip])
def test_a_huge_image_is_a_reject(
    form: Callable[[Path, bytes], str], pictures, official, convert, examples, tmp_path
):
    (tmp_path / "in").mkdir()
    flag = form(tmp_path / "in", next(iter(pictures.train.values())))
    output = tmp_path / "out"
    flags = [f"--devkit={official.devkit}", "--expect=any", f"--output_dir={output}"]
    done = convert(flag, *flags, "--train_shards=1", "--max_rejects=1")
    assert done.status == 0, done.message
    [reject] = map(json.loads, (output / "rejects.jsonl").read_text().splitlines())
    assert (reject["filename"], reject["reason"]) == ("n01440764_9.JPEG", "too_large")
    assert reject["detail"].endswith(" bytes; accepted are up to 268,435,456")
    assert len(examples(output, "train")) == 1


def test_a_zip_that_stores_more_than_it_claims_is_not_read():
    ref = ImageRef("nowhere.zip", 0, 10, "x.JPEG", zip_entry=f"8:{MAX_IMAGE_BYTES + 1}:30:0:0")
    assert fetch(ref, Storage()) == b""
    with pytest.raises(ImageRejected, match="too_large"):
        unpack(ref, b"")


class Zeros:
    """A stream of given bytes and as many zeros, which are made when they are read."""

    def __init__(self, head: bytes, zeros: int) -> None:
        self.head, self.left, self.largest = head, zeros, 0

    def read(self, size: int) -> bytes:
        self.largest = max(self.largest, size)
        if self.head:
            part, self.head = self.head[:size], self.head[size:]
            return part
        part = bytes(min(size, self.left))
        self.left -= len(part)
        return part


def test_a_huge_image_in_a_stream_is_skipped():
    size_bytes = MAX_IMAGE_BYTES + 512
    stream = Zeros(header("n01440764_9.JPEG", size_bytes), size_bytes + 1024)
    [(ref, data)] = stream_images(StreamReader(stream, "s"), "s")
    assert (ref.filename, ref.size_bytes, data) == ("n01440764_9.JPEG", size_bytes, b"")
    assert stream.largest <= 1 << 20
    with pytest.raises(ImageRejected, match=r"268,435,968 bytes; accepted are up to 268,435,456"):
        unpack(ref, data)
