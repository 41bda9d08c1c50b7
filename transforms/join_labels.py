"""From references to labelled images."""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

import imagenet_beam.transforms.coders  # noqa: F401 - registers the coders of the elements
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.image_steps import ImageBytes
from imagenet_beam.transforms.labels.label_files import validation_number
from imagenet_beam.transforms.labels.source import (
    LABEL_FROM,
    Labels,
    LabelSource,
    require_truth,
    with_classes,
)
from imagenet_beam.transforms.list_images import StreamedImage
from imagenet_beam.transforms.storage.files import Storage, unpinned

NO_LABEL = -1
"""The label of images without a class, as TFDS writes it."""


class LoadLabels(beam.PTransform):
    """Reads the label files once: PBegin → PCollection[Labels] of one element."""

    def __init__(self, source: LabelSource, storage: Storage | None = None) -> None:
        super().__init__()
        self._source = source
        self._storage = storage or Storage()

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Labels]:
        """Loads in a worker, so that the labels need not travel in the job's graph."""
        load = self._source.load
        return (
            begin
            | "Once" >> beam.Create([None])
            | "ReadLabels"
            >> beam.Map(lambda _, storage: load(storage), self._storage).with_output_types(Labels)
        )


class FindClasses(beam.PTransform):
    """Numbers the classes that are found: PCollection[ImageRef] → PCollection[Labels].

    For archives whose classes no file lists, such as ImageNet-21k's.

    Args:
        labels: The result of `LoadLabels`.
        source: Says base and order.
    """

    def __init__(self, labels: beam.PCollection[Labels], source: LabelSource) -> None:
        super().__init__()
        self._labels = labels
        self._source = source

    def expand(self, refs: beam.PCollection[ImageRef]) -> beam.PCollection[Labels]:
        """Gathers the distinct classes in one place; there are thousands at most."""
        source = self._source
        return (
            refs
            | "GatherClasses" >> beam.CombineGlobally(_ClassesFn()).with_output_types(list[str])
            | "NumberClasses"
            >> beam.Map(
                lambda wnids, labels: with_classes(labels, wnids, source),
                AsSingleton(self._labels),
            ).with_output_types(Labels)
        )


class _ClassesFn(beam.CombineFn):
    """The distinct classes, sorted."""

    def create_accumulator(self) -> set[str]:
        return set()

    def add_input(self, found: set[str], ref: ImageRef) -> set[str]:
        found.add(ref.wnid)
        return found

    def merge_accumulators(self, parts: Iterable[set[str]]) -> set[str]:
        return set().union(*parts)

    def extract_output(self, found: set[str]) -> list[str]:
        return sorted(found)


class JoinLabels(beam.PTransform):
    """Tells each image its class: PCollection[ImageRef] → PCollection[LabeledImage].

    Images that travel with their bytes are labelled in the same way:
    PCollection[StreamedImage] → PCollection[ImageBytes].

    Args:
        labels: The result of `LoadLabels`, used as a side input.
        label_from: `place` takes the class that the image lies in (its class tar or
            folder); `number` looks up the number in the file name, as of validation
            images; `index` takes the number that the source gives for a place in the list
            of classes; `none` gives the label -1, as for test images.
    """

    def __init__(self, labels: beam.PCollection[Labels], label_from: str = "place") -> None:
        super().__init__()
        if label_from not in LABEL_FROM:
            raise ValueError(f"label_from={label_from!r} is not known; accepted are {LABEL_FROM}")
        self._labels = labels
        self._label_from = label_from

    def expand(self, refs: beam.PCollection[ImageRef]) -> beam.PCollection[LabeledImage]:
        """Joins with the labels as a side input."""
        if refs.element_type is StreamedImage:
            return refs | "LabelImage" >> beam.Map(
                _label_streamed, AsSingleton(self._labels), self._label_from
            ).with_output_types(ImageBytes)
        return refs | "LabelImage" >> beam.Map(
            label_image, AsSingleton(self._labels), self._label_from
        ).with_output_types(LabeledImage)


def _label_streamed(image: StreamedImage, labels: Labels, label_from: str) -> ImageBytes:
    return ImageBytes(label_image(image.ref, labels, label_from), image.data)


def label_image(ref: ImageRef, labels: Labels, label_from: str) -> LabeledImage:
    """Joins one image with its class.

    Raises:
        InputError: If its class cannot be told or is not known.
    """
    if label_from == "none":
        return LabeledImage(ref, NO_LABEL, "", "")
    if label_from == "index":
        ref = ref._replace(wnid=_listed_class(ref, labels))
    if label_from == "number" and (labels.truth or not ref.wnid):
        wnid = require_truth(labels, ref.filename, validation_number(ref.filename))
    else:
        wnid = ref.wnid
    if wnid not in labels.classes:
        raise InputError(_unknown_class(ref, wnid, len(labels.classes)))
    return LabeledImage(ref, labels.classes.label_of(wnid), wnid, labels.classes.info(wnid).text)


def _listed_class(ref: ImageRef, labels: Labels) -> str:
    classes = labels.classes.classes
    if int(ref.wnid) >= len(classes):
        raise InputError(
            f"{unpinned(ref.archive)} gives {ref.filename} the label {ref.wnid}; accepted are 0 to "
            f"{len(classes) - 1}"
        )
    return classes[int(ref.wnid)].wnid


def _unknown_class(ref: ImageRef, wnid: str, known: int) -> str:
    if not wnid:
        return (
            f"{ref.filename} in {unpinned(ref.archive)} lies in no class tar or class folder, so "
            "its class is not known; is this the validation archive?"
        )
    return (
        f"the class {wnid} of {ref.filename} in {unpinned(ref.archive)} is none of the {known:,} "
        "classes of the labels; give the devkit that belongs to these images"
    )
