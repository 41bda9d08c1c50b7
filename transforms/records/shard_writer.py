"""Writing one shard: sort, encode in threads, write aside, publish once."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from imagenet_beam.transforms.elements import Record, Reject
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import frame_parts, framed_size_bytes
from imagenet_beam.transforms.records.receipts import (
    ReceiptBuilder,
    ShardReceipt,
    receipt_name,
    receipt_to_json,
)
from imagenet_beam.transforms.storage.files import AtomicFile, FileStat, Storage, join
from imagenet_beam.transforms.tally import tally
from imagenet_beam.transforms.threads.ordered import OrderedPool

V = TypeVar("V")

WRITE_BYTES = 1 << 20
"""Records are handed to the file in pieces of about this size."""

# zlib's window bits choose the container: RFC 1952 (gzip, with a time of zero in its
# header) or RFC 1950 (zlib).
COMPRESSION_WINDOW_BITS = {"none": 0, "gzip": 31, "zlib": 15}


@dataclass(frozen=True)
class ShardTarget(Generic[V]):
    """Where shards go and how.

    Attributes:
        storage: How to reach the output.
        path_format: The shards' paths, with `%(shard_num)` and `%(num_shards)`.
        num_shards: How many shards there are.
        receipts_dir: Where a receipt of each shard is kept; "" keeps none.
        plan: Fingerprint of the plan that the receipts belong to.
        compression: `none`, `gzip` or `zlib`.
        made_from: What the files that values are read from were when the plan was
            made. A shard is published, and has a receipt, only while they still are.
    """

    path_format: str
    num_shards: int
    storage: Storage = field(default_factory=Storage)
    receipts_dir: str = ""
    plan: str = ""
    compression: str = "none"
    made_from: tuple[FileStat, ...] = ()

    def path(self, shard: int) -> str:
        """The path of one shard."""
        return self.path_format % {"shard_num": shard, "num_shards": self.num_shards}

    def receipt_path(self, shard: int) -> str:
        """The path of its receipt."""
        return join(self.receipts_dir, receipt_name(self.path(shard)))

    def write(
        self,
        shard: int,
        keyed_values: Iterable[tuple[bytes, V]],
        pool: OrderedPool[V, bytes, Record | Reject],
    ) -> ShardReceipt:
        """Writes and publishes one shard, then its receipt.

        Raises:
            InputError: If no value became a record, the output cannot be written, or
                one of the files that values are read from has changed.
        """
        path = self.path(shard)
        ordered = sorted(keyed_values, key=_key)
        outcomes = pool.map(value for _, value in ordered)
        file = self.storage.create(path)
        try:
            builder = write_outcomes(outcomes, file, self.compression)
            _check_complete(path, len(ordered), builder)
            self.storage.check_unchanged(self.made_from)
            file.publish()
        finally:
            file.discard()
        receipt = builder.build(_base_name(path), file.size_bytes, file.crc32c, self.plan)
        if self.receipts_dir:
            self.storage.publish_bytes(self.receipt_path(shard), receipt_to_json(receipt))
        tally.shards += 1
        return receipt


def write_outcomes(
    outcomes: Iterable[Record | Reject], file: AtomicFile, compression: str = "none"
) -> ReceiptBuilder:
    """Frames the records into a file and counts what was seen."""
    builder = ReceiptBuilder()
    for block in _blocks(_framed(outcomes, builder), compression):
        file.write(block)
    return builder


def _framed(outcomes: Iterable[Record | Reject], builder: ReceiptBuilder) -> Iterator[bytes]:
    for outcome in outcomes:
        builder.add(outcome)
        tally.images += 1
        if isinstance(outcome, Reject):
            tally.rejects += 1
            continue
        tally.written_bytes += framed_size_bytes(len(outcome.data))
        yield from frame_parts(outcome.data)


def _blocks(pieces: Iterable[bytes], compression: str) -> Iterator[bytes]:
    """Gathers pieces into blocks of about `WRITE_BYTES`, compressed if asked for."""
    window_bits = COMPRESSION_WINDOW_BITS[compression]
    compressor = zlib.compressobj(wbits=window_bits) if window_bits else None
    gathered: list[bytes] = []
    size_bytes = 0
    for piece in pieces:
        gathered.append(compressor.compress(piece) if compressor else piece)
        size_bytes += len(gathered[-1])
        if size_bytes >= WRITE_BYTES:
            yield b"".join(gathered)
            gathered, size_bytes = [], 0
    gathered.append(compressor.flush() if compressor else b"")
    yield b"".join(gathered)


def _check_complete(path: str, values: int, builder: ReceiptBuilder) -> None:
    """Each value is a record or a reject, and there is at least one record."""
    counted = builder.records + len(builder.rejects)
    if counted != values:
        raise AssertionError(f"{path}: {values} values went in, {counted} came out")
    if builder.records == 0:
        first = builder.rejects[0]
        raise InputError(
            f"{path} would be empty: each of its {values:,} images was rejected, the first, "
            f"{first.filename}, as {first.reason} ({first.detail}); mend the images or ask for "
            "fewer shards"
        )


def _key(keyed: tuple[bytes, V]) -> bytes:
    return keyed[0]


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
