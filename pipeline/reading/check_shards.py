"""One shard, looked at byte by byte: its checksum and its records."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import google_crc32c
from google.protobuf.message import DecodeError

from imagenet_beam.pipeline.reading.check_records import RecordCheck, value_of
from imagenet_beam.pipeline.reading.findings import Finding
from imagenet_beam.transforms.archives.ranges import RangedFile
from imagenet_beam.transforms.archives.streams import is_compressed, open_stream
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.example import typed_features
from imagenet_beam.transforms.records.framing import (
    FOOTER_BYTES,
    HEADER_BYTES,
    check_data,
    framed_size_bytes,
    is_header,
    read_length,
)
from imagenet_beam.transforms.records.shards import fingerprint
from imagenet_beam.transforms.storage.files import RangeReader, Storage, read_ahead_bytes

_BLOCK_BYTES = 1 << 20
_CRC_BYTES = 8 << 20
_MAX_FINDINGS = 20  # of one shard


class Framed(NamedTuple):
    """A record as it stands in a shard.

    Attributes:
        number: Which one, from 0.
        offset_bytes: Where it begins; in a compressed shard, of what it holds.
        data: Its data; b"" where none could be read.
        fault: What is wrong with its framing; "" if nothing is.
    """

    number: int
    offset_bytes: int
    data: bytes
    fault: str = ""


@dataclass
class CheckedShard:
    """What was found in a shard.

    Attributes:
        findings: What is wrong, the first ones.
        records: How many records could be read.
        classes: How many there are of each class.
        keys: A fingerprint of each file name, one after the other.
        numbers: The numbers of the records that these are of.
        offsets: Where these records begin.
    """

    findings: list[Finding] = field(default_factory=list)
    records: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    keys: bytearray = field(default_factory=bytearray)
    numbers: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))


def _opened(path: str, storage: Storage) -> RangeReader:
    """The file as it is now: `stat` has what the process holds open under that path reopened."""
    return storage.open_ranges(storage.stat(path).pinned)


def crc32c_of(path: str, storage: Storage, advance: Callable[[int], None]) -> int:
    """The checksum of a whole file."""
    reader, crc = _opened(path, storage), 0
    for offset in range(0, reader.size_bytes, _CRC_BYTES):
        data = reader.read(offset, min(_CRC_BYTES, reader.size_bytes - offset))
        crc = google_crc32c.extend(crc, data)
        advance(len(data))
    return crc


def walk_records(path: str, storage: Storage) -> Iterator[Framed]:
    """The records of a shard, compressed or not; damaged ones too, as far as they can be told."""
    reader = _opened(path, storage)
    head = reader.read(0, min(HEADER_BYTES, reader.size_bytes))
    file = RangedFile(reader, 0, reader.size_bytes, _BLOCK_BYTES, read_ahead_bytes(path))
    if is_compressed(head) and not is_header(head):
        stream = open_stream(file, path)
        file = RangedFile(stream, 0, stream.size_bytes, _BLOCK_BYTES)
    number = offset = 0
    while header := file.read(HEADER_BYTES):
        length, data = 0, b""
        try:
            length = read_length(header, "")
            data = file.read(length)
            check_data(data, length, file.read(FOOTER_BYTES), "")
            yield Framed(number, offset, data)
        except InputError as error:
            yield Framed(number, offset, b"", str(error).strip())
            if len(data) < length or not length:  # nothing tells where the next one begins
                return
        number, offset = number + 1, offset + framed_size_bytes(length)


def check_shard(
    path: str,
    name: str,
    storage: Storage,
    check: RecordCheck | None = None,
    advance: Callable[[int], None] = lambda size_bytes: None,
) -> CheckedShard:
    """Looks at each record of a shard.

    Args:
        path: The shard.
        name: What it is called in findings.
        storage: How to reach it.
        check: What to look at in the records; None looks at their checksums alone.
        advance: Is told the bytes of each record.
    """
    checked, left_out = CheckedShard(), 0
    for record in walk_records(path, storage):
        faults = [record.fault]
        if not record.fault:
            advance(framed_size_bytes(len(record.data)))
            checked.records += 1
            faults = _look_into(record, check, checked) if check else []
        for fault in filter(None, faults):
            left_out += len(checked.findings) >= _MAX_FINDINGS
            if len(checked.findings) < _MAX_FINDINGS:
                place = record.number, record.offset_bytes
                checked.findings.append(Finding(name, fault, *place))
    if left_out:
        checked.findings.append(Finding(name, f"has {left_out:,} more findings"))
    return checked


def _look_into(record: Framed, check: RecordCheck, checked: CheckedShard) -> list[str]:
    """The faults of a record's content; counts its class and keeps its name's fingerprint."""
    try:
        features = typed_features(record.data)
    except DecodeError:
        return ["is no tf.train.Example"]
    if wnid := check.class_of(features):
        checked.classes[wnid] += 1
    if name := value_of(features, "name"):
        checked.keys += fingerprint(name, 0)
        checked.numbers.append(record.number)
        checked.offsets.append(record.offset_bytes)
    return list(check.faults(features))
