"""The whole conversion as one transform."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, AsSingleton
from apache_beam.transforms.util import WaitOn

from imagenet_beam.pipeline import layout
from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.listing import (
    Listing,
    SummarizeImages,
    check_listing,
    check_selected,
)
from imagenet_beam.pipeline.manifest import (
    SplitResult,
    boxes_entry,
    build_manifest,
    manifest_json,
    reconcile,
    rejects_jsonl,
)
from imagenet_beam.pipeline.prepare import Prepared, check_unchanged, prepare, unfinished
from imagenet_beam.transforms.boxes.index import BoxCounts, BoxIndex
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.encoders import ImageEncoder
from imagenet_beam.transforms.image_steps import CarriedImageEncoder, ImageBytes
from imagenet_beam.transforms.join_boxes import JoinBoxes, LoadBoxes
from imagenet_beam.transforms.join_labels import FindClasses, JoinLabels, LoadLabels
from imagenet_beam.transforms.labels.classes import classes_csv, labels_txt
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.list_images import ListImages, StreamImages
from imagenet_beam.transforms.records.receipts import ShardReceipt, receipt_from_json
from imagenet_beam.transforms.records.shards import ShardPlan
from imagenet_beam.transforms.records.tfds import TfdsSplit, tfds_files
from imagenet_beam.transforms.select_images import Choice, SelectImages
from imagenet_beam.transforms.storage.files import join
from imagenet_beam.transforms.write_to_tfrecord import PlanShards, WriteToTFRecord

_RECEIPT_THREADS = 16


class ConvertImages(beam.PTransform):
    """Converts archives to sharded TFRecords: PBegin → PCollection[str], the manifest's path.

    The element appears when everything is written. Building the transform checks
    the inputs and writes the plan into the output folder; shards that an earlier
    run with the same plan has published are not written again. It does not lock the
    folder, not knowing how long the job lives: see `pipeline.prepare.exclusive`.

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
        refs = [
            begin.pipeline | f"List{split.name.capitalize()}" >> _ListSplit(config, split)
            for split in config.splits
        ]
        labels = _load_labels(begin, config, refs)
        boxes = _load_boxes(begin, self._prepared)
        labeled = [
            images | f"Label{split.name.capitalize()}" >> _LabelSplit(config, split, labels, boxes)
            for split, images in zip(config.splits, refs, strict=True)
        ]
        checks = tuple(check for split in labeled for check in (split.found, split.listing))
        results = []
        for split, found in zip(config.splits, labeled, strict=True):
            receipts = found.images | f"Write{split.name.capitalize()}" >> _WriteSplit(
                self._prepared, split, found, (labels, boxes), checks
            )
            results += [AsSingleton(found.found), AsSingleton(found.listing), AsList(receipts)]
        if boxes is not None:
            counts = boxes | "CountBoxes" >> beam.Map(_box_counts)
            results.append(AsSingleton(counts))
        return (
            begin
            | "Finally" >> beam.Create([None])
            | "WriteManifest"
            >> beam.Map(
                _write_manifest, self._prepared, AsSingleton(labels), *results
            ).with_output_types(str)
        )


class _Labeled(NamedTuple):
    """One split, labelled and checked.

    Attributes:
        images: The images to convert.
        found: What the archives hold.
        listing: What of it is converted.
        choice: What that was chosen by; None where nothing is left out.
    """

    images: beam.PCollection[LabeledImage]
    found: beam.PCollection[Listing]
    listing: beam.PCollection[Listing]
    choice: Choice | None


def _load_boxes(begin: beam.pvalue.PBegin, prepared: Prepared) -> beam.PCollection[BoxIndex] | None:
    config = prepared.config
    if not config.bounding_boxes:
        return None
    return begin | "LoadBoxes" >> LoadBoxes(config.bounding_boxes, config.storage, prepared.boxes)


def _load_labels(
    begin: beam.pvalue.PBegin, config: ConvertConfig, refs: Sequence[beam.PCollection[ImageRef]]
) -> beam.PCollection[Labels]:
    """What the label files say; without a list of classes, the classes that were listed."""
    labels = begin | "LoadLabels" >> LoadLabels(config.labels, config.storage)
    if not config.labels.are_classes_found:
        return labels
    with_classes = [
        images
        for split, images in zip(config.splits, refs, strict=True)
        if split.label_from != "none"
    ]
    return (
        tuple(with_classes)
        | "ListedImages" >> beam.Flatten(pipeline=begin.pipeline)
        | "FindClasses" >> FindClasses(labels, config.labels)
    )


