"""Leaving images out: PCollection of images → the ones that are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict

from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.image_steps import ImageBytes
from imagenet_beam.transforms.selection import Selection, read_names
from imagenet_beam.transforms.storage.files import MAX_TEXT_BYTES, Storage
from imagenet_beam.transforms.tally import tally

_Key = tuple[str, bytes]
_IN_ALL = ("holdout", "there are")


class Choice:
    """What is computed from a listing, to choose by: held-out images and limits.

    Attributes:
        selection: What was asked for.
        names: The names of `only_files`, each with True.
        holdout: For each class, or for all together, the last key that is held out.
        limit: For each class, the last key below the limit.
    """

    def __init__(
        self, selection: Selection, images: beam.PCollection[LabeledImage], storage: Storage
    ) -> None:
        self.selection = selection
        self.names = (
            images.pipeline
            | "OnlyFiles" >> beam.Create([selection.only_files])
            | "ReadNames" >> beam.FlatMap(_read_names, storage)
        )
        wanted = images | "Wanted" >> beam.Filter(
            lambda image, names: selection.wants(image, names), AsDict(self.names)
        ).with_output_types(LabeledImage)
        self.holdout = wanted | "Holdout" >> _LastKeys(selection, "holdout")
        kept = wanted | "NotHeldOut" >> beam.Filter(
            _is_on_side, selection, AsDict(self.holdout)
        ).with_output_types(LabeledImage)
        self.limit = kept | "Limit" >> _LastKeys(selection, "limit")


class SelectImages(beam.PTransform):
    """Leaves out what is not wanted: PCollection[LabeledImage] → PCollection[LabeledImage].

    PCollection[ImageBytes] → PCollection[ImageBytes] in the same way.

    Args:
        choice: What to choose by.
    """

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self._choice = choice

    def expand(self, images: beam.PCollection) -> beam.PCollection:
        """Three side inputs: names, held-out keys and limits, as large as the classes are many."""
        choice = self._choice
        return images | "Select" >> beam.ParDo(
            _SelectFn(choice.selection),
            AsDict(choice.names),
            AsDict(choice.holdout),
            AsDict(choice.limit),
        ).with_output_types(images.element_type)


class _SelectFn(beam.DoFn):
    """Passes on an image that is chosen."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def process(
        self,
        element: LabeledImage | ImageBytes,
        names: Mapping[str, bool],
        holdout: Mapping[str, bytes],
        limit: Mapping[str, bytes],
    ) -> Iterator[Any]:
        image = element.image if isinstance(element, ImageBytes) else element
        selection = self._selection
        if (
            selection.wants(image, names)
            and _is_on_side(image, selection, holdout)
            and _is_below(image, selection, limit)
        ):
            yield element
        elif isinstance(element, LabeledImage):
            tally.images_listed -= 1


def _is_on_side(image: LabeledImage, selection: Selection, holdout: Mapping[str, bytes]) -> bool:
    """Whether an image is among the held-out ones, or among the others, as is asked for."""
    if not selection.holds_out:
        return True
    last = holdout[selection.group("holdout", image.wnid)]
    is_held_out = selection.key("holdout", image.ref.filename) <= last
    return is_held_out == selection.is_holdout


def _is_below(image: LabeledImage, selection: Selection, limit: Mapping[str, bytes]) -> bool:
    if not selection.max_per_class or selection.is_holdout:
        return True
    return selection.key("limit", image.ref.filename) <= limit[image.wnid]


def _read_names(path: str, storage: Storage) -> Iterator[tuple[str, bool]]:
    if path:
        names = read_names(storage.read_bytes(path, MAX_TEXT_BYTES), path)
        yield from ((name, True) for name in names)


class _LastKeys(beam.PTransform):
    """The largest of the n smallest keys of each class: PCollection[tuple[str, bytes]]."""

    def __init__(self, selection: Selection, purpose: str) -> None:
        super().__init__()
        self._selection = selection
        self._purpose = purpose

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[_Key]:
        selection, purpose = self._selection, self._purpose
        count = selection.max_per_class
        if purpose == "holdout":
            count = selection.holdout or selection.holdout_per_class
        if not count:
            return images.pipeline | "None" >> beam.Create([]).with_output_types(_Key)
        # One more than is held out is looked at: a class must have an image left.
        return (
            images
            | "Key"
            >> beam.Map(
                lambda image: (
                    selection.group(purpose, image.wnid),
                    selection.key(purpose, image.ref.filename),
                )
            ).with_output_types(_Key)
            | "Smallest"
            >> beam.combiners.Top.SmallestPerKey(count + 1).with_output_types(
                tuple[str, list[bytes]]
            )
            | "Last" >> beam.Map(_last_key, count, purpose).with_output_types(_Key)
        )


def _last_key(group: tuple[str, Iterable[bytes]], count: int, purpose: str) -> _Key:
    wnid, ordered = group[0], sorted(group[1])
    if purpose == "holdout" and len(ordered) <= count:
        field, where = ("holdout_per_class", f"the class {wnid} has") if wnid else _IN_ALL
        raise InputError(
            f"`selection.{field}`={count} is too many: {where} {len(ordered):,} images, "
            "and at least one must be left to train on; give a smaller number"
        )
    return wnid, ordered[min(count, len(ordered)) - 1]
