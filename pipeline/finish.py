"""The end of a conversion: receipts and listings become the manifest and what stands beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.manifest import (
    SplitResult,
    boxes_entry,
    build_manifest,
    reconcile,
    rejects_jsonl,
    shard_names,
)
from imagenet_beam.pipeline.output import CLASSES, LABELS, REJECTS
from imagenet_beam.transforms.archives.passed import sum_passed
from imagenet_beam.transforms.boxes.index import BoxCounts
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.labels.classes import classes_csv, labels_txt
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.framing import framed_size_bytes
from imagenet_beam.transforms.records.schemas import RecordSet, SplitShards, find_schema
from imagenet_beam.transforms.records.shard_writer import check_kept

_RECEIPTS_AT_ONCE = 64


def write_manifest(
    _: bytes, conversion: Conversion, labels: Labels, boxes: BoxCounts | None, *sides: Any
) -> str:
    """Writes everything that stands beside the shards, the manifest last.

    The side inputs are, of each split: what its archives hold, what of it was converted, what
    was passed over, the records of each class in the shards that this run has written, and these
    shards' receipts.
    """
    conversion.check_unchanged()
    check_kept(conversion.storage, *conversion.output.plan_file(conversion.plan))
    conversion.add_indexes()
    config = conversion.config
    results = []
    for number, split in enumerate(conversion.splits):
        found, listing, passed, counts, receipts = sides[5 * number : 5 * number + 5]
        counts, receipts = Counter(counts), list(receipts)
        for stored in _stored_receipts(conversion, split):
            counts.update(dict(stored.class_counts))
            receipts.append(stored._replace(class_counts=()))
        result = SplitResult(split, found, listing, counts, receipts, sum_passed(passed))
        results.append(result._replace(receipts=reconcile(config, result)))
    entry = None
    if boxes is not None:  # held-out images are listed with the split that they are taken from
        listed = [one.found for one in results if not one.split.selection.is_holdout]
        entry = boxes_entry(boxes, listed)
    metadata = find_schema(config.schema).metadata(_record_set(config, labels, results))
    beside = {
        LABELS: labels_txt(labels.classes).encode(),
        CLASSES: classes_csv(labels.classes).encode(),
        REJECTS: rejects_jsonl(results),
        **{config.beside(name): data for name, data in metadata.items()},
    }
    manifest = build_manifest(config, labels, results, conversion.plan.fingerprint, entry)
    shards: dict[str, ShardReceipt] = {}
    for result in results:
        shards |= zip(shard_names(config, result), result.receipts, strict=True)
    stale = [name for name in conversion.stale if name not in shards]
    return conversion.output.publish(beside, manifest, shards, stale)


def _record_set(config: ConvertConfig, labels: Labels, results: Sequence[SplitResult]) -> RecordSet:
    """What the schema is told of the records."""
    splits = []
    for result in results:
        lengths = [receipt.records for receipt in result.receipts]
        size_bytes = sum(receipt.size_bytes for receipt in result.receipts)
        framing_bytes = framed_size_bytes(0) * sum(lengths)
        splits.append(SplitShards(result.split.name, lengths, size_bytes - framing_bytes))
    classes = [info.wnid for info in labels.classes.classes]
    image_format = config.image.output_format.lower()
    return RecordSet(config.dataset_name, classes, config.channels, image_format, splits)


def _stored_receipts(conversion: Conversion, split: SplitConfig) -> Iterator[ShardReceipt]:
    """The receipts of the shards that were there before this run, not all in memory at once."""
    names = conversion.shard_names(split)
    done = [names[shard] for shard in sorted(conversion.done[split.name])]
    for start in range(0, len(done), _RECEIPTS_AT_ONCE):
        yield from conversion.output.read_receipts(done[start : start + _RECEIPTS_AT_ONCE])
