"""How far a job has come, told by the receipts of the shards that it has published."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from imagenet_beam.pipeline import layout
from imagenet_beam.pipeline.prepare import Prepared
from imagenet_beam.runners.progress import Snapshot
from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.receipts import ShardReceipt, receipt_from_json
from imagenet_beam.transforms.files import join

_READ_THREADS = 8
_SUFFIX = ".json"


class ReceiptProgress:
    """Counts the shards of one run as they appear in the output folder.

    Runners do not give their metrics away while a job runs, or not all of them. The
    receipts are there on each of them, and say how many images a shard has.

    Attributes:
        state: The runner's word for the job's state; set by the follower.
    """

    def __init__(self, prepared: Prepared) -> None:
        config = prepared.config
        self.state = ""
        self._storage = config.storage
        self._folder = layout.receipts_dir(config.output_dir)
        self._awaited = {
            name: split.name
            for split in config.splits
            for shard, name in enumerate(config.shard_names(split))
            if shard not in prepared.done[split.name]
        }
        self._plan = prepared.plan.fingerprint
        self._seen: dict[str, ShardReceipt] = {}

    def snapshot(self) -> Snapshot:
        """Lists the receipts, and reads those that are new."""
        # A listing that fails now succeeds later; the job does not depend on it.
        with contextlib.suppress(InputError, OSError):
            self._read_new()
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
        names = (name.removesuffix(_SUFFIX) for name in self._storage.list_sizes(self._folder))
        new = [name for name in names if name in self._awaited and name not in self._seen]
        with ThreadPoolExecutor(_READ_THREADS) as pool:
            for name, receipt in zip(new, pool.map(self._read, new), strict=True):
                if receipt.plan == self._plan:
                    self._seen[name] = receipt

    def _read(self, name: str) -> ShardReceipt:
        path = join(self._folder, name + _SUFFIX)
        return receipt_from_json(self._storage.read_bytes(path), path)

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
