"""The index of a TFRecord file: where each of its records begins.

As text it is a line `offset size` for each record, the framing included: what
vahidk/tfrecord's `tfrecord2idx` writes and what DALI takes.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from operator import sub
from typing import TypeAlias

from imagenet_beam.transforms.archives.ranges import DEFAULT_BLOCK_BYTES, RangedFile, Readable
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import HEADER_BYTES, framed_size_bytes, read_length
from imagenet_beam.transforms.storage.files import join, read_ahead_bytes

SUFFIX = ".idx"

Offsets: TypeAlias = "array[int]"
"""Where each record begins, and behind them where the last one ends: one more than records."""


def index_path(shard: str, index_dir: str = "") -> str:
    """The path of a shard's index: beside it, or by its name in a folder of indexes."""
    return (join(index_dir, shard.rpartition("/")[2]) if index_dir else shard) + SUFFIX


def scan_offsets(reader: Readable) -> Offsets:
    """Finds the records of an uncompressed file by their headers; reads no image locally.

    Raises:
        InputError: If the file is cut short or the checksum of a length does not agree; the
            message names the file and the byte at which the record begins.
    """
    ahead_bytes = read_ahead_bytes(reader.name)
    block_bytes = DEFAULT_BLOCK_BYTES if ahead_bytes else HEADER_BYTES
    file = RangedFile(reader, 0, reader.size_bytes, block_bytes, ahead_bytes)
    offsets = array("Q", [0])
    while (offset := offsets[-1]) < reader.size_bytes:
        what = f"{reader.name}: the record at byte {offset:,}"
        file.seek(offset)
        end = offset + framed_size_bytes(read_length(file.read(HEADER_BYTES), what))
        if end > reader.size_bytes:
            raise InputError(f"{what} is cut short")
        offsets.append(end)
    return offsets


def format_index(offsets: Offsets) -> bytes:
    """The index as text."""
    return "".join(f"{start} {end - start}\n" for start, end in pairwise(offsets)).encode()


def parse_index(data: bytes, size_bytes: int) -> Offsets | None:
    """Reads an index back; None if it is not that of a file of this length."""
    try:
        numbers = array("Q", map(int, data.split()))
    except (ValueError, OverflowError):
        return None
    offsets, sizes = numbers[::2], numbers[1::2]
    offsets.append(size_bytes)
    if len(numbers) % 2 or offsets[0] != 0:
        return None
    return offsets if sizes.tolist() == list(map(sub, offsets[1:], offsets)) else None
