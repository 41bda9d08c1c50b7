"""Checking what was listed, before any shard is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import apache_beam as beam
from apache_beam import coders

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.records import LabeledImage
from imagenet_beam.transforms.labels import Labels

DOGS_CLASSES = 120
"""Classes of `ILSVRC2012_img_train_t3.tar`, the archive of task 3, all dogs."""


class Listing(NamedTuple):
    """What the archives of one split hold.

    Attributes:
        split: The split's name.
        images: How many images were listed.
        size_bytes: Their sizes in the archives, added up.
        class_counts: Images of each class, sorted by wnid.
    """

    split: str
    images: int
    size_bytes: int
    class_counts: tuple[tuple[str, int], ...]


class ListingCoder(coders.Coder):
    """JSON: a listing travels once."""

    def encode(self, value: Listing) -> bytes:
        """The fields in order."""
        return json.dumps(value).encode()

    def decode(self, encoded: bytes) -> Listing:
        """The same listing."""
        split, images, size_bytes, counts = json.loads(encoded)
        return Listing(split, images, size_bytes, tuple((wnid, n) for wnid, n in counts))

    def is_deterministic(self) -> bool:
        """True: equal listings have equal encodings."""
        return True


coders.registry.register_coder(Listing, ListingCoder)


class SummarizeImages(beam.PTransform):
    """Counts: PCollection[LabeledImage] → PCollection[Listing] of one element."""

    def __init__(self, split: str) -> None:
        super().__init__()
        self._split = split

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[Listing]:
        """One small summary a bundle, added up."""
        return images | "CountClasses" >> beam.CombineGlobally(
            _SummarizeFn(self._split)
        ).with_output_types(Listing)


_Sum = tuple[int, "dict[str, int]"]


class _SummarizeFn(beam.CombineFn):
    """Counts images and bytes in all and images by class."""

    def __init__(self, split: str) -> None:
        self._split = split

    def create_accumulator(self) -> _Sum:
        return 0, Counter()

    def add_input(self, total: _Sum, image: LabeledImage) -> _Sum:
        size_bytes, counts = total
        counts[image.wnid] = counts.get(image.wnid, 0) + 1
        return size_bytes + image.ref.size_bytes, counts

    def merge_accumulators(self, totals: Iterable[_Sum]) -> _Sum:
        size_bytes = 0
        counts: Counter[str] = Counter()
        for part_bytes, part_counts in totals:
            size_bytes += part_bytes
            counts.update(part_counts)
        return size_bytes, counts

    def extract_output(self, total: _Sum) -> Listing:
        size_bytes, counts = total
        return Listing(self._split, sum(counts.values()), size_bytes, tuple(sorted(counts.items())))


def check_listing(listing: Listing, labels: Labels, split: SplitConfig, expect: str) -> Listing:
    """Gives the listing back if the split can be written.

    Raises:
        InputError: If there are no images, too few for the shards, or if the
            counts are not those that are expected.
    """
    archives = f"--{split.flag}={','.join(split.archives)}"
    if listing.images == 0:
        raise InputError(f"{archives} holds no images; give the archive as it was downloaded")
    if listing.images < split.num_shards:
        raise InputError(
            f"--{split.name}_shards={split.num_shards} is more than the {listing.images:,} images "
            f"of {archives}: some shards would be empty; give --{split.name}_shards="
            f"{listing.images} or fewer"
        )
    if expect != "any":
        _check_consistent(listing, labels, split, archives)
    if expect == "official":
        check_official(listing.images, split, archives)
    return listing


def check_official(images: int, split: SplitConfig, archives: str) -> None:
    """Raises `InputError` where a count is not the official one."""
    if split.official_images and images != split.official_images:
        raise InputError(
            f"{archives} holds {images:,} images, the official archive {split.official_images:,}; "
            "get the file again, or give --expect=consistent"
        )


def _check_consistent(listing: Listing, labels: Labels, split: SplitConfig, archives: str) -> None:
    if split.label_from == "number" and len(labels.truth) != listing.images:
        raise InputError(
            f"{archives} holds {listing.images:,} images, but the ground truth has "
            f"{len(labels.truth):,} lines; give the devkit that belongs to the archive, or "
            "--expect=any to label what is there by its number"
        )
    if split.label_from == "place":
        found = [wnid for wnid, _ in listing.class_counts]
        check_classes(found, labels, archives)


def check_classes(found: Sequence[str], labels: Labels, archives: str) -> None:
    """Compares the classes of an archive with those of the labels.

    Raises:
        InputError: If a class is unknown or missing.
    """
    known = {info.wnid for info in labels.classes.classes}
    unknown = sorted(set(found) - known)
    if unknown:
        raise InputError(
            f"{archives} holds {_some(unknown)} that the labels do not have; give the devkit that "
            "belongs to the archive"
        )
    missing = sorted(known - set(found))
    if missing:
        raise InputError(
            f"{archives} lacks {_some(missing)} of the {len(known):,} of the labels"
            f"{_dogs(len(set(found)), len(known))}; give the whole archive, or --expect=any to "
            "convert what is there"
        )


def _dogs(found: int, known: int) -> str:
    if found == DOGS_CLASSES < known:
        return " (120 classes are those of ILSVRC2012_img_train_t3.tar, dogs only)"
    return ""


def _some(wnids: Sequence[str]) -> str:
    shown = ", ".join(wnids[:3]) + (", …" if len(wnids) > 3 else "")
    return f"{len(wnids):,} class{'es' * (len(wnids) > 1)} ({shown})"
