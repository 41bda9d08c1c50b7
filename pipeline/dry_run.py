"""What a conversion would write, and how long it would take here: everything but the writing."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton

from imagenet_beam.pipeline.config import Workers
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.convert import Labeled, lay_out, list_and_label
from imagenet_beam.pipeline.inputs import ResolvedSplit
from imagenet_beam.pipeline.listing import Listing
from imagenet_beam.pipeline.space import first_images
from imagenet_beam.transforms.batches import BatchCoder, ImageBatch
from imagenet_beam.transforms.elements import LabeledImage, Record
from imagenet_beam.transforms.encode_images import ImageEncoder
from imagenet_beam.transforms.few_steps import Given
from imagenet_beam.transforms.plan_shards import check_unique, key_of
from imagenet_beam.transforms.records.framing import framed_size_bytes
from imagenet_beam.transforms.records.shards import ShardLayout, fingerprint
from imagenet_beam.transforms.storage.files import is_local, read_ahead_bytes

SAMPLED_IMAGES = 256
"""Sizes of encoded photographs differ by half their mean: the mean of 256 is right to 3 %."""


class Sample(NamedTuple):
    """What became of some images of a split that were encoded as the job would do it.

    Attributes:
        images: How many they were.
        record_bytes: The length of those that became records, framed.
        seconds: How long it took, with as many threads as a worker has.
    """

    images: int
    record_bytes: int
    seconds: float


@dataclass(frozen=True)
class SplitEstimate:
    """What would be written of one split.

    Attributes:
        name: The split's name.
        images: How many images it has.
        classes: How many classes these have.
        shards: How many shards it becomes.
        size_bytes: About how long these are together.
        seconds: About how long that takes on this machine.
        gets: About how many requests read its archives; 0 where these are local.
        read_bytes: About how much they get: all once to list it, and once to write it.
    """

    name: str
    images: int
    classes: int
    shards: int
    size_bytes: float
    seconds: float
    gets: int
    read_bytes: int


@dataclass(frozen=True)
class Estimate:
    """What a conversion would write.

    Attributes:
        splits: By split, in their order.
        listing_seconds: How long listing and checking took; the conversion does it once more.
        free_bytes: The room in the output folder; None where that is not known.
        puts: How many objects would be written to remote storage; 0 where the output is local.
    """

    splits: tuple[SplitEstimate, ...]
    listing_seconds: float
    free_bytes: int | None
    puts: int

    @property
    def size_bytes(self) -> float:
        """About how long all shards are together."""
        return sum(split.size_bytes for split in self.splits)

    @property
    def seconds(self) -> float:
        """About how long the conversion takes on this machine."""
        return self.listing_seconds + sum(split.seconds for split in self.splits)


def estimate(conversion: Conversion, workers: Workers, pipeline: beam.Pipeline) -> Estimate:
    """Lists, labels and checks all images, and encodes some of them; writes nothing.

    Args:
        conversion: What `prepare` gave.
        workers: How many threads encode.
        pipeline: An empty one, of a runner that works on this machine.

    Raises:
        InputError: Where the conversion would end with it, before its first shard.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imagenet-beam-") as folder:
        found = Path(folder) / "found.json"
        pipeline | _Look(conversion, workers.threads or os.cpu_count() or 1, str(found))
        pipeline.run().wait_until_finish()
        rows = json.loads(found.read_text())
    elapsed = time.monotonic() - began
    samples = [Sample(*row["sample"]) for row in rows]
    splits = tuple(
        _estimate_split(split, row["images"], row["classes"], sample, conversion)
        for split, row, sample in zip(conversion.splits, rows, samples, strict=True)
    )
    config = conversion.config
    files = 2 * sum(split.shards for split in splits)  # each has a receipt
    return Estimate(
        splits,
        elapsed - sum(sample.seconds for sample in samples),
        config.storage.free_bytes(config.output_dir),
        0 if is_local(config.output_dir) else files,
    )


def _estimate_split(
    split: ResolvedSplit, images: int, classes: int, sample: Sample, conversion: Conversion
) -> SplitEstimate:
    share = images / max(1, sample.images)
    gets = read_bytes = 0
    if not any(map(is_local, split.archives)):
        times = 2 if conversion.storage.verify_reads else 1
        for archive in split.archives:
            size_bytes = conversion.archives[archive].size_bytes
            gets += times * math.ceil(size_bytes / read_ahead_bytes(archive))
            read_bytes += times * 2 * size_bytes
        gets += times * images
    return SplitEstimate(
        split.name,
        images,
        classes,
        split.shards_of(images),
        share * sample.record_bytes,
        share * sample.seconds,
        gets,
        read_bytes,
    )


