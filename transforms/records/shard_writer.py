"""Writing one shard: sort, encode in threads, write aside, publish once."""

from __future__ import annotations

import dataclasses
import hashlib
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from imagenet_beam.transforms.elements import Record, Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import framed, framed_size_bytes
from imagenet_beam.transforms.records.index import format_index, index_path
from imagenet_beam.transforms.records.receipts import (
    ReceiptBuilder,
    receipt_name,
    receipt_to_json,
)
from imagenet_beam.transforms.records.shards import ShardLayout
from imagenet_beam.transforms.storage.files import AtomicFile, FileStat, Storage, join
from imagenet_beam.transforms.tally import tally

V = TypeVar("V")

WRITE_BYTES = 1 << 20
"""Records are handed to the file in pieces of about this size."""

# zlib's window bits choose the container: RFC 1952 (gzip, with a time of zero in its
# header) or RFC 1950 (zlib).
COMPRESSION_WINDOW_BITS = {"none": 0, "gzip": 31, "zlib": 15}


class FilledShard(NamedTuple):
    """A shard that is written, but has no name yet.

    Attributes:
        path: What it will be called.
        file: What is written, to be published or discarded.
        builder: What its receipt will say.
    """

    path: str
    file: AtomicFile
    builder: ReceiptBuilder


@dataclass(frozen=True)
class ShardTarget:
    """Where shards go and how.

    Attributes:
        storage: How to reach the output.
        path_format: The shards' paths; see `shard_path_format`.
        num_shards: How many shards there are; see `laid_out`.
        receipts_dir: Where a receipt of each shard is kept; "" keeps none.
        plan: Fingerprint of the plan that the receipts belong to.
        compression: `none`, `gzip` or `zlib`.
        index: Whether an index of each uncompressed shard is written, after it.
        index_dir: Where indexes go; "" is beside the shards.
        made_from: What the files that values are read from were when the plan was
            made. A shard is published, and has a receipt, only while they still are.
        plan_file: The path and the SHA-256 of the stored plan; "" where none is. A shard is
            published only while it is there: the folder is still the one of this run.
    """

    path_format: str
    num_shards: int
    storage: Storage = field(default_factory=Storage)
    receipts_dir: str = ""
    plan: str = ""
    compression: str = "none"
    index: bool = False
    index_dir: str = ""
    made_from: tuple[FileStat, ...] = ()
    plan_file: tuple[str, str] = ("", "")

    def laid_out(self, layout: ShardLayout) -> ShardTarget:
        """The same with as many shards as the layout has."""
        return dataclasses.replace(self, num_shards=layout.num_shards)

    def write(
        self,
        shard: int,
        keyed_values: Iterable[tuple[bytes, V]],
        encode: Callable[[Iterable[V]], Iterator[Record | Reject]],
    ) -> ShardReceipt:
        """Fills and publishes one shard, with its receipt; see `fill` and `publish`."""
        return self.publish(self.fill(shard, keyed_values, encode))

    def fill(
        self,
        shard: int,
        keyed_values: Iterable[tuple[bytes, V]],
        encode: Callable[[Iterable[V]], Iterator[Record | Reject]],
    ) -> FilledShard:
        """Writes what goes into one shard aside, to be published.

        Args:
            shard: Its number.
            keyed_values: What goes in, in any order; it is sorted by key.
            encode: Makes one outcome of each value, in their order.

        Raises:
            InputError: If no value became a record, or the output cannot be written.
        """
        path = self.path_format % {"shard_num": shard, "num_shards": self.num_shards}
        ordered = sorted(keyed_values, key=lambda keyed: keyed[0])
        builder = ReceiptBuilder()
        check_kept(self.storage, *self.plan_file)
        file = self.storage.create(path)
        outcomes = encode(value for _, value in ordered)
        try:
            for block in _blocks(_framed(outcomes, builder), self.compression):
                file.write(block)
            _check_complete(path, len(ordered), builder)
        except BaseException:
            file.discard()
            raise
        finally:
            if isinstance(outcomes, Generator):  # else the next shard would wait for its end
                outcomes.close()
        return FilledShard(path, file, builder)

    def publish(self, filled: FilledShard) -> ShardReceipt:
        """Gives a shard its name, then writes its index and its receipt.

        Raises:
            InputError: If the output cannot be written, or one of the files that values are
                read from has changed.
        """
        path, file, builder = filled
        try:
            self.storage.check_unchanged(self.made_from)
            check_kept(self.storage, *self.plan_file)
            file.publish()
        finally:
            file.discard()
        name = path.rpartition("/")[2]
        receipt = builder.build(name, file.size_bytes, file.crc32c, self.plan)
        if self.index:  # before the receipt: a shard that has one is done
            index = format_index(builder.offsets)
            self.storage.publish_bytes(index_path(path, self.index_dir), index)
        if self.receipts_dir:
            receipt_path = join(self.receipts_dir, receipt_name(name))
            self.storage.publish_bytes(receipt_path, receipt_to_json(receipt))
        tally.written(shards=1)
        return receipt


def check_kept(storage: Storage, path: str, sha256: str) -> None:
    """Raises `InputError` unless a run's plan is where the run has put it; "" is no plan."""
    try:
        if not path or hashlib.sha256(storage.read_bytes(path)).hexdigest() == sha256:
            return
        why, cause = f"{path} is another one", None
    except InputError as error:
        why, cause = str(error), error
    raise InputError(
        f"{why}: the output folder was removed, moved or replaced while the job was running; put "
        "it back, or remove what is there, then run the same command again"
    ) from cause


def _framed(outcomes: Iterable[Record | Reject], builder: ReceiptBuilder) -> Iterator[bytes]:
    for outcome in outcomes:
        builder.add(outcome)
        if isinstance(outcome, Reject):
            tally.written(images=1, rejects=1)
            continue
        tally.written(images=1, size_bytes=framed_size_bytes(len(outcome.data)))
        yield from framed(outcome.data)


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
            f"{first.filename}, as {first.reason} ({first.detail}); repair the images or ask for "
            "fewer shards"
        )
