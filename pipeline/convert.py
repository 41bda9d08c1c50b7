"""The whole conversion as one transform."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, AsSingleton

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig, Workers
from imagenet_beam.pipeline.conversion import Conversion, prepare
from imagenet_beam.pipeline.finish import write_manifest
from imagenet_beam.pipeline.inputs import ResolvedSplit
from imagenet_beam.pipeline.listing import (
    Listing,
    SummarizeImages,
    check_listing,
    check_selected,
)
from imagenet_beam.transforms.batches import (
    BatchImages,
    ImageBatch,
    RefBatch,
    images_of,
    map_images,
)
from imagenet_beam.transforms.boxes.index import BoxCounts, BoxIndex
from imagenet_beam.transforms.elements import ImageRef, LabeledImage, PassedOver, ShardReceipt
from imagenet_beam.transforms.encode_images import ImageEncoder
from imagenet_beam.transforms.few_steps import After, Given
from imagenet_beam.transforms.join_boxes import LoadBoxes, with_boxes
from imagenet_beam.transforms.join_labels import FindClasses, LoadLabels
from imagenet_beam.transforms.labels.rule import label_image
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.list_images import ListAll, ListImages
from imagenet_beam.transforms.plan_shards import CutShards, key_of
from imagenet_beam.transforms.records.receipts import sum_counts
from imagenet_beam.transforms.records.shard_writer import ShardTarget
from imagenet_beam.transforms.records.shards import ShardLayout, shard_path_format
from imagenet_beam.transforms.select_images import Choice, SelectImages
from imagenet_beam.transforms.storage.files import Storage
from imagenet_beam.transforms.tally import tally
from imagenet_beam.transforms.write_shards import WriteShards

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
        sides, lists, labeled = list_and_label(begin, conversion)
        checks = tuple(check for split in labeled for check in (split.found, split.listing))
        results: list[beam.pvalue.AsSideInput] = []
        for split, found, listed in zip(splits, labeled, lists, strict=True):
            written = found.images | f"Write{split.name.capitalize()}" >> _WriteSplit(
                conversion, self._workers, split, sides, found.choice, tuple(dict.fromkeys(checks))
            )
            results += [AsSingleton(found.found), AsSingleton(found.listing), AsList(listed.passed)]
            results += [AsSingleton(written.class_counts, {}), AsList(written.receipts)]
        boxes = None
        if sides.boxes is not None:
            boxes = AsSingleton(
                sides.boxes
                | "CountBoxes" >> beam.Map(lambda index: index.counts).with_output_types(BoxCounts)
            )
        return (
            begin
            | "Finally" >> beam.Impulse()
            | "WriteManifest"
            >> beam.Map(
                write_manifest, conversion, AsSingleton(sides.labels), boxes, *results
            ).with_output_types(str)
        )


class Listed(NamedTuple):
    """What the sources of one split hold.

    Attributes:
        images: Its images.
        passed: What was passed over, in parts.
    """

    images: beam.PCollection[RefBatch]
    passed: beam.PCollection[PassedOver]


def list_and_label(
    begin: beam.pvalue.PBegin, conversion: Conversion
) -> tuple[Sides, list[Listed], list[Labeled]]:
    """The first half: what images are joined with; each split listed; labelled and checked."""
    splits = conversion.splits
    lists = [
        begin.pipeline | f"List{split.name.capitalize()}" >> _ListSplit(conversion.storage, split)
        for split in splits
    ]
    refs = [listed.images for listed in lists]
    sides = Sides(_load_labels(begin, conversion, refs), _load_boxes(begin, conversion))
    labeled = [
        images | f"Label{split.name.capitalize()}" >> _LabelSplit(conversion, split, sides)
        for split, images in zip(splits, refs, strict=True)
    ]
    return sides, lists, labeled


class Sides(NamedTuple):
    """What the images of all splits are joined with.

    Attributes:
        labels: Their classes.
        boxes: Their bounding boxes; None without any.
    """

    labels: beam.PCollection[Labels]
    boxes: beam.PCollection[BoxIndex] | None


class Labeled(NamedTuple):
    """One split, labelled and checked.

    Attributes:
        images: The images to convert.
        found: What the archives hold.
        listing: What of it is converted.
        choice: What that was chosen by; None where nothing is left out.
    """

    images: beam.PCollection[ImageBatch]
    found: beam.PCollection[Listing]
    listing: beam.PCollection[Listing]
    choice: Choice | None


class _Written(NamedTuple):
    """The shards of one split that this run has written.

    Attributes:
        class_counts: Their records of each class, added up; nothing without shards.
        receipts: Their receipts without those: there are as many of them as images, almost.
    """

    class_counts: beam.PCollection[dict[str, int]]
    receipts: beam.PCollection[ShardReceipt]


def _load_boxes(
    begin: beam.pvalue.PBegin, conversion: Conversion
) -> beam.PCollection[BoxIndex] | None:
    paths = conversion.config.bounding_boxes
    if not paths:
        return None
    return begin | "LoadBoxes" >> LoadBoxes(paths, conversion.storage, conversion.boxes)


def _load_labels(
    begin: beam.pvalue.PBegin, conversion: Conversion, refs: Sequence[beam.PCollection[RefBatch]]
) -> beam.PCollection[Labels]:
    """What the label files say; without a list of classes, the classes that were listed."""
    source = conversion.config.labels
    labels = begin | "LoadLabels" >> LoadLabels(
        source, conversion.storage, conversion.config.expect == "any"
    )
    if not (source.are_classes_found or source.maps_folders):
        return labels
    # A test split has the classes of the others; alone it has those of its folders.
    asked = conversion.config.splits
    are_alone = all(split.label_from == "none" for split in asked)
    with_classes = [
        images
        for split, found, images in zip(asked, conversion.splits, refs, strict=True)
        if (found if are_alone else split).label_from != "none"
    ]
    return (
        tuple(with_classes)
        | "ListedImages" >> beam.Flatten(pipeline=begin.pipeline)
        | "OneOfEachClass"
        >> beam.FlatMap(
            lambda batch: {ref.wnid: ref for ref in batch.images}.values()
        ).with_output_types(ImageRef)
        | "FindClasses" >> FindClasses(labels, source)
    )


@dataclass(eq=False)
class _ListSplit(beam.PTransform):
    """Lists one split."""

    storage: Storage
    split: ResolvedSplit

    def expand(self, begin: beam.pvalue.PBegin) -> Listed:
        listing = ListAll(self.storage, self.split.kind, self.split.listed_split)
        found = _archives(begin, self.split) | "ListImages" >> listing
        return Listed(found.images | "BatchImages" >> BatchImages(), found.passed)


def _archives(
    begin: beam.pvalue.PBegin | beam.Pipeline, split: ResolvedSplit
) -> beam.PCollection[str]:
    return begin | "Archives" >> Given(split.archives, str)


def _join(
    refs: beam.PCollection[RefBatch], split: SplitConfig, sides: Sides
) -> beam.PCollection[ImageBatch]:
    labels = AsSingleton(sides.labels)
    images = refs | "JoinLabels" >> map_images(label_image, labels, split.label_from)
    if sides.boxes is not None:
        images = images | "JoinBoxes" >> map_images(with_boxes, AsSingleton(sides.boxes))
    return images


@dataclass(eq=False)
class _LabelSplit(beam.PTransform):
    """Labels and checks one split."""

    conversion: Conversion
    split: ResolvedSplit
    sides: Sides

    def expand(self, refs: beam.PCollection[RefBatch]) -> Labeled:
        config, split = self.conversion.config, self.split
        images = _join(refs, split, self.sides)
        found = (
            images
            | "Summarize" >> SummarizeImages(split.name)
            | "CheckListing"
            >> beam.Map(
                check_listing, AsSingleton(self.sides.labels), split, config.labels, config.expect
            ).with_output_types(Listing)
        )
        if split.selection.takes_all:
            return Labeled(images, found, found, None)
        choice = Choice(split.selection, images, self.conversion.storage)
        selected = images | "SelectImages" >> SelectImages(choice)
        listing = (
            selected
            | "SummarizeSelected" >> SummarizeImages(split.name)
            | "CheckSelected"
            >> beam.Map(
                check_selected, AsDict(choice.names), split, config.expect
            ).with_output_types(Listing)
        )
        return Labeled(selected, found, listing, choice)


def lay_out(
    images: beam.PCollection[ImageBatch], split: ResolvedSplit, encoder: ImageEncoder, seed: int
) -> beam.PCollection[ShardLayout]:
    """Which image goes to which shard; none without images."""
    return (
        images
        | "Keys" >> beam.Map(_packed_keys, split.name, encoder, seed).with_output_types(bytes)
        | "CutShards" >> CutShards(split.num_shards, split.images_per_shard)
    )


@dataclass(eq=False)
class _WriteSplit(beam.PTransform):
    """Writes one split, once the listings of all splits have been found right."""

    conversion: Conversion
    workers: Workers
    split: ResolvedSplit
    sides: Sides
    choice: Choice | None
    checks: tuple[beam.PCollection[Listing], ...]

    def expand(self, images: beam.PCollection[ImageBatch]) -> _Written:
        conversion, split = self.conversion, self.split
        config, storage = conversion.config, conversion.storage
        encoder = ImageEncoder(
            config.image, config.schema, storage, takes_references=not split.is_streamed
        )
        # Laid out beside the checks, not after them: runners then keep one copy of the
        # references between the two, not two.
        shards = lay_out(images, split, encoder, config.shuffle_seed)
        if split.is_streamed:
            images = self._with_data(images.pipeline)
        else:
            images = images | "AwaitChecks" >> After(self.checks)
        target = ShardTarget(
            shard_path_format(conversion.output.path(config.prefix(split))),
            split.num_shards,
            storage,
            receipts_dir=conversion.output.receipts_dir,
            plan=conversion.plan.fingerprint,
            index=config.writes_index,
            index_dir=config.index_dir,
            made_from=conversion.local_archives(split),
            plan_file=conversion.local_plan(),
        )
        receipts = images | "WriteToTFRecord" >> WriteShards(
            target,
            encoder,
            shards,
            seed=config.shuffle_seed,
            shuffle="images" if split.is_streamed else config.shuffle,
            done_shards=frozenset(conversion.done[split.name]),
            threads=self.workers.threads,
            read_threads=self.workers.reads_at_once(split.archives),
            labels=self.sides.labels,
            values_of=images_of,
            value_type=LabeledImage,
        )
        return _Written(
            receipts
            | "SumClasses"
            >> beam.CombineGlobally(_SumCountsFn())
            .without_defaults()
            .with_output_types(dict[str, int]),
            receipts
            | "WithoutClasses"
            >> beam.Map(lambda one: one._replace(class_counts=())).with_output_types(ShardReceipt),
        )

    def _with_data(self, pipeline: beam.Pipeline) -> beam.PCollection[ImageBatch]:
        """Reads the sources once more, with the images' bytes: see docs/decisions/0010."""
        storage, split = self.conversion.storage, self.split
        stream = ListImages(
            storage, split.kind, split.listed_split, with_data=True, after=self.checks
        )
        refs = (
            _archives(pipeline, split) | "StreamImages" >> stream | "BatchImages" >> BatchImages()
        )
        images = _join(refs, split, self.sides)
        return images | "SelectImages" >> SelectImages(self.choice) if self.choice else images


def _packed_keys(batch: ImageBatch, split: str, encoder: ImageEncoder, seed: int) -> bytes:
    tally.selected[split] += len(batch.images)
    return b"".join([key_of(image, encoder, seed) for image in batch.images])


class _SumCountsFn(beam.CombineFn):
    """Adds up the class counts of receipts."""

    def create_accumulator(self) -> dict[str, int]:
        return {}

    def add_input(self, total: dict[str, int], receipt: ShardReceipt) -> dict[str, int]:
        for wnid, count in receipt.class_counts:
            total[wnid] = total.get(wnid, 0) + count
        return total

    def merge_accumulators(self, totals: Iterable[dict[str, int]]) -> dict[str, int]:
        return dict(sum_counts(total.items() for total in totals))

    def extract_output(self, total: dict[str, int]) -> dict[str, int]:
        return total
