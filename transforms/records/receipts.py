"""Receipts of published shards: counted, written, read back for resuming."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

from imagenet_beam.transforms.elements import Record, Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import framed_size_bytes


class ReceiptBuilder:
    """Counts what goes into one shard, and where each record begins in it."""

    def __init__(self) -> None:
        self.records = 0
        self.offsets = array("Q", [0])
        self.rejects: list[Reject] = []
        self._class_counts: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()

    def add(self, outcome: Record | Reject) -> None:
        """Counts one outcome."""
        if isinstance(outcome, Reject):
            self.rejects.append(outcome)
            return
        self.records += 1
        self.offsets.append(self.offsets[-1] + framed_size_bytes(len(outcome.data)))
        if outcome.wnid:
            self._class_counts[outcome.wnid] += 1
        if outcome.notes:
            self._notes.update(outcome.notes)

    def build(self, name: str, size_bytes: int, crc32c: int, plan: str) -> ShardReceipt:
        """The receipt of the file that holds the records."""
        return ShardReceipt(
            name=name,
            images=self.records + len(self.rejects),
            records=self.records,
            size_bytes=size_bytes,
            crc32c=crc32c,
            class_counts=tuple(sorted(self._class_counts.items())),
            notes=tuple(sorted(self._notes.items())),
            rejects=tuple(self.rejects),
            plan=plan,
        )


def receipt_name(shard: str) -> str:
    """The file name of a shard's receipt; folders in the shard's name are left out."""
    return shard.rpartition("/")[2] + ".json"


def receipt_to_json(receipt: ShardReceipt) -> bytes:
    """One line of JSON with sorted keys: equal receipts give equal bytes."""
    fields = receipt._asdict()
    fields["class_counts"] = dict(receipt.class_counts)
    fields["notes"] = dict(receipt.notes)
    fields["rejects"] = [reject._asdict() for reject in receipt.rejects]
    fields["crc32c"] = f"{receipt.crc32c:08x}"
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def receipt_from_json(data: bytes, path: str) -> ShardReceipt:
    """Reads a receipt back.

    Raises:
        InputError: If this is not a receipt; the message names the path.
    """
    try:
        fields = json.loads(data)
        fields["class_counts"] = tuple(sorted(fields["class_counts"].items()))
        fields["notes"] = tuple(sorted(fields["notes"].items()))
        fields["rejects"] = tuple(Reject(**reject) for reject in fields["rejects"])
        fields["crc32c"] = int(fields["crc32c"], 16)
        receipt = ShardReceipt(**fields)
        # JSON tells nothing of types, and a receipt decides what is not written again.
        counts = (receipt.images, receipt.records, receipt.size_bytes)
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError("its counts are no numbers")
        if receipt.images != receipt.records + len(receipt.rejects):
            raise ValueError("its records and rejects are not its images")
        return receipt
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a receipt of this program ({error}); remove it and run again"
        ) from error


def sum_counts(counts: Iterable[Iterable[tuple[str, int]]]) -> Mapping[str, int]:
    """Adds up counts of several receipts, sorted by name."""
    total: Counter[str] = Counter()
    for part in counts:
        total.update(dict(part))
    return dict(sorted(total.items()))
