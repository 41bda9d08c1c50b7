"""From references to labelled images."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

import imagenet_beam.transforms.coders  # noqa: F401 - registers the coders of the elements
from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.label_files import validation_number
from imagenet_beam.transforms.core.records import ImageRef, LabeledImage
from imagenet_beam.transforms.files import Storage
from imagenet_beam.transforms.labels import LABEL_FROM, Labels, LabelSource, require_truth

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


class JoinLabels(beam.PTransform):
    """Tells each image its class: PCollection[ImageRef] → PCollection[LabeledImage].

    Args:
        labels: The result of `LoadLabels`, used as a side input.
        label_from: `place` takes the class that the image lies in (its class tar or
            folder); `number` looks up the number in the file name, as of validation
            images; `none` gives the label -1, as for test images.
    """

    def __init__(self, labels: beam.PCollection[Labels], label_from: str = "place") -> None:
        super().__init__()
        if label_from not in LABEL_FROM:
            raise ValueError(f"label_from={label_from!r} is not known; accepted are {LABEL_FROM}")
        self._labels = labels
        self._label_from = label_from

    def expand(self, refs: beam.PCollection[ImageRef]) -> beam.PCollection[LabeledImage]:
        """Joins with the labels as a side input."""
        return refs | "LabelImage" >> beam.Map(
            label_image, AsSingleton(self._labels), self._label_from
        ).with_output_types(LabeledImage)


def label_image(ref: ImageRef, labels: Labels, label_from: str) -> LabeledImage:
    """Joins one image with its class.

    Raises:
        InputError: If its class cannot be told or is not known.
    """
    if label_from == "none":
        return LabeledImage(ref, NO_LABEL, "", "")
    if label_from == "number":
        wnid = require_truth(labels, ref.filename, validation_number(ref.filename))
    else:
        wnid = ref.wnid
    if wnid not in labels.classes:
        raise InputError(_unknown_class(ref, wnid, len(labels.classes)))
    return LabeledImage(ref, labels.classes.label_of(wnid), wnid, labels.classes.info(wnid).text)


def _unknown_class(ref: ImageRef, wnid: str, known: int) -> str:
    if not wnid:
        return (
            f"{ref.filename} in {ref.archive} lies in no class tar or class folder, so its class "
            "is not known; is this the validation archive?"
        )
    return (
        f"the class {wnid} of {ref.filename} in {ref.archive} is none of the {known:,} classes of "
        "the labels; give the devkit that belongs to these images"
    )