@dataclass(eq=False)
class _Look(beam.PTransform):
    """The first half of `ConvertImages`, with a sample encoded in place of the second."""

    conversion: Conversion
    threads: int
    path: str

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[None]:
        conversion = self.conversion
        _, _, labeled = list_and_label(begin, conversion)
        sides: list[Any] = []
        for split, found in zip(conversion.splits, labeled, strict=True):
            sides += [AsSingleton(found.listing), AsIter(self._sampled(begin, split, found))]
            check = _CheckNames(split, conversion.config.shuffle_seed)
            _ = found.images | f"CheckNames{split.name.capitalize()}" >> check
        return (
            begin
            | "Finally" >> beam.Impulse()
            | "Measure" >> beam.Map(_write_found, conversion, self.threads, self.path, *sides)
        )

    def _sampled(
        self, begin: beam.pvalue.PBegin, split: ResolvedSplit, found: Labeled
    ) -> beam.PCollection[ImageBatch]:
        label = f"Sample{split.name.capitalize()}"
        if split.is_streamed:  # what cannot be read in place is read from its beginning
            return begin | label >> Given((), ImageBatch)
        return found.images | label >> beam.CombineGlobally(
            _SampleFn(SAMPLED_IMAGES)
        ).without_defaults().with_output_types(ImageBatch)


@dataclass(eq=False)
class _CheckNames(beam.PTransform):
    """Refuses images of one name, as writing them would."""

    split: ResolvedSplit
    seed: int

    def expand(self, images: beam.PCollection[ImageBatch]) -> beam.PCollection[None]:
        encoder = ImageEncoder()
        layout = lay_out(images, self.split, encoder, self.seed)
        return images | "CheckNames" >> beam.Map(
            _check_names, AsSingleton(layout), encoder, self.seed
        )


def _check_names(batch: ImageBatch, layout: ShardLayout, encoder: ImageEncoder, seed: int) -> None:
    for image in batch.images:
        check_unique(image, key_of(image, encoder, seed), layout, encoder)


class _SampleFn(beam.CombineFn):
    """The images whose names have the smallest fingerprints, which are spread over all."""

    def __init__(self, size: int) -> None:
        self._size = size

    def get_accumulator_coder(self) -> BatchCoder:
        return BatchCoder(ImageBatch)

    def create_accumulator(self) -> ImageBatch:
        return ImageBatch(())

    def add_input(self, sample: ImageBatch, batch: ImageBatch) -> ImageBatch:
        return self._smallest([sample, batch])

    def merge_accumulators(self, samples: Iterable[ImageBatch]) -> ImageBatch:
        return self._smallest(samples)

    def extract_output(self, sample: ImageBatch) -> ImageBatch:
        return sample

    def _smallest(self, batches: Iterable[ImageBatch]) -> ImageBatch:
        images = itertools.chain.from_iterable(batch.images for batch in batches)
        return ImageBatch(
            tuple(heapq.nsmallest(self._size, images, lambda it: fingerprint(it.ref.filename, 0)))
        )


def _write_found(_: bytes, conversion: Conversion, threads: int, path: str, *sides: Any) -> None:
    rows: list[Mapping[str, Any]] = []
    for number, split in enumerate(conversion.splits):
        listing, batches = sides[2 * number : 2 * number + 2]
        images = [image for batch in batches for image in batch.images]
        sample = _measure(split, images or list(_first(conversion, split)), conversion, threads)
        rows.append(_row(listing, sample))
    Path(path).write_text(json.dumps(rows))


def _row(listing: Listing, sample: Sample) -> Mapping[str, Any]:
    classes = sum(bool(wnid) for wnid in listing.class_counts)
    return {"images": listing.images, "classes": classes, "sample": sample}


def _first(conversion: Conversion, split: ResolvedSplit) -> Iterator[LabeledImage]:
    """The first images of a source that is read as a stream, with their bytes."""
    for ref, data in itertools.islice(first_images(conversion.config, split), SAMPLED_IMAGES):
        yield LabeledImage(ref._replace(data=data), 0, ref.wnid, "")


def _measure(
    split: ResolvedSplit, images: Sequence[LabeledImage], conversion: Conversion, threads: int
) -> Sample:
    config = conversion.config
    encoder = ImageEncoder(
        config.image, config.schema, conversion.storage, takes_references=not split.is_streamed
    )

    def size_bytes(image: LabeledImage) -> int:
        made = encoder.finish(image, encoder.load(image))
        return framed_size_bytes(len(made.data)) if isinstance(made, Record) else 0

    if images:
        size_bytes(images[0])  # libraries are loaded at their first use
    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        sizes = list(pool.map(size_bytes, images))
    seconds = time.monotonic() - began
    return Sample(len(images), sum(sizes), seconds)
