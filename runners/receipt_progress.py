"""How far a job has come, told by the receipts of the shards that it has published."""

from __future__ import annotations

import contextlib
import time

from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.runners.progress import Snapshot
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import receipt_name
from imagenet_beam.transforms.storage.files import is_local

_REMOTE_LISTING_SECONDS = 10.0
"""Listings of `gs://` are charged by the request."""


class ReceiptProgress:
    """Counts the shards of one run as they appear in the output folder.

    Runners do not give their metrics away while a job runs, or not all of them. The
    receipts are there on each of them, and say how many images a shard has.

    Args:
        conversion: The run.
        listing_seconds: How often the receipts are listed at most; by default each time
            for a folder of this machine, seldom where listings are charged.

    Attributes:
        state: The runner's word for the job's state; set by the follower.
    """

    def __init__(self, conversion: Conversion, listing_seconds: float | None = None) -> None:
        config = conversion.config
        self.state = ""
        self._output = conversion.output
        self._awaited = {
            name: split.name
            for split in config.splits
            for shard, name in enumerate(config.shard_names(split))
            if shard not in conversion.done[split.name]
        }
        self._plan = conversion.plan.fingerprint
        self._seen: dict[str, ShardReceipt] = {}
        if listing_seconds is None:
            listing_seconds = 0.0 if is_local(config.output_dir) else _REMOTE_LISTING_SECONDS
        self._listing_seconds = listing_seconds
        self._next_listing = 0.0

    def snapshot(self) -> Snapshot:
        """Counts what the receipts say; looks for new ones now and then."""
        now = time.monotonic()
        if now >= self._next_listing:
            # A listing that fails now succeeds later; the job does not depend on it.
            with contextlib.suppress(InputError, OSError):
                self._read_new()
            self._next_listing = now + self._listing_seconds
        receipts = self._seen.values()
        return Snapshot(
            images_listed=0,
            total=self._total_images(),
            images=sum(receipt.images for receipt in receipts),
            written_bytes=sum(receipt.size_bytes for receipt in receipts),
            rejects=sum(len(receipt.rejects) for receipt in receipts),
            shards=len(self._seen),
            state=self.state,
            shards_total=len(self._awaited),
        )

    def _read_new(self) -> None:
        present = self._output.receipts_present()
        new = [
            name
            for name in self._awaited
            if name not in self._seen and receipt_name(name) in present
        ]
        for name, receipt in zip(new, self._output.read_receipts(new), strict=True):
            if receipt.plan == self._plan:
                self._seen[name] = receipt

    def _total_images(self) -> int:
        """An estimate: shards of a split differ by one image at most; 0 while one has none."""
        total = 0.0
        for split in set(self._awaited.values()):
            shards = [name for name, its_split in self._awaited.items() if its_split == split]
            images = [self._seen[name].images for name in shards if name in self._seen]
            if not images:
                return 0
            total += sum(images) / len(images) * len(shards)
        return round(total)
