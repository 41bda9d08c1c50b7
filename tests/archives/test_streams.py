"""Compressed files: read to their end marks, with nothing of another kind after them."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagenet_beam.transforms.archives.streams import open_stream
from imagenet_beam.transforms.archives.tar import walk_tar
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import Storage

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
NOISE = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(94))
DATA = NOISE + bytes(2_000_000)


def content(data: bytes) -> bytes:
    stream, parts, at = open_stream(io.BytesIO(data), "s"), [], 0
    while part := stream.read(at, 700_001):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as error:
        content(data)
    return str(error.value)


@pytest.mark.parametrize("form", COMPRESS)
def test_several_streams_and_zeros_after_them_are_one_content(form):
    compress = COMPRESS[form]
    assert content(compress(DATA)) == DATA
    assert content(compress(DATA) + compress(b"") + compress(b"end") + bytes(9000)) == DATA + b"end"
    assert content(compress(b"x") + bytes(8) + compress(b"y")) == b"xy"


@pytest.mark.parametrize("form", COMPRESS)
@pytest.mark.parametrize("rest", [b"<html>", b"x", bytes(9) + b"x", b"BZ", b"\x1f", b"\xfd7zX"])
def test_what_follows_the_end_mark_is_refused(form, rest):
    said = refusal(COMPRESS[form](DATA) + rest)
    assert said.startswith("s is damaged or truncated near byte ")
    why = "Not a gzipped file" if form == "gzip" else "something else follows its end mark"
    assert f" of its uncompressed content ({why}" in said


@pytest.mark.parametrize("form", COMPRESS)
def test_a_stream_that_lacks_its_end_mark_is_refused(form):
    compress = COMPRESS[form]
    whole = compress(DATA)
    for cut in (whole[:-1], whole[: len(whole) // 2], compress(b"a") + whole[:-1], whole[:12]):
        assert refusal(cut).startswith("s is damaged or truncated near byte ")


@pytest.mark.parametrize("form", COMPRESS)
@settings(deadline=None)
@given(data=st.data())
def test_a_changed_bit_is_noticed_or_changes_nothing(form, data):
    whole = bytearray(COMPRESS[form](NOISE))
    place = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[place // 8] ^= 1 << place % 8
    try:
        found = content(bytes(whole))
    except InputError:
        return
    # Of the first bytes the form is told; gzip's next eight are time and system.
    assert found == NOISE or place < 8 * 6


def test_an_error_of_the_system_is_no_damage(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)

    class Folder:
        def read(self, size: int) -> bytes:
            return os.read(folder, size)

    try:
        with pytest.raises(InputError, match=r"^s cannot be read: Is a directory$"):
            open_stream(Folder(), "s")
    finally:
        os.close(folder)


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="its first page cannot be read")
def test_an_input_output_error_is_told_with_its_path():
    reader = Storage().open_ranges("/proc/self/mem")
    with pytest.raises(InputError, match=r"^/proc/self/mem cannot be used: Input/output error$"):
        list(walk_tar(reader, size_bytes=10_240))
