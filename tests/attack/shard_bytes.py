"""Shards as bytes: taken apart into records, and put together with the right checksums."""

import io

from imagenet_beam.transforms.records.framing import framed, framed_size_bytes, read_records


def is_shard(name: str) -> bool:
    """Whether a file of a set holds records."""
    return "-of-" in name and not name.endswith((".json", ".idx"))


def records_of(data: bytes) -> list[bytes]:
    """The records of a shard."""
    return list(read_records(io.BytesIO(data), "shard"))


def shard_of(records: list[bytes]) -> bytes:
    """A shard with these records and the right checksums."""
    return b"".join(part for record in records for part in framed(record))


def place_of(data: bytes, position: int) -> tuple[int, int]:
    """Number and offset of the record that a byte of a shard belongs to."""
    offset = 0
    for number, record in enumerate(records_of(data)):
        end = offset + framed_size_bytes(len(record))
        if position < end:
            return number, offset
        offset = end
    raise AssertionError
