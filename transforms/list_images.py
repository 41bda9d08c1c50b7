"""From archives to references to the images in them."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam import coders
from apache_beam.metrics import Metrics

from imagenet_beam.transforms.coders import NamedTupleCoder
from imagenet_beam.transforms.core.archives import TarSpan, list_span, split_archive
from imagenet_beam.transforms.core.records import ImageRef
from imagenet_beam.transforms.core.tally import tally
from imagenet_beam.transforms.files import Storage


class TarSpanCoder(NamedTupleCoder):
    """A tar archive inside a file."""

    element_type = TarSpan
    fields = (
        coders.StrUtf8Coder(),
        coders.VarIntCoder(),
        coders.VarIntCoder(),
        coders.StrUtf8Coder(),
        coders.StrUtf8Coder(),
    )


coders.registry.register_coder(TarSpan, TarSpanCoder)


class ListImages(beam.PTransform):
    """Lists the images of archives: PCollection[str] of paths → PCollection[ImageRef].

    Headers are read, images are not. Class tars are spread over the workers.

    Args:
        storage: How to reach the archives.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        super().__init__()
        self._storage = storage or Storage()

    def expand(self, archives: beam.PCollection[str]) -> beam.PCollection[ImageRef]:
        """Splits archives into class tars, spreads these, lists each."""
        return (
            archives
            | "SplitArchives" >> beam.FlatMap(_split, self._storage).with_output_types(TarSpan)
            | "Reshuffle" >> beam.Reshuffle()
            | "ReadHeaders" >> beam.ParDo(_ListSpanFn(self._storage))
        )


def _split(archive: str, storage: Storage) -> Iterator[TarSpan]:
    yield from split_archive(storage.open_ranges(archive), archive)


class _ListSpanFn(beam.DoFn):
    """Lists the images of one tar."""

    _images = Metrics.counter("ListImages", "out-images")

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def process(self, span: TarSpan) -> Iterator[ImageRef]:
        count = 0
        for ref in list_span(self._storage.open_ranges(span.archive), span):
            count += 1
            tally.images_listed += 1
            yield ref
        self._images.inc(count)
