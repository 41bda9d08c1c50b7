"""Tar archives block by block, so that any of them can be wrong; and what walking them gives."""

import io
import tarfile

import pytest

from imagenet_beam.transforms.archives.tar import TarMember, walk_tar
from imagenet_beam.transforms.errors import InputError

END = bytes(1024)


class Memory:
    """Bytes to be read by ranges; remembers which were asked for."""

    name = "a.tar"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size_bytes = len(data)
        self.read_bytes = 0

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        data = self.data[offset_bytes : offset_bytes + length_bytes]
        assert len(data) == length_bytes, "read beyond the end"
        self.read_bytes += length_bytes
        return data


def walk(data: bytes, **span: int) -> list[TarMember]:
    return list(walk_tar(Memory(data), **span))


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as error:
        walk(data)
    assert "\n" not in str(error.value)
    return str(error.value)


def make_tar(*members: tuple[str, bytes], **options) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def header(name: str = "x.JPEG", size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    return signed(block)


def signed(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def blocks(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(**records: str) -> bytes:
    """A PAX header with raw records; `tarfile` would not write wrong ones."""
    lines = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        lines += str(length).encode() + rest
    return header("pax", len(lines), tarfile.XHDTYPE) + blocks(lines)
