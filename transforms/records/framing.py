"""The TFRecord file format.

One record is: length (uint64), masked crc32c of the length, data, masked crc32c
of the data, all little-endian (tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

HEADER_BYTES = 12
FOOTER_BYTES = 4
MAX_DATA_BYTES = (1 << 31) - 1
"""What a protocol buffer can hold; a longer record is damage that its checksum hides."""

_MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h


def masked_crc32c(data: bytes) -> int:
    """The crc that TFRecord stores: rotated and offset, as crcs of crcs are weak."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def framed(data: bytes) -> tuple[bytes, bytes, bytes]:
    """A record as it stands in the file: header, the data uncopied, footer."""
    length = struct.pack("<Q", len(data))
    header = length + struct.pack("<I", masked_crc32c(length))
    return header, data, struct.pack("<I", masked_crc32c(data))


def framed_size_bytes(data_size_bytes: int) -> int:
    """How long a record of that many bytes is in the file."""
    return HEADER_BYTES + data_size_bytes + FOOTER_BYTES


def read_records(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yields the records of an uncompressed file, both checksums verified.

    Raises:
        ValueError: If the file is cut short or a checksum does not agree; the
            message names the file and the byte at which the record starts.
    """
    offset = 0
    while header := file.read(HEADER_BYTES):
        data = _read_one(file, header, f"{name}: the record at byte {offset:,}")
        yield data
        offset += framed_size_bytes(len(data))


def _read_one(file: BinaryIO, header: bytes, what: str) -> bytes:
    if len(header) < HEADER_BYTES:
        raise ValueError(f"{what} is cut short")
    length, crc = struct.unpack("<QI", header)
    if masked_crc32c(header[:8]) != crc:
        raise ValueError(f"{what} has a damaged length")
    if length > MAX_DATA_BYTES:
        raise ValueError(f"{what} has {length:,} bytes, and no Example has more than 2 GiB")
    data = file.read(length)
    footer = file.read(FOOTER_BYTES)
    if len(data) < length or len(footer) < FOOTER_BYTES:
        raise ValueError(f"{what} is cut short")
    if masked_crc32c(data) != struct.unpack("<I", footer)[0]:
        raise ValueError(f"{what} has damaged data")
    return data