class _ListSplit(beam.PTransform):
    """Lists one split."""

    def __init__(self, config: ConvertConfig, split: SplitConfig) -> None:
        super().__init__()
        self._config = config
        self._split = split

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[ImageRef]:
        config, split = self._config, self._split
        return (
            begin
            | "Archives" >> beam.Create(split.archives)
            | "ListImages" >> ListImages(config.storage, split.kind, split.part)
        )


class _LabelSplit(beam.PTransform):
    """Labels and checks one split."""

    def __init__(
        self,
        config: ConvertConfig,
        split: SplitConfig,
        labels: beam.PCollection[Labels],
        boxes: beam.PCollection[BoxIndex] | None,
    ) -> None:
        super().__init__()
        self._config = config
        self._split = split
        self._labels = labels
        self._boxes = boxes

    def expand(self, refs: beam.PCollection[ImageRef]) -> _Labeled:
        config, split = self._config, self._split
        images = refs | "JoinLabels" >> JoinLabels(self._labels, split.label_from)
        if self._boxes is not None:
            images = images | "JoinBoxes" >> JoinBoxes(self._boxes)
        found = (
            images
            | "Summarize" >> SummarizeImages(split.name)
            | "CheckListing"
            >> beam.Map(
                check_listing, AsSingleton(self._labels), split, config.labels, config.expect
            ).with_output_types(Listing)
        )
        if split.selection.takes_all:
            return _Labeled(images, found, found, None)
        choice = Choice(split.selection, images, config.storage)
        selected = images | "SelectImages" >> SelectImages(choice)
        listing = (
            selected
            | "SummarizeSelected" >> SummarizeImages(split.name)
            | "CheckSelected"
            >> beam.Map(
                check_selected, AsDict(choice.names), split, config.expect
            ).with_output_types(Listing)
        )
        return _Labeled(selected, found, listing, choice)


