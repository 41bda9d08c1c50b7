"""The figures of the report: what manifest, plan and receipts say, put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imagenet_beam.pipeline.output import MANIFEST, PLAN, OutputFolder
from imagenet_beam.pipeline.reading.found import read_manifest
from imagenet_beam.transforms.elements import Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import sum_counts
from imagenet_beam.transforms.storage.files import is_local

_STAMPS_A_SECOND = {True: 1e9, False: 1e6}
"""The version of a file is its time: nanoseconds, or a generation of gs://, microseconds."""


class Facts(NamedTuple):
    """All figures of a set.

    Attributes:
        manifest: The manifest.
        plan: The content of the plan.
        receipts: Those of the shards of each split, in order.
        sizes: The files of the folder.
        seconds: How long the last run took; 0 where the times of the files do not tell.
        images_done: How many images it did.
    """

    manifest: Mapping[str, Any]
    plan: Mapping[str, Any]
    receipts: Mapping[str, Sequence[ShardReceipt]]
    sizes: Mapping[str, int]
    seconds: float = 0
    images_done: int = 0

    @property
    def splits(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What the manifest says of each split, training images first."""
        known = {"train": 0, "validation": 1, "test": 2}
        return sorted(self.manifest["splits"].items(), key=lambda item: known.get(item[0], 3))

    @property
    def all_receipts(self) -> list[ShardReceipt]:
        """The receipts of all splits."""
        return [receipt for split, _ in self.splits for receipt in self.receipts[split]]

    @property
    def notes(self) -> Mapping[str, int]:
        """How often each thing that is noted was seen."""
        return sum_counts(receipt.notes for receipt in self.all_receipts)

    @property
    def rejects(self) -> list[tuple[str, str, Reject]]:
        """Split, shard and reject, of all."""
        return [
            (split, receipt.name, reject)
            for split, _ in self.splits
            for receipt in self.receipts[split]
            for reject in receipt.rejects
        ]

    def figures(self, kind: str) -> Counter[int]:
        """How many images there are of each size, shape or length; see `figures_of`."""
        total: Counter[int] = Counter()
        for name, count in sum_counts(one.figures for one in self.all_receipts).items():
            found, _, number = name.partition(":")
            if found == kind and number:
                total[int(number)] += count
        return total

    def place_of(self, note: str) -> tuple[str, int]:
        """Split and number of the first record with a note."""
        for split, _ in self.splits:
            start = 0
            for receipt in self.receipts[split]:
                if note in (first := dict(receipt.first_with)):
                    return split, start + first[note]
                start += receipt.records
        raise KeyError(note)


def read_facts(folder: OutputFolder) -> Facts:
    """Reads all that is written of a set, but no shard.

    Raises:
        InputError: If it is not a finished conversion, or a receipt is damaged.
    """
    sizes = folder.storage.list_sizes(folder.directory)
    if PLAN not in sizes:
        there = "is no output folder of this program" if sizes else "does not exist, or is empty"
        raise InputError(f"{folder.directory} {there}; give the `output_dir` of a conversion")
    if MANIFEST not in sizes:
        raise InputError(
            f"{folder.directory} has no {MANIFEST}, so it is no finished conversion; run convert "
            "again, which resumes"
        )
    manifest = read_manifest(folder.path(MANIFEST), folder.storage)
    receipts = {
        split: folder.read_receipts([shard["name"] for shard in entry["shards"]])
        for split, entry in manifest["splits"].items()
    }
    facts = Facts(manifest, folder.read_plan().content, receipts, sizes)
    seconds, images = _last_run(folder, facts)
    return facts._replace(seconds=seconds, images_done=images)


def _last_run(folder: OutputFolder, facts: Facts) -> tuple[float, int]:
    """How long it took and how many images it did, by the times of its files.

    A run begins with the plan and ends with the manifest, and each shard is older than its
    receipt; where that is not so, the folder was copied.
    """
    storage, directory = folder.storage, folder.directory
    stamps = {
        file.path: int(file.version)
        for part in storage.folders(directory)
        for file in storage.files(directory, part)
        if file.version.isdigit()
    }
    start, end = stamps.get(PLAN, 0), stamps.get(MANIFEST, 0)
    images = 0
    for split, entry in facts.splits:
        for shard, receipt in zip(entry["shards"], facts.receipts[split], strict=True):
            written = stamps.get(folder.receipt(shard["name"]), 0)
            if not stamps.get(shard["name"], 0) <= written <= end:
                return 0, 0
            images += receipt.images if written >= start else 0
    if not 0 < start < end or not images:
        return 0, 0
    return (end - start) / _STAMPS_A_SECOND[is_local(directory)], images
