"""The whole conversion as one transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, AsSingleton
from apache_beam.transforms.util import WaitOn

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig, Workers
from imagenet_beam.pipeline.conversion import Conversion, prepare
from imagenet_beam.pipeline.inputs import ResolvedSplit
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
    reconcile,
    rejects_jsonl,
)
from imagenet_beam.pipeline.output import CLASSES, LABELS, REJECTS
from imagenet_beam.transforms.boxes.index import BoxCounts, BoxIndex
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.encoders import ImageEncoder
from imagenet_beam.transforms.image_steps import CarriedImageEncoder, ImageBytes
from imagenet_beam.transforms.join_boxes import JoinBoxes, LoadBoxes
from imagenet_beam.transforms.join_labels import FindClasses, JoinLabels, LoadLabels
from imagenet_beam.transforms.labels.classes import classes_csv, labels_txt
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.list_images import ListImages, StreamImages
from imagenet_beam.transforms.records.receipts import ShardReceipt
from imagenet_beam.transforms.records.schema import RecordSet, SplitShards
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.records.shards import ShardPlan
from imagenet_beam.transforms.select_images import Choice, SelectImages
from imagenet_beam.transforms.write_to_tfrecord import PlanShards, WriteToTFRecord

WORKERS = Workers()


class ConvertImages(beam.PTransform):
    """Converts archives to sharded TFRecords: PBegin → PCollection[str], the manifest's path.

    The element appears when everything is written. Building the transform checks
    the inputs and writes the plan into the output folder; shards that an earlier
    run with the same plan has published are not written again. It does not lock the
    folder, not knowing how long the job lives: see `OutputFolder.exclusive`.

    Args:
        config: What to convert; or the result of `prepare`, where that was done
            before, to tell the user what it found.
        workers: How many threads each worker has.

    Raises:
        InputError: If something is missing or wrong.
    """

    def __init__(self, config: ConvertConfig | Conversion, workers: Workers = WORKERS) -> None:
        super().__init__()
        self._conversion = config if isinstance(config, Conversion) else prepare(config)
        self._workers = workers

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[str]:
        """One chain for each split, then the manifest."""
        conversion = self._conversion
        splits = conversion.splits
        refs = [
            begin.pipeline | f"List{split.name.capitalize()}" >> _ListSplit(conversion, split)
            for split in splits
        ]
        labels = _load_labels(begin, conversion, refs)
        boxes = _load_boxes(begin, conversion)
        labeled = [
            images
            | f"Label{split.name.capitalize()}" >> _LabelSplit(conversion, split, labels, boxes)
            for split, images in zip(splits, refs, strict=True)
        ]
        checks = tuple(check for split in labeled for check in (split.found, split.listing))
        results = []
        for split, found in zip(splits, labeled, strict=True):
            receipts = found.images | f"Write{split.name.capitalize()}" >> _WriteSplit(
                conversion, self._workers, split, found, (labels, boxes), checks
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
                _write_manifest, conversion, AsSingleton(labels), *results
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


def _load_boxes(
    begin: beam.pvalue.PBegin, conversion: Conversion
) -> beam.PCollection[BoxIndex] | None:
    config = conversion.config
    if not config.bounding_boxes:
        return None
    return begin | "LoadBoxes" >> LoadBoxes(
        config.bounding_boxes, conversion.storage, conversion.boxes
    )


def _load_labels(
    begin: beam.pvalue.PBegin, conversion: Conversion, refs: Sequence[beam.PCollection[ImageRef]]
) -> beam.PCollection[Labels]:
    """What the label files say; without a list of classes, the classes that were listed."""
    source = conversion.config.labels
    labels = begin | "LoadLabels" >> LoadLabels(source, conversion.storage)
    if not source.are_classes_found:
        return labels
    with_classes = [
        images
        for split, images in zip(conversion.splits, refs, strict=True)
        if split.label_from != "none"
    ]
    return (
        tuple(with_classes)
        | "ListedImages" >> beam.Flatten(pipeline=begin.pipeline)
        | "FindClasses" >> FindClasses(labels, source)
    )


class _ListSplit(beam.PTransform):
    """Lists one split."""

    def __init__(self, conversion: Conversion, split: ResolvedSplit) -> None:
        super().__init__()
        self._conversion = conversion
        self._split = split

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[ImageRef]:
        storage, split = self._conversion.storage, self._split
        return (
            begin
            | "Archives" >> beam.Create(split.archives)
            | "ListImages" >> ListImages(storage, split.kind, split.listed_split)
        )


class _LabelSplit(beam.PTransform):
    """Labels and checks one split."""

    def __init__(
        self,
        conversion: Conversion,
        split: ResolvedSplit,
        labels: beam.PCollection[Labels],
        boxes: beam.PCollection[BoxIndex] | None,
    ) -> None:
        super().__init__()
        self._conversion = conversion
        self._split = split
        self._labels = labels
        self._boxes = boxes

    def expand(self, refs: beam.PCollection[ImageRef]) -> _Labeled:
        config, split = self._conversion.config, self._split
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
        choice = Choice(split.selection, images, self._conversion.storage)
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
        conversion: Conversion,
        workers: Workers,
        split: ResolvedSplit,
        labeled: _Labeled,
        sides: tuple[beam.PCollection[Labels], beam.PCollection[BoxIndex] | None],
        checks: tuple[beam.PCollection[Listing], ...],
    ) -> None:
        super().__init__()
        self._conversion = conversion
        self._workers = workers
        self._split = split
        self._choice = labeled.choice
        self._labels, self._boxes = sides
        self._checks = tuple(dict.fromkeys(checks))

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[ShardReceipt]:
        config, split, encoder = self._conversion.config, self._split, self._encoder()
        # Planned beside the checks, not after them: runners then keep one copy of the
        # references between the two, not two.
        plan = images | "PlanShards" >> PlanShards(split.num_shards, encoder, config.shuffle_seed)
        if split.is_streamed:
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
        storage, split = self._conversion.storage, self._split
        carried = (
            images.pipeline
            | "Archives" >> beam.Create(split.archives)
            | "StreamImages"
            >> StreamImages(storage, split.kind, split.listed_split, after=self._checks)
            | "JoinLabels" >> JoinLabels(self._labels, split.label_from)
        )
        if self._boxes is not None:
            carried = carried | "JoinBoxes" >> JoinBoxes(self._boxes)
        if self._choice is not None:
            carried = carried | "SelectImages" >> SelectImages(self._choice)
        return carried

    def _encoder(self) -> ImageEncoder:
        config = self._conversion.config
        return ImageEncoder(config.image, config.schema, self._conversion.storage)

    def _writer(
        self,
        encoder: ImageEncoder | CarriedImageEncoder,
        plan: beam.PCollection[ShardPlan],
        shuffle: str,
    ) -> WriteToTFRecord:
        conversion, split = self._conversion, self._split
        config = conversion.config
        return WriteToTFRecord(
            conversion.output.path(config.prefix(split)),
            num_shards=split.num_shards,
            encode=encoder,
            seed=config.shuffle_seed,
            shuffle=shuffle,
            shard_plan=plan,
            storage=conversion.storage,
            receipts_dir=conversion.output.receipts_dir,
            plan=conversion.plan.fingerprint,
            done_shards=frozenset(conversion.done[split.name]),
            made_from=conversion.local_archives(split),
            threads=self._workers.threads,
            read_threads=self._workers.reads_at_once(split.archives),
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


def _write_manifest(_: None, conversion: Conversion, labels: Labels, *sides: Any) -> str:
    """Writes everything that stands beside the shards, the manifest last."""
    conversion.check_unchanged()
    config, output = conversion.config, conversion.output
    written = [_Written(*sides[at : at + 3]) for at in range(0, 3 * len(config.splits), 3)]
    results = [
        SplitResult(
            split,
            part.found,
            part.listing,
            [*part.receipts, *_stored_receipts(conversion, split)],
        )
        for split, part in zip(config.splits, written, strict=True)
    ]
    boxes = None
    if config.bounding_boxes:
        boxes = boxes_entry(
            BoxCounts(*sides[-1]), _listed_once(config, [part.found for part in written])
        )
    beside = {
        LABELS: labels_txt(labels.classes).encode(),
        CLASSES: classes_csv(labels.classes).encode(),
        REJECTS: rejects_jsonl(config, results),
        **find_schema(config.schema).metadata(_record_set(config, labels, results)),
    }
    manifest = build_manifest(config, labels, results, conversion.plan.fingerprint, boxes)
    return output.publish(beside, manifest, conversion.stale)


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


def _record_set(config: ConvertConfig, labels: Labels, results: Sequence[SplitResult]) -> RecordSet:
    """What the schema is told of the records."""
    splits = []
    for result in results:
        receipts = reconcile(config, result)
        size_bytes = sum(receipt.size_bytes for receipt in receipts)
        lengths = [receipt.records for receipt in receipts]
        splits.append(SplitShards(result.split.name, lengths, size_bytes))
    classes = [info.wnid for info in labels.classes.classes]
    image_format = config.image.output_format.lower()
    return RecordSet(config.dataset_name, classes, config.channels, image_format, splits)


def _stored_receipts(conversion: Conversion, split: SplitConfig) -> list[ShardReceipt]:
    """The receipts of the shards that were there before this run."""
    names = conversion.config.shard_names(split)
    return conversion.output.read_receipts(
        [names[shard] for shard in sorted(conversion.done[split.name])]
    )
