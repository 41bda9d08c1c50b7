"""From sources to the images in them: references as a rule, with bytes where need be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.util import WaitOn
from apache_beam.utils.windowed_value import WindowedValue

import imagenet_beam.transforms.coders  # noqa: F401 - registers the coders of the elements
from imagenet_beam.transforms.archives.fetch import read_span
from imagenet_beam.transforms.archives.forms import Span, find_form, recognise
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.storage.files import Storage, is_local
from imagenet_beam.transforms.tally import tally
from imagenet_beam.transforms.threads.chain_ahead import ChainAhead

LISTING_THREADS = 16
"""Class tars of remote archives that a worker lists at once, with a block of 8 MiB each."""


@dataclass(eq=False)
class ListImages(beam.PTransform):
    """Lists the images of sources: PCollection[str] of paths → PCollection[ImageRef].

    Class tars and folders are spread over the workers.

    Args:
        storage: How to reach the sources.
        kind: What all of them are, the name of a form in `imagenet_beam.transforms.archives`;
            "" tells each by its content.
        split: Where a source holds several splits, which one to list; "" lists all.
        with_data: Whether images bring their bytes along. Then each part is read from front
            to back with one image in memory at a time, which archives that are compressed
            as a whole need; else headers are read and images are not.
        after: Nothing is listed before these have been computed.
    """

    storage: Storage = field(default_factory=Storage)
    kind: str = ""
    split: str = ""
    with_data: bool = False
    after: tuple[beam.PCollection, ...] = ()

    def expand(self, archives: beam.PCollection[str]) -> beam.PCollection[ImageRef]:
        """Splits sources into parts, spreads these, lists each."""
        spans = (
            archives
            | "SplitArchives"
            >> beam.FlatMap(split_source, self.storage, self.kind).with_output_types(Span)
            | "Reshuffle" >> beam.Reshuffle()
        )
        if self.after:
            spans = spans | "AwaitChecks" >> WaitOn(*self.after)
        if self.with_data:
            return spans | "ReadThrough" >> beam.FlatMap(
                read_through, self.storage, self.split
            ).with_output_types(ImageRef)
        return spans | "ReadHeaders" >> beam.ParDo(
            _ListSpanFn(self.storage, self.split)
        ).with_output_types(ImageRef)


def split_source(archive: str, storage: Storage, kind: str = "") -> Iterator[Span]:
    """Divides a source into parts for the workers; see `Form.split`."""
    form = find_form(kind) if kind else recognise(storage, archive)
    return form.split(storage, archive)


def list_images(span: Span, storage: Storage, split: str = "") -> Iterator[ImageRef]:
    """The images of one part of a source; see `Form.list`."""
    return find_form(span.kind).list(storage, span, split)


def read_through(span: Span, storage: Storage, split: str = "") -> Iterator[ImageRef]:
    """The images of one part of a source, with their bytes; see `read_span`."""
    for ref, data in read_span(storage, span, split):
        yield ref._replace(data=data)


class _ListSpanFn(beam.DoFn):
    """Lists the images of one part; of several at once where reads are requests.

    What is listed does not depend on it: parts come out in the order in which they
    came in, each in its own window, at the end of the bundle at the latest.
    """

    _images = Metrics.counter("ListImages", "out-images")
    _ahead: ChainAhead[tuple[Any, Any], ImageRef] | None = None  # by timestamp and window

    def __init__(self, storage: Storage, split: str) -> None:
        self._storage = storage
        self._split = split

    def start_bundle(self) -> None:
        if self._ahead:
            self._ahead.drop()  # of a bundle that failed

    def process(
        self,
        span: Span,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[ImageRef | WindowedValue]:
        refs = list_images(span, self._storage, self._split)
        if is_local(span.archive):
            yield from self._counted(refs)
            return
        self._ahead = self._ahead or ChainAhead(LISTING_THREADS)
        yield from self._placed(self._ahead.add((timestamp, window), refs))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._ahead:
            yield from self._placed(self._ahead.drain())

    def teardown(self) -> None:
        if self._ahead:
            self._ahead.close()

    def _placed(
        self, chunks: Iterable[tuple[tuple[Any, Any], list[ImageRef]]]
    ) -> Iterator[WindowedValue]:
        for (timestamp, window), refs in chunks:
            for ref in self._counted(refs):
                yield WindowedValue(ref, timestamp, (window,))

    def _counted(self, refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
        count = 0
        for ref in refs:
            count += 1
            tally.images_listed += 1
            yield ref
        self._images.inc(count)
