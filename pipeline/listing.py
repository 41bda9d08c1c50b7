"""Checking what was listed, before any shard is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import apache_beam as beam

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.inputs import ResolvedSplit
from imagenet_beam.pipeline.shard_files import foreign_shard
from imagenet_beam.transforms.archives.names import is_misplaced
from imagenet_beam.transforms.archives.official_names import is_wnid
from imagenet_beam.transforms.batches import ImageBatch
from imagenet_beam.transforms.coders import ElementCoder, register
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.few_steps import CombineAll
from imagenet_beam.transforms.labels.folders import resolve_folders
from imagenet_beam.transforms.labels.source import Labels, LabelSource
from imagenet_beam.transforms.records.receipts import sum_counts
from imagenet_beam.transforms.selection import Selection

_DOGS_CLASSES = 120
"""Classes of `ILSVRC2012_img_train_t3.tar`, the archive of task 3, all dogs."""

_BREEDS = ("n02085620", "n02113978")
"""The first and the last breed by wnid; no other class of ILSVRC2012 lies between them."""

_WILD_DOGS = ("n02115641", "n02115913", "n02116738")
"""Dingo, dhole and African hunting dog, of which there are images, too."""

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
            the labels: file name, class in the archive, class of the labels, "" of none.
        disagreeing: How many such images there are.
        boxes: How many bounding boxes the images have.
        misplaced: How many images lie in the folder or class tar of another class than their
            official name tells.
        first_misplaced: The first of them, with the class in which they lie.
        folders: The classes of the folders that are called by words.
    """

    split: str
    images: int
    size_bytes: int
    class_counts: Mapping[str, int]
    disagreements: tuple[tuple[str, str, str], ...] = ()
    disagreeing: int = 0
    boxes: int = 0
    misplaced: int = 0
    first_misplaced: tuple[tuple[str, str], ...] = ()
    folders: Mapping[str, str] = {}


register(Listing)


@dataclass(eq=False)
class SummarizeImages(beam.PTransform):
    """Counts: PCollection[ImageBatch] → PCollection[Listing] of one element.

    Args:
        split: The split's name.
    """

    split: str

    def expand(self, images: beam.PCollection[ImageBatch]) -> beam.PCollection[Listing]:
        """One small summary a bundle, added up."""
        return images | "CountClasses" >> CombineAll(_SummarizeFn(self.split), Listing)


class _SummarizeFn(beam.CombineFn):
    """Counts images and bytes in all and images by class."""

    def __init__(self, split: str) -> None:
        self._split = split

    def get_accumulator_coder(self) -> ElementCoder:
        return ElementCoder(Listing)

    def create_accumulator(self) -> Listing:
        return Listing(self._split, 0, 0, {}, folders={})

    def add_input(self, total: Listing, batch: ImageBatch) -> Listing:
        split, images, size_bytes, class_counts, disagreements, disagreeing, boxes, *_ = total
        misplaced, elsewhere = total.misplaced, total.first_misplaced
        counts = cast(dict[str, int], class_counts)  # its own
        folders = cast(dict[str, str], total.folders)
        for ref, _, wnid, _, found in batch.images:
            counts[wnid] = counts.get(wnid, 0) + 1
            size_bytes, boxes = size_bytes + ref.size_bytes, boxes + len(found)
            if ref.wnid and wnid and ref.wnid != wnid and not is_wnid(ref.wnid):
                folders[ref.wnid] = wnid
            elif ref.wnid and ref.wnid != wnid:
                first = sorted([*disagreements, (ref.filename, ref.wnid, wnid)])
                disagreements, disagreeing = tuple(first[:_SHOWN]), disagreeing + 1
            if is_misplaced(ref.filename, ref.wnid):
                misplaced += 1
                elsewhere = tuple(sorted([*elsewhere, (ref.filename, ref.wnid)])[:_SHOWN])
        images += len(batch.images)
        return Listing(
            split,
            images,
            size_bytes,
            counts,
            disagreements,
            disagreeing,
            boxes,
            misplaced,
            elsewhere,
            folders,
        )

    def merge_accumulators(self, totals: Iterable[Listing]) -> Listing:
        parts = list(totals)
        found = sorted(row for part in parts for row in part.disagreements)
        return Listing(
            self._split,
            sum(part.images for part in parts),
            sum(part.size_bytes for part in parts),
            sum_counts(part.class_counts.items() for part in parts),
            tuple(found[:_SHOWN]),
            sum(part.disagreeing for part in parts),
            sum(part.boxes for part in parts),
            sum(part.misplaced for part in parts),
            tuple(sorted(row for part in parts for row in part.first_misplaced)[:_SHOWN]),
            {folder: wnid for part in parts for folder, wnid in part.folders.items()},
        )

    def extract_output(self, total: Listing) -> Listing:
        return total._replace(
            class_counts=dict(sorted(total.class_counts.items())),
            folders=dict(sorted(total.folders.items())),
        )


