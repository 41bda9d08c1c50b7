"""Zeros at the end of tar archives: those that tar writes, and those of a download that stopped."""

import gzip
import io
import subprocess
import tarfile

import pytest
from tar_blocks import Memory, make_tar

from imagenet_beam.transforms.archives.streams import open_stream
from imagenet_beam.transforms.archives.tar import END_BYTES, MAX_PADDING_BYTES
from imagenet_beam.transforms.archives.tar_archives import (
    list_span,
    list_stream,
    padding_note,
    split_archive,
)
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import Storage

IMAGES = tuple((f"n01440764_{number}.JPEG", b"J" * 3000) for number in range(9))
IMAGE_BYTES = 512 + 3072


def listed(train: bytes) -> list[str]:
    """The images of a tar of class tars, read in place; as a stream there are the same."""
    reader = Memory(train)
    spans = list(split_archive(reader, "a.tar"))
    refs = [ref for span in spans for ref in list_span(reader, span)]
    stream = open_stream(io.BytesIO(gzip.compress(train, 1)), "a.tar")
    assert list(list_stream(stream, "a.tar")) == refs
    return [ref.filename for ref in refs]


def refusal(train: bytes) -> str:
    reader = Memory(train)
    stream = open_stream(io.BytesIO(gzip.compress(train, 1)), "a.tar")
    with pytest.raises(InputError) as error:
        list(list_stream(stream, "a.tar"))
    with pytest.raises(InputError) as error_in_place:
        for span in split_archive(reader, "a.tar"):
            list(list_span(reader, span))
    assert str(error.value) == str(error_in_place.value)
    return str(error.value)


def test_a_class_tar_that_goes_on_with_zeros_is_refused():
    """What a download of reserved length leaves that stopped before three images."""
    train = make_tar(("n01440764.tar", make_tar(*IMAGES)))
    end = 512 + 6 * IMAGE_BYTES
    stopped = train[:end] + bytes(len(train) - end)
    zeros = len(make_tar(*IMAGES)) - 6 * IMAGE_BYTES
    assert refusal(stopped) == (
        f"a.tar → n01440764.tar is incomplete: it ends with {zeros:,} bytes of zeros, and tar "
        "ends an archive with up to 10,752; get the file again, or make the class tar with tar "
        "--blocking-factor=20"
    )


@pytest.mark.parametrize("images", range(1, 10))
@pytest.mark.parametrize("blocking", [1, 2, 20, 64, 2048])
def test_what_tar_writes_is_listed(images, blocking, tmp_path):
    for name, data in IMAGES[:images]:
        (tmp_path / name).write_bytes(data)
    tar = ["tar", "--sort=name", "--format=gnu", f"--blocking-factor={blocking}", "-cf"]
    files = [name for name, _ in IMAGES[:images]]
    subprocess.run([*tar, "n01440764.tar", *files], cwd=tmp_path, check=True)
    subprocess.run([*tar, "train.tar", "n01440764.tar"], cwd=tmp_path, check=True)
    train = (tmp_path / "train.tar").read_bytes()
    assert len(train) % (512 * blocking) == 0
    assert listed(train) == files


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("last_bytes", range(0, 10240, 512))
def test_what_python_writes_is_listed(format_, last_bytes):
    name, data = IMAGES[0][0], b"J" * last_bytes
    train = make_tar(("n01440764.tar", make_tar((name, data), format=format_)), format=format_)
    assert listed(train) == [name]


@pytest.mark.parametrize("end", [512, 1024])
def test_an_end_without_a_record_is_enough(end):
    class_tar = make_tar(*IMAGES)[: 9 * IMAGE_BYTES] + bytes(end)
    train = make_tar(("n01440764.tar", class_tar))[: 512 + len(class_tar)] + bytes(end)
    assert len(listed(train)) == 9


def noted(tmp_path, data: bytes) -> str:
    (tmp_path / "a.tar").write_bytes(data)
    storage, path = Storage(), str(tmp_path / "a.tar")
    storage.stat(path)  # it is another file by now
    return padding_note(storage, path)


@pytest.mark.parametrize("wraps", [0, 1])
def test_zeros_after_the_end_are_told_of(wraps, tmp_path):
    data = make_tar(*IMAGES)
    if wraps:
        data = make_tar(("n01440764.tar", data))
    assert noted(tmp_path, data) == ""
    stripped = data.rstrip(b"\0")
    most = (1 + wraps) * END_BYTES
    assert noted(tmp_path, stripped + bytes(most)) == ""
    for zeros in (most + 1, MAX_PADDING_BYTES):
        assert noted(tmp_path, stripped + bytes(zeros)) == (
            f"{tmp_path}/a.tar ends with {zeros:,} bytes of zeros, and tar ends an archive with "
            "up to 10,752: if it is a download that has stopped, images are missing; compare its "
            "checksum with the published one"
        )


def test_zeros_at_the_end_of_another_file_are_its_own(tmp_path):
    assert noted(tmp_path, gzip.compress(b"") + bytes(20_000)) == ""
