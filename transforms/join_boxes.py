"""From labelled images to labelled images with boxes."""

from __future__ import annotations

from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam import coders
from apache_beam.pvalue import AsSingleton

import imagenet_beam.transforms.coders  # noqa: F401 - registers the coders of the elements
from imagenet_beam.transforms.archives.names import base_name
from imagenet_beam.transforms.boxes.annotations import image_stem
from imagenet_beam.transforms.boxes.index import BoxIndex
from imagenet_beam.transforms.boxes.read import read_boxes, stat_boxes
from imagenet_beam.transforms.elements import LabeledImage
from imagenet_beam.transforms.errors import changed_input
from imagenet_beam.transforms.few_steps import Given
from imagenet_beam.transforms.storage.files import FileStat, Storage


class _BoxIndexCoder(coders.Coder):
    """The index's own bytes: all boxes of ImageNet are one element of 24 MB."""

    def encode(self, value: BoxIndex) -> bytes:
        return value.to_bytes()

    def decode(self, encoded: bytes) -> BoxIndex:
        return BoxIndex.from_bytes(encoded)

    def is_deterministic(self) -> bool:
        return True


coders.registry.register_coder(BoxIndex, _BoxIndexCoder)


@dataclass(eq=False)
class LoadBoxes(beam.PTransform):
    """Reads all boxes once: PBegin → PCollection[BoxIndex] of one element.

    Attributes:
        paths: Archives, folders or CSV files; see `read_boxes`.
        storage: How to reach them.
        known: What `stat_boxes` said of them when the job was planned; that they have
            changed is an error.
    """

    paths: tuple[str, ...]
    storage: Storage = field(default_factory=Storage)
    known: tuple[FileStat, ...] = ()

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[BoxIndex]:
        """Reads in a worker, so that the boxes need not travel in the job's graph."""
        return (
            begin
            | "Once" >> Given([self.paths], tuple[str, ...])
            | "ReadBoxes"
            >> beam.Map(read_known_boxes, self.storage, self.known).with_output_types(BoxIndex)
        )


def read_known_boxes(
    paths: tuple[str, ...], storage: Storage, known: tuple[FileStat, ...]
) -> BoxIndex:
    """Reads all boxes, and makes sure that they are those that the job was planned with.

    Raises:
        InputError: If they are wrong, or have changed.
    """
    index = read_boxes(paths, storage)
    for before in known:
        if stat_boxes(before.path, storage) != before:
            raise changed_input(before.path)
    return index


@dataclass(eq=False)
class JoinBoxes(beam.PTransform):
    """Gives each image its boxes: PCollection[LabeledImage] → PCollection[LabeledImage].

    Args:
        boxes: The result of `LoadBoxes`, used as a side input: see
            docs/decisions/0012.
    """

    boxes: beam.PCollection[BoxIndex]

    def expand(self, images: beam.PCollection[LabeledImage]) -> beam.PCollection[LabeledImage]:
        """Looks the image's name up as `image_stem` gives it, then without its class."""
        return images | "FindBoxes" >> beam.Map(
            with_boxes, AsSingleton(self.boxes)
        ).with_output_types(LabeledImage)


def with_boxes(image: LabeledImage, index: BoxIndex) -> LabeledImage:
    """The image with its boxes; without any where it has no annotation."""
    stem = image_stem(image.ref.filename)
    return image._replace(boxes=index.boxes(stem if stem in index else base_name(stem)))
