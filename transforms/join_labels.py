"""From references to labelled images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

import imagenet_beam.transforms.coders  # noqa: F401 - registers the coders of the elements
from imagenet_beam.transforms.archives.names import is_perhaps_no_class
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.few_steps import CombineAll
from imagenet_beam.transforms.labels.read import load_labels
from imagenet_beam.transforms.labels.rule import label_image, with_classes
from imagenet_beam.transforms.labels.source import LABEL_FROM, Labels, LabelSource
from imagenet_beam.transforms.storage.files import Storage


@dataclass(eq=False)
class LoadLabels(beam.PTransform):
    """Reads the label files once: PBegin → PCollection[Labels] of one element.

    With `any_answers`, validation labels may be other ones than are known of ILSVRC2012.
    """

    source: LabelSource
    storage: Storage = field(default_factory=Storage)
    any_answers: bool = False

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Labels]:
        """Loads in a worker, so that the labels need not travel in the job's graph."""
        return (
            begin
            | "Once" >> beam.Impulse()
            | "ReadLabels"
            >> beam.Map(
                lambda _, *how: load_labels(*how), self.source, self.storage, self.any_answers
            ).with_output_types(Labels)
        )


@dataclass(eq=False)
class FindClasses(beam.PTransform):
    """Numbers the classes that are found: PCollection[ImageRef] → PCollection[Labels].

    For archives whose classes no file lists, such as ImageNet-21k's, and for class folders
    that are called by words, whose classes follow from all of them together.

    Attributes:
        labels: The result of `LoadLabels`.
        source: Says base and order.
    """

    labels: beam.PCollection[Labels]
    source: LabelSource

    def expand(self, refs: beam.PCollection[ImageRef]) -> beam.PCollection[Labels]:
        """Gathers the distinct classes in one place; there are thousands at most."""
        source = self.source
        return (
            refs
            | "GatherClasses" >> CombineAll(_ClassesFn(), list[list[str]])
            | "NumberClasses"
            >> beam.Map(
                lambda found, labels: with_classes(labels, found[0], source, found[1]),
                AsSingleton(self.labels),
            ).with_output_types(Labels)
        )


class _ClassesFn(beam.CombineFn):
    """The distinct classes, sorted; then the folders that may be none."""

    def create_accumulator(self) -> set[tuple[str, bool]]:
        return set()

    def add_input(self, found: set[tuple[str, bool]], ref: ImageRef) -> set[tuple[str, bool]]:
        found.add((ref.wnid, is_perhaps_no_class(ref.wnid, ref.filename)))
        return found

    def merge_accumulators(self, parts: Iterable[set[tuple[str, bool]]]) -> set[tuple[str, bool]]:
        return set().union(*parts)

    def extract_output(self, found: set[tuple[str, bool]]) -> list[list[str]]:
        return [
            sorted(name for name, is_none in found if is_none is which) for which in (False, True)
        ]


@dataclass(eq=False)
class JoinLabels(beam.PTransform):
    """Tells each image its class: PCollection[ImageRef] → PCollection[LabeledImage].

    Attributes:
        labels: The result of `LoadLabels`, used as a side input.
        label_from: How the class is told, one of `LABEL_FROM`; see `label_image`.
    """

    labels: beam.PCollection[Labels]
    label_from: str = "place"

    def __post_init__(self) -> None:
        if self.label_from not in LABEL_FROM:
            raise ValueError(
                f"label_from={self.label_from!r} is not known; accepted are {LABEL_FROM}"
            )

    def expand(self, refs: beam.PCollection[ImageRef]) -> beam.PCollection[LabeledImage]:
        """Joins with the labels as a side input."""
        return refs | "LabelImage" >> beam.Map(
            label_image, AsSingleton(self.labels), self.label_from
        ).with_output_types(LabeledImage)
