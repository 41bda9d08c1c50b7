"""The TFRecord file format.

One record is: length (uint64), masked crc32c of the length, data, masked crc32c
of the data, all little-endian (tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

from imagenet_beam.transforms.errors import InputError

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
        InputError: If the file is cut short or a checksum does not agree; the
            message names the file and the byte at which the record starts.
    """
    offset = 0
    while header := file.read(HEADER_BYTES):
        what = f"{name}: the record at byte {offset:,}"
        length = read_length(header, what)
        data = file.read(length)
        check_data(data, length, file.read(FOOTER_BYTES), what)
        yield data
        offset += framed_size_bytes(length)


def is_header(header: bytes) -> bool:
    """Whether these bytes begin a record: the checksum of the length agrees."""
    return header[8:] == struct.pack("<I", masked_crc32c(header[:8]))


def read_length(header: bytes, what: str) -> int:
    """The length of a record's data, its checksum verified.

    Raises:
        InputError: If the header is cut short or damaged; the message begins with `what`.
    """
    if len(header) < HEADER_BYTES:
        raise InputError(f"{what} is cut short")
    if not is_header(header):
        raise InputError(f"{what} has a damaged length")
    length: int = struct.unpack_from("<Q", header)[0]
    if length > MAX_DATA_BYTES:
        raise InputError(f"{what} has {length:,} bytes, and no Example has more than 2 GiB")
    return length


def check_data(data: bytes, length: int, footer: bytes, what: str) -> None:
    """Raises `InputError` where a record's data are cut short or damaged."""
    if len(data) < length or len(footer) < FOOTER_BYTES:
        raise InputError(f"{what} is cut short")
    if masked_crc32c(data) != struct.unpack("<I", footer)[0]:
        raise InputError(f"{what} has damaged data")
