"""The manifest: every image accounted for, and what the shards are made of."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.listing import Listing
from imagenet_beam.pipeline.plan import options
from imagenet_beam.transforms.boxes.index import BoxCounts
from imagenet_beam.transforms.elements import PassedOver, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import libraries
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.records.receipts import (
    class_totals,
    reject_lines,
    shard_entry,
    totals,
)
from imagenet_beam.transforms.storage.files import join

FORMAT = 1


class SplitResult(NamedTuple):
    """All that is known of a split once its shards are published.

    Attributes:
        split: The split.
        found: What its archives hold.
        listing: What of it was converted.
        class_counts: The records of each class in all shards.
        receipts: Those of all shards, as `reconcile` orders them; they may lack their class counts.
        passed: What of its archives was passed over.
    """

    split: SplitConfig
    found: Listing
    listing: Listing
    class_counts: Mapping[str, int]
    receipts: Sequence[ShardReceipt]
    passed: PassedOver = PassedOver()


def shard_names(config: ConvertConfig, result: SplitResult) -> list[str]:
    """The names of a split's shards, now that its images are known."""
    return config.shard_names(result.split, result.split.shards_of(result.listing.images))


def reconcile(config: ConvertConfig, result: SplitResult) -> list[ShardReceipt]:
    """Puts the receipts in order, and checks that nothing is lost or doubled.

    Raises:
        RuntimeError: If a shard is missing.
        InputError: If the images listed are not the records and rejects of the shards, in all
            and for each class: a receipt of an earlier run was altered.
    """
    by_name = {receipt.name: receipt for receipt in result.receipts}
    names = [name.rpartition("/")[2] for name in shard_names(config, result)]
    missing = [name for name in names if name not in by_name]
    if missing or len(by_name) != len(names):
        raise RuntimeError(
            f"{len(missing)} of {len(names)} shards of {result.split.name} are missing, the first "
            f"{missing[:1]}; run the same command again"
        )
    receipts = [by_name[name] for name in names]
    _check_counts(config, result, receipts)
    return receipts


def _check_counts(
    config: ConvertConfig, result: SplitResult, receipts: Sequence[ShardReceipt]
) -> None:
    counted = Counter(result.class_counts)
    for receipt in receipts:
        counted.update(reject.wnid for reject in receipt.rejects)
    listed_images, shards = result.listing.images, len(receipts)
    for number, receipt in enumerate(receipts):  # as `cut_shards` does it
        images = listed_images * (number + 1) // shards - listed_images * number // shards
        if receipt.images != images:
            raise InputError(
                f"{join(config.output_dir, shard_names(config, result)[number])} has "
                f"{receipt.images:,} images by its receipt, and {images:,} by its archives; remove "
                "it and run the same command again, which writes it anew"
            )
    listed = result.listing.class_counts
    if listed.keys() == {""}:  # a split without classes
        return
    wrong = [wnid for wnid in {*listed, *counted} if listed.get(wnid, 0) != counted[wnid]]
    if wrong:
        raise InputError(
            f"the images of {len(wrong)} classes of {result.split.name} ({sorted(wrong)[0]}) are "
            f"not all in the receipts of {config.output_dir}; run again with `overwrite`"
        )


def build_manifest(
    config: ConvertConfig,
    labels: Labels,
    results: Sequence[SplitResult],
    plan: str,
    boxes: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The manifest's content: a function of inputs and options, without clock or host."""
    lacks_names = bool(config.labels.class_names) and labels.named < len(labels.classes)
    return {
        "format": FORMAT,
        "plan": plan,
        "options": options(config),
        "libraries": libraries(),
        "version": _version(),
        "classes": {
            "count": len(labels.classes),
            "label_base": labels.classes.base,
            "label_order": labels.classes.order,
            **({"in_class_names": labels.named} if lacks_names else {}),
        },
        **({"bounding_boxes": boxes} if boxes is not None else {}),
        "splits": {result.split.name: split_entry(config, result, labels) for result in results},
    }


def _version() -> str:
    """This program's version; "" where it was brought along without being installed."""
    try:
        return importlib.metadata.version("imagenet-beam")
    except importlib.metadata.PackageNotFoundError:
        return ""


def boxes_entry(counts: BoxCounts, listings: Sequence[Listing]) -> dict[str, int]:
    """What the manifest says of bounding boxes.

    Args:
        counts: What was read.
        listings: What the archives hold, before anything was left out, each once.
    """
    with_image = sum(listing.boxes for listing in listings)
    # A name without its class may stand for several images, which all get its boxes.
    return {**counts._asdict(), "without_image": max(0, counts.boxes - with_image)}


def split_entry(config: ConvertConfig, result: SplitResult, labels: Labels) -> dict[str, Any]:
    """What the manifest says of one split."""
    receipts, names = result.receipts, shard_names(config, result)
    entry: dict[str, Any] = {
        **totals(receipts),
        "image_bytes": result.listing.size_bytes,
        "passed_over": {"counts": result.passed.counts, "names": list(result.passed.names)},
        "misplaced": {
            "images": result.listing.misplaced,
            "first": list(map(list, result.listing.first_misplaced)),
        },
        "classes": class_totals(result.class_counts, receipts),
        "shards": list(map(shard_entry, receipts, names)),
    }
    if result.found.folders:
        entry["class_folders"] = dict(result.found.folders)
    source = config.labels  # folders that are classes by their own names are no official archive's
    is_own = source.any_names and source.are_classes_found
    if result.split.official_images and result.split.selection.takes_all and not is_own:
        entry["official_images"] = result.split.official_images
        entry["is_official_count"] = result.listing.images == result.split.official_images
    if result.split.label_from == "number" and labels.truth:
        entry["labels_given"], entry["images_found"] = len(labels.truth), result.found.images
    return entry


def rejects_jsonl(results: Sequence[SplitResult]) -> bytes:
    """One line of JSON for each reject, split by split."""
    lines = (reject_lines(result.split.name, result.receipts) for result in results)
    return "".join(lines).encode()
