"""Checking what was listed, before any shard is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import apache_beam as beam
from apache_beam import coders

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.transforms.archives.official_names import is_wnid
from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import Labels, LabelSource
from imagenet_beam.transforms.selection import Selection

DOGS_CLASSES = 120
"""Classes of `ILSVRC2012_img_train_t3.tar`, the archive of task 3, all dogs."""

_SHOWN = 3
"""How many disagreements are shown."""


class Listing(NamedTuple):
    """What the archives of one split hold.

    Attributes:
        split: The split's name.
        images: How many images were listed.
        size_bytes: Their sizes in the archives, added up.
        class_counts: Images of each class, sorted by wnid.
        disagreements: The first images whose folder or name tells another class than
            the labels: file name, class in the archive, class of the labels.
        disagreeing: How many such images there are.
        boxes: How many bounding boxes the images have.
    """

    split: str
    images: int
    size_bytes: int
    class_counts: tuple[tuple[str, int], ...]
    disagreements: tuple[tuple[str, str, str], ...] = ()
    disagreeing: int = 0
    boxes: int = 0


class ListingCoder(coders.Coder):
    """JSON: a listing travels once."""

    def encode(self, value: Listing) -> bytes:
        """The fields in order."""
        return json.dumps(value).encode()

    def decode(self, encoded: bytes) -> Listing:
        """The same listing."""
        split, images, size_bytes, counts, disagreements, *numbers = json.loads(encoded)
        return Listing(
            split,
            images,
            size_bytes,
            tuple((wnid, n) for wnid, n in counts),
            tuple((name, there, here) for name, there, here in disagreements),
            *numbers,
        )

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


class _Sum(NamedTuple):
    size_bytes: int
    counts: dict[str, int]
    disagreements: list[tuple[str, str, str]]
    disagreeing: int
    boxes: int


class _SummarizeFn(beam.CombineFn):
    """Counts images and bytes in all and images by class."""

    def __init__(self, split: str) -> None:
        self._split = split

    def create_accumulator(self) -> _Sum:
        return _Sum(0, {}, [], 0, 0)

    def add_input(self, total: _Sum, image: LabeledImage) -> _Sum:
        counts, ref = total.counts, image.ref
        counts[image.wnid] = counts.get(image.wnid, 0) + 1
        disagreements, disagreeing = total.disagreements, total.disagreeing
        if ref.wnid and image.wnid and ref.wnid != image.wnid:
            found = [*disagreements, (ref.filename, ref.wnid, image.wnid)]
            disagreements, disagreeing = sorted(found)[:_SHOWN], disagreeing + 1
        size_bytes, boxes = total.size_bytes + ref.size_bytes, total.boxes + len(image.boxes)
        return _Sum(size_bytes, counts, disagreements, disagreeing, boxes)

    def merge_accumulators(self, totals: Iterable[_Sum]) -> _Sum:
        parts = [_Sum(*part) for part in totals]
        counts: Counter[str] = Counter()
        for part in parts:
            counts.update(part.counts)
        found = [row for part in parts for row in part.disagreements]
        return _Sum(
            sum(part.size_bytes for part in parts),
            counts,
            sorted(found)[:_SHOWN],
            sum(part.disagreeing for part in parts),
            sum(part.boxes for part in parts),
        )

    def extract_output(self, total: _Sum) -> Listing:
        return Listing(
            self._split,
            sum(total.counts.values()),
            total.size_bytes,
            tuple(sorted(total.counts.items())),
            tuple(total.disagreements),
            total.disagreeing,
            total.boxes,
        )


def check_listing(
    listing: Listing, labels: Labels, split: SplitConfig, source: LabelSource, expect: str
) -> Listing:
    """Gives the listing back if the split can be written.

    Raises:
        InputError: If there are no images, too few for the shards, or if the
            counts are not those that are expected.
    """
    archives = f"`{split.parameter}`={','.join(split.archives)}"
    if listing.images == 0:
        raise InputError(
            f"{archives} holds no {split.name} images; give the archive as it was downloaded"
        )
    if split.selection.takes_all:
        check_shards(listing.images, split)
    _check_agreement(listing, archives)
    if split.label_from == "place" or (split.label_from == "number" and not labels.truth):
        check_class_names([wnid for wnid, _ in listing.class_counts], source, archives)
    if expect != "any":
        _check_consistent(listing, labels, split, archives)
    if expect == "official":
        check_official(listing.images, split, archives)
    _check_selected_classes(listing, split, archives)
    return listing


def check_shards(images: int, split: SplitConfig) -> None:
    """Raises `InputError` where there are fewer images than shards."""
    if images < split.num_shards:
        of = "of" if split.selection.takes_all else f"that {split.name} takes from"
        raise InputError(
            f"`{split.name}.num_shards`={split.num_shards} is more than the {images:,} images "
            f"{of} `{split.parameter}`={','.join(split.archives)}: some shards would be empty; "
            "give "
            f"`{split.name}.num_shards`={images} or fewer"
        )


def check_selected(
    listing: Listing, names: Collection[str], split: SplitConfig, expect: str
) -> Listing:
    """Gives the listing of the images that were selected back if it can be written.

    Raises:
        InputError: If nothing is left, too little for the shards, or if images that
            were asked for by name are not there.
    """
    if listing.images == 0:
        raise InputError(
            f"no image of `{split.parameter}`={','.join(split.archives)} is left for {split.name}: "
            "`selection.classes`, `selection.only_files` and `selection.fraction` together take "
            "none"
        )
    by_name = split.selection == Selection(
        only_files=split.selection.only_files, seed=split.selection.seed
    )
    if by_name and expect != "any" and listing.images != len(names):
        raise InputError(
            f"`selection.only_files`={split.selection.only_files} names {len(names):,} images, and "
            f"{listing.images:,} of them are there; give the list that belongs to the archive, or "
            "`expect`=any"
        )
    check_shards(listing.images, split)
    return listing


def _check_selected_classes(listing: Listing, split: SplitConfig, archives: str) -> None:
    if split.label_from == "none":
        return
    missing = sorted(set(split.selection.classes) - {wnid for wnid, _ in listing.class_counts})
    if missing:
        raise InputError(
            f"`selection.classes` names {_some(missing)} that {archives} does not have"
        )


def check_official(images: int, split: SplitConfig, archives: str) -> None:
    """Raises `InputError` where a count is not the official one."""
    if split.official_images and images != split.official_images:
        raise InputError(
            f"{archives} holds {images:,} images, the official archive {split.official_images:,}; "
            "get the file again, or give `expect`=consistent"
        )


def _check_consistent(listing: Listing, labels: Labels, split: SplitConfig, archives: str) -> None:
    if split.label_from == "number" and len(labels.truth) not in (0, listing.images):
        raise InputError(
            f"{archives} holds {listing.images:,} images, but the ground truth has "
            f"{len(labels.truth):,} lines; give the devkit that belongs to the archive, or "
            "`expect`=any to label what is there by its number"
        )
    if split.label_from in ("place", "index"):
        found = [wnid for wnid, _ in listing.class_counts]
        check_classes(found, labels, archives)


def _check_agreement(listing: Listing, archives: str) -> None:
    """Refuses images that lie in the folder of another class than their label's."""
    if not listing.disagreeing:
        return
    shown = "; ".join(
        f"{name}: {there} in the archive, {here} by the labels"
        for name, there, here in listing.disagreements
    )
    more = "; …" if listing.disagreeing > len(listing.disagreements) else ""
    raise InputError(
        f"{archives} and the validation labels disagree on {listing.disagreeing:,} of "
        f"{listing.images:,} images ({shown}{more}); give only the one that is right"
    )


def check_class_names(found: Sequence[str], source: LabelSource, archives: str) -> None:
    """Refuses classes that are called other than by wnids, unless that was asked for."""
    strange = [] if source.any_names else sorted(name for name in found if not is_wnid(name))
    if strange:
        raise InputError(
            f"{archives} has {_some(strange)} whose names are no wnids such as n01440764; give "
            "`labels.any_names` if these are the classes"
        )


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
            f"{_dogs(len(set(found)), len(known))}; give the whole archive, or `expect`=any to "
            "convert what is there"
        )


def _dogs(found: int, known: int) -> str:
    if found == DOGS_CLASSES < known:
        return " (120 classes are those of ILSVRC2012_img_train_t3.tar, dogs only)"
    return ""


def _some(wnids: Sequence[str]) -> str:
    shown = ", ".join(wnids[:3]) + (", …" if len(wnids) > 3 else "")
    return f"{len(wnids):,} class{'es' * (len(wnids) > 1)} ({shown})"
