"""The whole conversion as one transform."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton
from apache_beam.transforms.util import WaitOn

from imagenet_beam.pipeline import layout
from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.listing import Listing, SummarizeImages, check_listing
from imagenet_beam.pipeline.manifest import (
    SplitResult,
    build_manifest,
    manifest_json,
    rejects_jsonl,
)
from imagenet_beam.pipeline.prepare import Prepared, prepare
from imagenet_beam.transforms.core.classes import classes_csv, labels_txt
from imagenet_beam.transforms.core.receipts import ShardReceipt, receipt_from_json
from imagenet_beam.transforms.core.records import LabeledImage
from imagenet_beam.transforms.encoders import ImageEncoder
from imagenet_beam.transforms.files import join
from imagenet_beam.transforms.join_labels import JoinLabels, LoadLabels
from imagenet_beam.transforms.labels import Labels
from imagenet_beam.transforms.list_images import ListImages
from imagenet_beam.transforms.write_to_tfrecord import WriteToTFRecord

_RECEIPT_THREADS = 16


class ConvertImages(beam.PTransform):
    """Converts archives to sharded TFRecords: PBegin → PCollection[str], the manifest's path.

    The element appears when everything is written. Building the transform checks
    the inputs and writes the plan into the output folder; shards that an earlier
    run with the same plan has published are not written again.

    Args:
        config: What to convert; or the result of `prepare`, where that was done
            before, to tell the user what it found.

    Raises:
        InputError: If something is missing or wrong.
    """

    def __init__(self, config: ConvertConfig | Prepared) -> None:
        super().__init__()
        self._prepared = config if isinstance(config, Prepared) else prepare(config)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[str]:
        """One chain for each split, then the manifest."""
        config = self._prepared.config
        labels = begin | "LoadLabels" >> LoadLabels(config.labels, config.storage)
        listed = [
            begin.pipeline | f"List{split.name.capitalize()}" >> _ListSplit(config, split, labels)
            for split in config.splits
        ]
        listings = [listing for _, listing in listed]
        sides = []
        for split, (images, listing) in zip(config.splits, listed, strict=True):
            receipts = images | f"Write{split.name.capitalize()}" >> _WriteSplit(
                self._prepared, split, listings
            )
            sides += [AsSingleton(listing), AsList(receipts)]
        return (
            begin
            | "Finally" >> beam.Create([None])
            | "WriteManifest"
            >> beam.Map(
                _write_manifest, self._prepared, AsSingleton(labels), *sides
            ).with_output_types(str)
        )


class _ListSplit(beam.PTransform):
    """Lists, labels and checks one split."""

    def __init__(
        self, config: ConvertConfig, split: SplitConfig, labels: beam.PCollection[Labels]
    ) -> None:
        super().__init__()
        self._config = config
        self._split = split
        self._labels = labels

    def expand(
        self, begin: beam.pvalue.PBegin
    ) -> tuple[beam.PCollection[LabeledImage], beam.PCollection[Listing]]:
        config, split = self._config, self._split
        images = (
            begin
            | "Archives" >> beam.Create(split.archives)
            | "ListImages" >> ListImages(config.storage)
            | "JoinLabels" >> JoinLabels(self._labels, split.label_from)
        )
        listing = (
            images
            | "Summarize" >> SummarizeImages(split.name)
            | "CheckListing"
            >> beam.Map(check_listing, AsSingleton(self._labels), split, config.expect)
        )
        return images, listing


class _WriteSplit(beam.PTransform):
    """Writes one split, once the listings of all splits have been found right."""

    def __init__(
        self,
        prepared: Prepared,
        split: SplitConfig,
        listings: Sequence[beam.PCollection[Listing]],
    ) -> None:
        super().__init__()
        self._prepared = prepared
        self._split = split
        self._listings = listings

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[ShardReceipt]:
        return (
            images | "AwaitChecks" >> WaitOn(*self._listings) | "WriteToTFRecord" >> self._writer()
        )

    def _writer(self) -> WriteToTFRecord:
        config, split = self._prepared.config, self._split
        return WriteToTFRecord(
            join(config.output_dir, config.prefix(split)),
            num_shards=split.num_shards,
            encode=ImageEncoder(config.image, config.schema, config.storage),
            seed=config.shuffle_seed,
            shuffle=config.shuffle,
            storage=config.storage,
            receipts_dir=layout.receipts_dir(config.output_dir),
            plan=self._prepared.plan.fingerprint,
            done_shards=self._prepared.done[split.name],
            threads=config.threads,
            read_threads=config.read_threads,
        )


def _write_manifest(_: None, prepared: Prepared, labels: Labels, *sides: Any) -> str:
    """Writes everything that stands beside the shards, the manifest last."""
    config = prepared.config
    results = [
        SplitResult(split, listing, [*receipts, *_stored_receipts(prepared, split)])
        for split, listing, receipts in zip(config.splits, sides[::2], sides[1::2], strict=True)
    ]
    manifest = build_manifest(config, labels, results, prepared.plan.fingerprint)
    storage, folder = config.storage, config.output_dir
    storage.publish_bytes(join(folder, layout.LABELS), labels_txt(labels.classes).encode())
    storage.publish_bytes(join(folder, layout.CLASSES), classes_csv(labels.classes).encode())
    storage.publish_bytes(join(folder, layout.REJECTS), rejects_jsonl(config, results))
    for name in prepared.stale:
        storage.remove(join(folder, name))
    path = join(folder, layout.MANIFEST)
    storage.publish_bytes(path, manifest_json(manifest))
    return path


def _stored_receipts(prepared: Prepared, split: SplitConfig) -> list[ShardReceipt]:
    """The receipts of the shards that were there before this run."""
    config = prepared.config
    names = config.shard_names(split)

    def read(shard: int) -> ShardReceipt:
        path = join(config.output_dir, layout.receipt_name(names[shard]))
        return receipt_from_json(config.storage.read_bytes(path), path)

    with ThreadPoolExecutor(_RECEIPT_THREADS) as pool:
        return list(pool.map(read, sorted(prepared.done[split.name])))