class _WriteSplit(beam.PTransform):
    """Writes one split, once the listings of all splits have been found right."""

    def __init__(
        self,
        prepared: Prepared,
        split: SplitConfig,
        labeled: _Labeled,
        sides: tuple[beam.PCollection[Labels], beam.PCollection[BoxIndex] | None],
        checks: tuple[beam.PCollection[Listing], ...],
    ) -> None:
        super().__init__()
        self._prepared = prepared
        self._split = split
        self._choice = labeled.choice
        self._labels, self._boxes = sides
        self._checks = tuple(dict.fromkeys(checks))

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[ShardReceipt]:
        config, split, encoder = self._prepared.config, self._split, self._encoder()
        # Planned beside the checks, not after them: runners then keep one copy of the
        # references between the two, not two.
        plan = images | "PlanShards" >> PlanShards(split.num_shards, encoder, config.shuffle_seed)
        if split.streamed:
            carried = self._stream(images)
            return carried | "WriteToTFRecord" >> self._writer(
                CarriedImageEncoder(encoder), plan, "images"
            )
        return (
            images
            | "AwaitChecks" >> WaitOn(*self._checks)
            | "WriteToTFRecord" >> self._writer(encoder, plan, config.shuffle)
        )

    def _stream(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[ImageBytes]:
        """Reads the sources once more, with the images' bytes: see docs/decisions/0010."""
        config, split = self._prepared.config, self._split
        carried = (
            images.pipeline
            | "Archives" >> beam.Create(split.archives)
            | "StreamImages"
            >> StreamImages(config.storage, split.kind, split.part, after=self._checks)
            | "JoinLabels" >> JoinLabels(self._labels, split.label_from)
        )
        if self._boxes is not None:
            carried = carried | "JoinBoxes" >> JoinBoxes(self._boxes)
        if self._choice is not None:
            carried = carried | "SelectImages" >> SelectImages(self._choice)
        return carried

    def _encoder(self) -> ImageEncoder:
        config = self._prepared.config
        return ImageEncoder(config.image, config.schema, config.storage)

    def _writer(
        self,
        encoder: ImageEncoder | CarriedImageEncoder,
        plan: beam.PCollection[ShardPlan],
        shuffle: str,
    ) -> WriteToTFRecord:
        config, split = self._prepared.config, self._split
        return WriteToTFRecord(
            join(config.output_dir, config.prefix(split)),
            num_shards=split.num_shards,
            encode=encoder,
            seed=config.shuffle_seed,
            shuffle=shuffle,
            shard_plan=plan,
            storage=config.storage,
            receipts_dir=layout.receipts_dir(config.output_dir),
            plan=self._prepared.plan.fingerprint,
            done_shards=self._prepared.done[split.name],
            made_from=self._prepared.local_archives(split),
            threads=config.threads,
            read_threads=config.reads_at_once(split),
        )


class _Written(NamedTuple):
    """What becomes of one split, as the side inputs of `_write_manifest` bring it.

    Attributes:
        found: What the archives hold.
        listing: What of it was converted.
        receipts: Those of the shards that this run has written.
    """

    found: Listing
    listing: Listing
    receipts: Sequence[ShardReceipt]


def _write_manifest(_: None, prepared: Prepared, labels: Labels, *sides: Any) -> str:
    """Writes everything that stands beside the shards, the manifest last."""
    check_unchanged(prepared)
    config = prepared.config
    written = [_Written(*sides[at : at + 3]) for at in range(0, 3 * len(config.splits), 3)]
    results = [
        SplitResult(
            split,
            part.found,
            part.listing,
            [*part.receipts, *_stored_receipts(prepared, split)],
        )
        for split, part in zip(config.splits, written, strict=True)
    ]
    boxes = None
    if config.bounding_boxes:
        boxes = boxes_entry(
            BoxCounts(*sides[-1]), _listed_once(config, [part.found for part in written])
        )
    manifest = build_manifest(config, labels, results, prepared.plan.fingerprint, boxes)
    storage, folder = config.storage, config.output_dir
    storage.publish_bytes(join(folder, layout.LABELS), labels_txt(labels.classes).encode())
    storage.publish_bytes(join(folder, layout.CLASSES), classes_csv(labels.classes).encode())
    storage.publish_bytes(join(folder, layout.REJECTS), rejects_jsonl(config, results))
    for name, data in _tfds_files(config, labels, results).items():
        storage.publish_bytes(join(folder, name), data)
    for name in prepared.stale:
        storage.remove(join(folder, name))
    storage.remove(join(folder, layout.STALE))
    for name in unfinished(config, storage.unfinished(folder)):  # by workers that were lost
        storage.remove(join(folder, name))
    path = join(folder, layout.MANIFEST)
    storage.publish_bytes(path, manifest_json(manifest))
    return path


def _listed_once(config: ConvertConfig, found: Sequence[Listing]) -> list[Listing]:
    """Held-out images lie in the archives of another split and are listed with it."""
    return [
        listing
        for split, listing in zip(config.splits, found, strict=True)
        if not split.selection.is_holdout
    ]


def _box_counts(index: BoxIndex) -> tuple[int, int, int, int, int]:
    files, boxes, clamped, swapped, dropped = index.counts
    return files, boxes, clamped, swapped, dropped


def _tfds_files(
    config: ConvertConfig, labels: Labels, results: Sequence[SplitResult]
) -> dict[str, bytes]:
    """What tensorflow-datasets needs beside the shards; nothing for other schemas."""
    if config.schema != "tfds":
        return {}
    splits = []
    for result in results:
        receipts = reconcile(config, result)
        size_bytes = sum(receipt.size_bytes for receipt in receipts)
        lengths = [receipt.records for receipt in receipts]
        splits.append(TfdsSplit(result.split.name, lengths, size_bytes))
    classes = [info.wnid for info in labels.classes.classes]
    image_format = config.image.output_format.lower()
    return tfds_files(config.dataset_name, classes, config.channels, image_format, splits)


def _stored_receipts(prepared: Prepared, split: SplitConfig) -> list[ShardReceipt]:
    """The receipts of the shards that were there before this run."""
    config = prepared.config
    names = config.shard_names(split)

    def read(shard: int) -> ShardReceipt:
        path = join(config.output_dir, layout.receipt_name(names[shard]))
        return receipt_from_json(config.storage.read_bytes(path), path)

    with ThreadPoolExecutor(_RECEIPT_THREADS) as pool:
        return list(pool.map(read, sorted(prepared.done[split.name])))
