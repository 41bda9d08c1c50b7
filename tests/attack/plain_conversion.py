"""A conversion without Beam: the plain functions of the transforms, in the order of the job.

It takes milliseconds where the command takes a second. What comes of each image is given by
split and file name: the bytes of its record, or its reject.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.inputs import ResolvedSplit, resolve
from imagenet_beam.pipeline.listing import _SummarizeFn, check_listing
from imagenet_beam.pipeline.preflight import archive_notes, check_archives
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.archives.passed import PassedTally, sum_passed
from imagenet_beam.transforms.batches import ImageBatch
from imagenet_beam.transforms.boxes.index import BoxIndex
from imagenet_beam.transforms.boxes.read import read_boxes
from imagenet_beam.transforms.elements import ImageRef, LabeledImage, PassedOver, Reject
from imagenet_beam.transforms.encode_images import ImageEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.join_boxes import with_boxes
from imagenet_beam.transforms.labels.read import load_labels
from imagenet_beam.transforms.labels.rule import label_image, with_classes
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.list_images import list_images, read_through, split_source
from imagenet_beam.transforms.plan_shards import key_of
from imagenet_beam.transforms.records.shards import cut_shards


class Made(NamedTuple):
    """What came of one image: the bytes of its record, or why it was rejected."""

    wnid: str
    record: bytes
    reject: str = ""


@functools.cache
def _parser() -> SentenceParser:
    return build_parser()[0]


class Converted(NamedTuple):
    """What came of a conversion.

    Attributes:
        images: What came of each image, by split and file name.
        passed_over: How many files were passed over.
        notes: What is said of the archives.
    """

    images: Mapping[str, Made]
    passed_over: int
    notes: tuple[str, ...] = ()


def convert(flags: Sequence[str]) -> Converted:
    """What the command would write; raises `InputError` where it would refuse."""
    args, _ = _parser().parse_known_args(["convert", "--output_dir=unused", *flags])
    config = config_from_flags(args)
    storage = config.storage
    labels = load_labels(config.labels, storage)
    splits, _ = resolve(config.splits, storage)
    check_archives(config, splits, storage, labels)
    boxes = read_boxes(config.bounding_boxes, storage) if config.bounding_boxes else None
    passed: list[PassedOver] = []
    listed = [list(_list(split, config, passed)) for split in splits]
    if config.labels.are_classes_found:
        wnids = {ref.wnid for refs in listed for ref in refs}
        labels = with_classes(labels, wnids, config.labels)
    made: dict[str, Made] = {}
    joined = [_join(refs, split, labels, boxes) for split, refs in zip(splits, listed, strict=True)]
    for split, images in zip(splits, joined, strict=True):
        summary = _SummarizeFn(split.name)
        listing = summary.add_input(summary.create_accumulator(), ImageBatch(tuple(images)))
        check_listing(listing, labels, split, config.labels, config.expect)
    for split, images in zip(splits, joined, strict=True):
        made |= _encode(split, images, labels, boxes, config)
    passed_over = sum(sum_passed(passed).counts.values())
    return Converted(made, passed_over, tuple(archive_notes(splits, storage)))


def _list(
    split: ResolvedSplit, config: ConvertConfig, passed: list[PassedOver]
) -> Iterator[ImageRef]:
    for archive in split.archives:
        for span in split_source(archive, config.storage, split.kind):
            tally = PassedTally()
            yield from list_images(span, config.storage, split.listed_split, tally)
            passed += [span.passed, tally.result()]


def _join(
    refs: Sequence[ImageRef], split: ResolvedSplit, labels: Labels, boxes: BoxIndex | None
) -> list[LabeledImage]:
    images = [label_image(ref, labels, split.label_from) for ref in refs]
    return [with_boxes(image, boxes) for image in images] if boxes is not None else images


def _encode(
    split: ResolvedSplit,
    images: Sequence[LabeledImage],
    labels: Labels,
    boxes: BoxIndex | None,
    config: ConvertConfig,
) -> dict[str, Made]:
    streamed = split.is_streamed
    encoder = ImageEncoder(config.image, config.schema, config.storage, not streamed)
    keys = [key_of(image, encoder, config.shuffle_seed) for image in images]
    for key in cut_shards(b"".join(keys), split.num_shards).duplicates:
        raise InputError(f"two images are called {images[keys.index(key)].ref.filename}")
    if streamed:
        refs = [
            ref
            for archive in split.archives
            for span in split_source(archive, config.storage, split.kind)
            for ref in read_through(span, config.storage, split.listed_split)
        ]
        images = _join(refs, split, labels, boxes)
        assert sorted(keys) == sorted(key_of(one, encoder, config.shuffle_seed) for one in images)
    made = {}
    for image in images:
        outcome = encoder.finish(image, encoder.load(image))
        name = f"{split.name}/{image.ref.filename}"
        if isinstance(outcome, Reject):
            made[name] = Made(image.wnid, b"", f"{outcome.reason}: {outcome.detail}")
        else:
            made[name] = Made(image.wnid, outcome.data)
    assert len(made) == len(images)
    return made
