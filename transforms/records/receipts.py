"""Receipts of published shards: counted, written, read back for resuming."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import google_crc32c

from imagenet_beam.transforms.elements import Record, Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import plain_json
from imagenet_beam.transforms.records.framing import framed_size_bytes
from imagenet_beam.transforms.records.state import parse_state

_PAIRS = ("class_counts", "notes", "figures", "first_with")
_FORM = {
    **dict.fromkeys(("name", "crc32c", "plan"), str),
    **dict.fromkeys(("images", "records", "size_bytes"), int),
    **{name: {...: int} for name in _PAIRS},
    "rejects": [{**dict.fromkeys(Reject._fields, str), "offset_bytes": int, "size_bytes": int}],
}
_PER_OCTAVE = 8


class ReceiptBuilder:
    """Counts what goes into one shard, and where each record begins in it."""

    def __init__(self) -> None:
        self.records = 0
        self.offsets = array("Q", [0])
        self.rejects: list[Reject] = []
        self._class_counts: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._lengths: Counter[int] = Counter()
        self._image_bytes = 0
        self._first_with: dict[str, int] = {}

    def add(self, outcome: Record | Reject) -> None:
        """Counts one outcome."""
        if isinstance(outcome, Reject):
            self.rejects.append(outcome)
            return
        self.offsets.append(self.offsets[-1] + framed_size_bytes(len(outcome.data)))
        if outcome.wnid:
            self._class_counts[outcome.wnid] += 1
        for note in outcome.notes:
            self._notes[note] += 1
            self._first_with.setdefault(note, self.records)
        if outcome.width:
            self._sizes[outcome.width, outcome.height] += 1
            self._lengths[_low(outcome.image_bytes)] += 1
            self._image_bytes += outcome.image_bytes
        self.records += 1

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
            figures=tuple(sorted(self._figures().items())),
            first_with=tuple(sorted(self._first_with.items())),
        )

    def _figures(self) -> Counter[str]:
        """The classes that the images are counted in, and the bytes of all."""
        counts = Counter({f"bytes:{low}": count for low, count in self._lengths.items()})
        for size, count in self._sizes.items():
            counts.update(dict.fromkeys(figures_of(*size), count))
        if self._sizes:
            counts["image_bytes"] = self._image_bytes
        return counts


def figures_of(width: int, height: int) -> tuple[str, str, str]:
    """The classes of width, height and shape that an image is counted in: `width:256`.

    A number stands for those from it on: there are eight steps from each power of two to the
    next, so that numbers up to 16 stand for themselves. Shapes are tenths of width : height.
    """
    return f"width:{_low(width)}", f"height:{_low(height)}", f"shape:{10 * width // height}"


def figure_step(value: int) -> int:
    """How wide the class is that a number is counted in."""
    return max(1, (1 << max(0, value.bit_length() - 1)) // _PER_OCTAVE)


def _low(value: int) -> int:
    step = figure_step(value)
    return value // step * step


def receipt_name(shard: str) -> str:
    """The file name of a shard's receipt; folders in the shard's name are left out."""
    return shard.rpartition("/")[2] + ".json"


def receipt_to_json(receipt: ShardReceipt) -> bytes:
    """One line of JSON with sorted keys and a checksum: equal receipts give equal bytes."""
    fields = receipt._asdict()
    fields |= {name: dict(fields[name]) for name in _PAIRS}
    fields["rejects"] = [reject._asdict() for reject in receipt.rejects]
    fields["crc32c"] = f"{receipt.crc32c:08x}"
    return _line({**fields, "check": checksum_of(fields)})


def receipt_from_json(data: bytes, path: str) -> ShardReceipt:
    """Reads a receipt back.

    Raises:
        InputError: If this is not a receipt, or no longer what was written; the message
            names the path.
    """
    try:
        fields = parse_state(data, _FORM)
        check = fields.pop("check", "")
        fields |= {name: tuple(sorted(fields[name].items())) for name in _PAIRS}
        fields["rejects"] = tuple(Reject(**reject) for reject in fields["rejects"])
        fields["crc32c"] = int(fields["crc32c"], 16)
        receipt = ShardReceipt(**fields)
        if min(receipt.images, receipt.records, receipt.size_bytes) < 0:
            raise ValueError("its counts are less than nothing")
        if receipt.images != receipt.records + len(receipt.rejects):
            raise ValueError("its records and rejects are not its images")
        if receipt_to_json(receipt) != data:
            raise ValueError(f"it was altered: its checksum is not {check or 'there'}")
        return receipt
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a receipt of this program ({error}); remove it and run again"
        ) from error


def checksum_of(content: Mapping[str, Any]) -> str:
    """The crc32c of a file's content as JSON, which stands in the file: edits are noticed."""
    return f"{google_crc32c.value(_line(content)):08x}"


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def sum_counts(counts: Iterable[Iterable[tuple[str, int]]]) -> Mapping[str, int]:
    """Adds up counts of several receipts, sorted by name."""
    total: Counter[str] = Counter()
    for part in counts:
        total.update(dict(part))
    return dict(sorted(total.items()))


def totals(receipts: Sequence[ShardReceipt]) -> dict[str, Any]:
    """What the receipts of a split come to, as its manifest says it."""
    rejects = [reject for receipt in receipts for reject in receipt.rejects]
    return {
        "images": sum(receipt.images for receipt in receipts),
        "records": sum(receipt.records for receipt in receipts),
        "rejects": len(rejects),
        "reject_reasons": dict(sorted(Counter(reject.reason for reject in rejects).items())),
        "notes": sum_counts(receipt.notes for receipt in receipts),
        "bytes": sum(receipt.size_bytes for receipt in receipts),
    }


def class_totals(
    class_counts: Mapping[str, int], receipts: Sequence[ShardReceipt]
) -> dict[str, list[int]]:
    """For each class: [images, records]; "" is not one.

    Args:
        class_counts: What the class counts of the receipts come to, which they may lack: in all
            shards together there are as many of them as images, almost.
        receipts: Tell of the rejects.
    """
    records = Counter(class_counts)
    images = records + Counter(reject.wnid for one in receipts for reject in one.rejects)
    return {wnid: [images[wnid], records[wnid]] for wnid in sorted(images) if wnid}


def shard_entry(receipt: ShardReceipt, name: str) -> dict[str, Any]:
    """What the manifest says of one shard."""
    return {
        "name": name,
        "records": receipt.records,
        "rejects": len(receipt.rejects),
        "bytes": receipt.size_bytes,
        "crc32c": f"{receipt.crc32c:08x}",
    }


def reject_lines(split: str, receipts: Sequence[ShardReceipt]) -> str:
    """One line of JSON for each reject, with its split and shard; in the shards' order."""
    return "".join(
        plain_json(
            json.dumps({"split": split, "shard": one.name, **reject._asdict()}, ensure_ascii=False)
        )
        + "\n"
        for one in receipts
        for reject in one.rejects
    )
