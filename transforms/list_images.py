"""From sources to the images in them: references as a rule, with bytes where need be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.util import WaitOn
from apache_beam.utils.windowed_value import WindowedValue

import imagenet_beam.transforms.coders  # noqa: F401 - registers the coders of the elements
from imagenet_beam.transforms.archives.fetch import read_span
from imagenet_beam.transforms.archives.forms import Span, find_form, recognise
from imagenet_beam.transforms.archives.passed import PassedTally, sum_passed
from imagenet_beam.transforms.batches import in_global_window
from imagenet_beam.transforms.elements import ImageRef, PassedOver
from imagenet_beam.transforms.storage.files import Storage, is_local
from imagenet_beam.transforms.tally import tally
from imagenet_beam.transforms.threads.chain_ahead import ChainAhead

LISTING_THREADS = 16
"""Class tars of remote archives that a worker lists at once, with a block of 8 MiB each."""

_PASSED = "passed"


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
        spans = self._spans(archives)
        if self.with_data:
            return spans | "ReadThrough" >> beam.FlatMap(
                read_through, self.storage, self.split
            ).with_output_types(ImageRef)
        return spans | "ReadHeaders" >> beam.ParDo(
            _ListSpanFn(self.storage, self.split)
        ).with_output_types(ImageRef)

    def _spans(self, archives: beam.PCollection[str]) -> beam.PCollection[Span]:
        spans = (
            archives
            | "SplitArchives"
            >> beam.FlatMap(split_source, self.storage, self.kind).with_output_types(Span)
            | "Reshuffle" >> beam.Reshuffle()
        )
        return spans | "AwaitChecks" >> WaitOn(*self.after) if self.after else spans


class Listed(NamedTuple):
    """What a listing comes to.

    Attributes:
        images: References to them.
        passed: What was passed over, a part for each bundle.
    """

    images: beam.PCollection[ImageRef]
    passed: beam.PCollection[PassedOver]


@dataclass(eq=False)
class ListAll(ListImages):
    """Lists images, and counts what is passed over: PCollection[str] of paths → `Listed`.

    The paths are in the global window. Without `with_data`: what is read once more was counted
    the first time.
    """

    def expand(self, archives: beam.PCollection[str]) -> Listed:
        """As `ListImages`, with a second output of the last step."""
        headers = beam.ParDo(_ListSpanFn(self.storage, self.split, is_told=True))
        found = self._spans(archives) | "ReadHeaders" >> headers.with_output_types(
            ImageRef
        ).with_outputs(_PASSED, main="images")
        found[_PASSED].element_type = PassedOver
        return Listed(found["images"], found[_PASSED])


def split_source(archive: str, storage: Storage, kind: str = "") -> Iterator[Span]:
    """Divides a source into parts for the workers; see `Form.split`."""
    form = find_form(kind) if kind else recognise(storage, archive)
    return form.split(storage, archive)


def list_images(
    span: Span, storage: Storage, split: str = "", passed: PassedTally | None = None
) -> Iterator[ImageRef]:
    """The images of one part of a source; see `Form.list`."""
    return find_form(span.kind).list(storage, span, split, passed or PassedTally())


def read_through(span: Span, storage: Storage, split: str = "") -> Iterator[ImageRef]:
    """The images of one part of a source, with their bytes; see `read_span`."""
    for ref, data in read_span(storage, span, split):
        yield ref._replace(data=data)


class _ListSpanFn(beam.DoFn):
    """Lists the images of one part; of several at once where reads are requests.

    What is listed does not depend on it: parts come out in the order in which they
    came in, each in its own window, at the end of the bundle at the latest.

    Args:
        storage: How to reach the source.
        split: Which split to list.
        is_told: Whether a second output tells what was passed over.
    """

    _images = Metrics.counter("ListImages", "out-images")
    _ahead: ChainAhead[tuple[Any, Any], ImageRef] | None = None  # by timestamp and window

    def __init__(self, storage: Storage, split: str, is_told: bool = False) -> None:
        self._storage = storage
        self._split = split
        self._is_told = is_told

    def start_bundle(self) -> None:
        self._passed: list[PassedOver] = []
        if self._ahead:
            self._ahead.drop()  # of a bundle that failed

    def process(
        self,
        span: Span,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[ImageRef | WindowedValue]:
        refs = self._list(span, self._passed)
        if is_local(span.archive):
            yield from self._counted(refs)
            return
        self._ahead = self._ahead or ChainAhead(LISTING_THREADS)
        yield from self._placed(self._ahead.add((timestamp, window), refs))

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        if self._ahead:
            yield from self._placed(self._ahead.drain())
        passed = sum_passed(self._passed)
        if passed.counts and self._is_told:
            for value in in_global_window([passed]):
                yield beam.pvalue.TaggedOutput(_PASSED, value)

    def teardown(self) -> None:
        if self._ahead:
            self._ahead.close()

    def _list(self, span: Span, passed: list[PassedOver]) -> Iterator[ImageRef]:
        """May be read in another thread, and long after the bundle has failed."""
        tally = PassedTally()
        yield from list_images(span, self._storage, self._split, tally)
        passed += (span.passed, tally.result())

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
