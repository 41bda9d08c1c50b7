"""Leaving images out: PCollection of batches → the same with the images that are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import AsDict

from imagenet_beam.transforms.batches import ImageBatch, flat_map_images
from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.few_steps import Given
from imagenet_beam.transforms.selection import Selection, read_names
from imagenet_beam.transforms.storage.files import MAX_TEXT_BYTES, Storage
from imagenet_beam.transforms.tally import tally

_Key = tuple[str, bytes]


class Choice:
    """What is computed from a listing, to choose by: held-out images and limits.

    Attributes:
        selection: What was asked for.
        names: The names of `only_files`, each with True.
        holdout: For each class, or for all together, the last key that is held out.
        limit: For each class, the last key below the limit.
    """

    def __init__(
        self, selection: Selection, images: beam.PCollection[ImageBatch], storage: Storage
    ) -> None:
        self.selection = selection
        self.names = (
            images.pipeline
            | "OnlyFiles" >> Given([selection.only_files], str)
            | "ReadNames" >> beam.FlatMap(_read_names, storage)
        )
        wanted = images | "Wanted" >> flat_map_images(
            lambda image, names: [image][: selection.wants(image, names)], AsDict(self.names)
        )
        self.holdout = wanted | "Holdout" >> _LastKeys(selection, "holdout")
        kept = wanted | "NotHeldOut" >> flat_map_images(
            lambda image, last: [image][: selection.is_on_side(image, last)], AsDict(self.holdout)
        )
        self.limit = kept | "Limit" >> _LastKeys(selection, "limit")


@dataclass(eq=False)
class SelectImages(beam.PTransform):
    """Leaves out what is not wanted: PCollection[ImageBatch] → PCollection[ImageBatch].

    Attributes:
        choice: What to choose by.
    """

    choice: Choice

    def expand(self, images: beam.PCollection[ImageBatch]) -> beam.PCollection[ImageBatch]:
        """Three side inputs: names, held-out keys and limits, as large as the classes are many."""
        choice = self.choice
        return images | "Select" >> flat_map_images(
            _select,
            choice.selection,
            AsDict(choice.names),
            AsDict(choice.holdout),
            AsDict(choice.limit),
        )


def _select(
    image: LabeledImage,
    selection: Selection,
    names: Mapping[str, bool],
    holdout: Mapping[str, bytes],
    limit: Mapping[str, bytes],
) -> Iterator[LabeledImage]:
    """Passes on an image that is chosen."""
    if (
        selection.wants(image, names)
        and selection.is_on_side(image, holdout)
        and selection.is_below_limit(image, limit)
    ):
        yield image
    elif not image.ref.data:  # else it was listed, and left out, before
        tally.images_listed -= 1


def _read_names(path: str, storage: Storage) -> Iterator[tuple[str, bool]]:
    if path:
        names = read_names(storage.read_bytes(path, MAX_TEXT_BYTES), path)
        yield from ((name, True) for name in names)


@dataclass(eq=False)
class _LastKeys(beam.PTransform):
    """The largest of the n smallest keys of each class: PCollection[tuple[str, bytes]]."""

    selection: Selection
    purpose: str

    def expand(self, images: beam.PCollection[ImageBatch]) -> beam.PCollection[_Key]:
        selection, purpose = self.selection, self.purpose
        count = selection.count(purpose)
        if not count:
            return images.pipeline | "None" >> Given((), _Key)
        # One more than is held out is looked at: a class must have an image left.
        return (
            images
            | "Key"
            >> beam.FlatMap(
                lambda batch: [
                    (
                        selection.group(purpose, image.wnid),
                        selection.key(purpose, image.ref.filename),
                    )
                    for image in batch.images
                ]
            ).with_output_types(_Key)
            | "Smallest"
            >> beam.combiners.Top.SmallestPerKey(count + 1).with_output_types(
                tuple[str, list[bytes]]
            )
            | "Last"
            >> beam.MapTuple(
                lambda group, keys: (group, selection.last_key(purpose, group, keys))
            ).with_output_types(_Key)
        )