def check_listing(
    listing: Listing, labels: Labels, split: ResolvedSplit, source: LabelSource, expect: str
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
    _check_folders(listing, labels, archives)
    if split.label_from == "place" or (split.label_from == "number" and not labels.truth):
        check_class_names(list(listing.class_counts), source, archives)
        _check_one_folder(listing, split, archives)
    if expect != "any":
        _check_consistent(listing, labels, split, archives)
    if expect == "official":
        check_official(listing.images, split, archives)
    missing = sorted(set(split.selection.classes) - listing.class_counts.keys())
    if missing and split.label_from != "none":
        raise InputError(
            f"`selection.classes` names {_some(missing)} that {archives} does not have"
        )
    return listing


def check_shards(images: int, split: ResolvedSplit) -> None:
    """Raises `InputError` where there are fewer images than shards, or others are in the folder."""
    number = split.shards_of(images)
    for name in split.unexplained:
        if not name.endswith(f"-of-{number:05d}"):
            raise foreign_shard(name)
    if images < number:
        of = "of" if split.selection.takes_all else f"that {split.name} takes from"
        raise InputError(
            f"`{split.name}.num_shards`={number} is more than the {images:,} images "
            f"{of} `{split.parameter}`={','.join(split.archives)}: some shards would be empty; "
            f"give `{split.name}.num_shards`={images} or fewer"
        )


def check_selected(
    listing: Listing, names: Collection[str], split: ResolvedSplit, expect: str
) -> Listing:
    """Gives the listing of the images that were selected back if it can be written.

    Raises:
        InputError: If nothing is left, too little for the shards, or if images that
            were asked for by name are not there.
    """
    if listing.images == 0:
        raise InputError(
            f"no image of `{split.parameter}`={','.join(split.archives)} is left for {split.name} "
            f"by {_choices(split.selection)}"
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


def _choices(selection: Selection) -> str:
    """What was asked for, by fields: classes are given as wnids, files by their names."""
    given = {
        "classes": ",".join(selection.classes[:_SHOWN]) + ",…" * (len(selection.classes) > _SHOWN),
        "only_files": selection.only_files,
        "fraction": str(selection.fraction) if selection.fraction < 1 else "",
    }
    named = [f"`selection.{field}`={value}" for field, value in given.items() if value]
    wnids = " (classes are named by their wnids, such as n01440764)" * bool(selection.classes)
    return " and ".join(named or ["what is held out"]) + wnids


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
        check_classes(list(listing.class_counts), labels, archives)


def _check_agreement(listing: Listing, archives: str) -> None:
    """Refuses images that lie in the folder of another class than their label's."""
    if not listing.disagreeing:
        return
    name, there, by_labels = listing.disagreements[0]
    if not by_labels:
        raise InputError(
            f"{archives} holds images without a class, and {listing.disagreeing:,} of "
            f"{listing.images:,} with one ({name}: {there}); lay all of them in class folders, or "
            "none"
        )
    shown = "; ".join(
        f"{name}: {there} in the archive, {here} by the labels"
        for name, there, here in listing.disagreements
    )
    more = "; …" if listing.disagreeing > len(listing.disagreements) else ""
    raise InputError(
        f"{archives} and the validation labels disagree on {listing.disagreeing:,} of "
        f"{listing.images:,} images ({shown}{more}); give only the one that is right"
    )


def _check_folders(listing: Listing, labels: Labels, archives: str) -> None:
    """Refuses folders whose classes follow from those of another split only."""
    if listing.folders:
        try:
            alone = resolve_folders(listing.folders, labels)
        except InputError as error:
            raise InputError(f"{archives}: {error}") from error
        if alone != listing.folders:
            folder = next(name for name in alone if alone[name] != listing.folders[name])
            raise InputError(
                f"{archives}: the class folder {folder} is {alone[folder]} by the folders beside "
                f"it, and {listing.folders[folder]} by those of other splits; rename it to the "
                "wnid that is meant"
            )


def _check_one_folder(listing: Listing, split: SplitConfig, archives: str) -> None:
    """Refuses one folder of validation or test images that may be the split's, not a class's."""
    (only, *others) = listing.class_counts
    if not others and not is_wnid(only) and split.listed_split != "train":
        raise InputError(
            f"{archives} has all its {listing.images:,} images in the one folder {only}; give the "
            "folder itself if it is no class, and more than one class if it is"
        )


def check_class_names(found: Sequence[str], source: LabelSource, archives: str) -> None:
    """Refuses classes that are called other than by wnids, unless that was asked for."""
    strange = [] if source.any_names else sorted(name for name in found if not is_wnid(name))
    if strange:
        raise InputError(
            f"{archives} has {_some(strange)} whose names are no wnids such as n01440764; give "
            "`labels.class_names` (map_clsloc.txt or synset_words.txt) if they are the names of "
            "wnids, or `labels.any_names` if these are the classes"
        )


def are_the_dogs(found: Iterable[str]) -> bool:
    """Whether these are the classes of `ILSVRC2012_img_train_t3.tar`."""
    first, last = _BREEDS
    wnids = set(found)
    are_dogs = all(first <= wnid <= last or wnid in _WILD_DOGS for wnid in wnids)
    return len(wnids) == _DOGS_CLASSES and are_dogs


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
        dogs = " (they are those of ILSVRC2012_img_train_t3.tar, dogs only)" * are_the_dogs(found)
        raise InputError(
            f"{archives} lacks {_some(missing)} of the {len(known):,} of the labels{dogs}; give "
            "all of it, or `expect`=any to convert what is there"
        )


def _some(wnids: Sequence[str]) -> str:
    shown = ", ".join(wnids[:3]) + (", …" if len(wnids) > 3 else "")
    return f"{len(wnids):,} class{'es' * (len(wnids) > 1)} ({shown})"
