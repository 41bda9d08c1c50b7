"""From sources to the images in them: references as a rule, with bytes where need be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import coders
from apache_beam.metrics import Metrics
from apache_beam.transforms.util import WaitOn
from apache_beam.utils.windowed_value import WindowedValue

from imagenet_beam.transforms.archives.base import Span
from imagenet_beam.transforms.archives.table import KINDS, recognise
from imagenet_beam.transforms.coders import ImageRefCoder, NamedTupleCoder
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.storage.files import Storage, is_local
from imagenet_beam.transforms.tally import tally
from imagenet_beam.transforms.threads.chain_ahead import ChainAhead

LISTING_THREADS = 16
"""Class tars of remote archives that a worker lists at once, with a block of 8 MiB each."""


class StreamedImage(NamedTuple):
    """An image of a source that cannot be read in place."""

    ref: ImageRef
    data: bytes


class SpanCoder(NamedTupleCoder):
    """A part of a source."""

    element_type = Span
    fields = (
        coders.StrUtf8Coder(),
        coders.StrUtf8Coder(),
        coders.VarIntCoder(),
        coders.VarIntCoder(),
        coders.StrUtf8Coder(),
        coders.StrUtf8Coder(),
    )


class StreamedImageCoder(NamedTupleCoder):
    """A reference and the bytes."""

    element_type = StreamedImage
    fields = (ImageRefCoder(), coders.BytesCoder())


coders.registry.register_coder(Span, SpanCoder)
coders.registry.register_coder(StreamedImage, StreamedImageCoder)


class ListImages(beam.PTransform):
    """Lists the images of sources: PCollection[str] of paths → PCollection[ImageRef].

    Headers are read, images are not. Class tars and folders are spread over the workers.

    Args:
        storage: How to reach the sources.
        kind: What all of them are, a key of `imagenet_beam.transforms.archives.table.KINDS`;
            "" tells each by its content.
        split: Where a source holds several splits, which one to list; "" lists all.
    """

    def __init__(self, storage: Storage | None = None, kind: str = "", split: str = "") -> None:
        super().__init__()
        self._storage = storage or Storage()
        self._kind = kind
        self._split = split

    def expand(self, archives: beam.PCollection[str]) -> beam.PCollection[ImageRef]:
        """Splits sources into parts, spreads these, lists each."""
        return (
            archives
            | "SplitArchives"
            >> beam.FlatMap(split_source, self._storage, self._kind).with_output_types(Span)
            | "Reshuffle" >> beam.Reshuffle()
            | "ReadHeaders"
            >> beam.ParDo(_ListSpanFn(self._storage, self._split)).with_output_types(ImageRef)
        )


class StreamImages(beam.PTransform):
    """Reads sources from front to back: PCollection[str] → PCollection[StreamedImage].

    For sources that cannot be read in place. One worker reads a source, or a part
    of it, with one image in memory at a time.

    Args:
        storage: How to reach the sources.
        kind: As for `ListImages`.
        split: As for `ListImages`.
        after: Nothing is read before these have been computed.
    """

    def __init__(
        self,
        storage: Storage | None = None,
        kind: str = "",
        split: str = "",
        after: tuple[beam.PCollection, ...] = (),
    ) -> None:
        super().__init__()
        self._storage = storage or Storage()
        self._kind = kind
        self._split = split
        self._after = after

    def expand(self, archives: beam.PCollection[str]) -> beam.PCollection[StreamedImage]:
        """Splits sources into parts, spreads these, reads each."""
        spans = (
            archives
            | "SplitArchives"
            >> beam.FlatMap(split_source, self._storage, self._kind).with_output_types(Span)
            | "Reshuffle" >> beam.Reshuffle()
        )
        if self._after:
            spans = spans | "AwaitChecks" >> WaitOn(*self._after)
        return spans | "ReadThrough" >> beam.FlatMap(
            _stream, self._storage, self._split
        ).with_output_types(StreamedImage)


def split_source(archive: str, storage: Storage, kind: str = "") -> Iterator[Span]:
    """Divides a source into parts for the workers; see `SourceKind.split`."""
    source = KINDS[kind] if kind else recognise(storage, archive)
    return source.split(storage, archive)


def list_images(span: Span, storage: Storage, split: str = "") -> Iterator[ImageRef]:
    """Lists the images of one part of a source; see `SourceKind.list`."""
    return KINDS[span.kind].list(storage, span, split)


def _stream(span: Span, storage: Storage, split: str) -> Iterator[StreamedImage]:
    for ref, data in KINDS[span.kind].stream(storage, span, split):
        yield StreamedImage(ref, data)


class _Place(NamedTuple):
    """Where in time a part belongs."""

    timestamp: Any
    window: Any


class _ListSpanFn(beam.DoFn):
    """Lists the images of one part; of several at once where reads are requests.

    What is listed does not depend on it: parts come out in the order in which they
    came in, each in its own window, at the end of the bundle at the latest.
    """

    _images = Metrics.counter("ListImages", "out-images")
    _ahead: ChainAhead[_Place, ImageRef] | None = None

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
        yield from self._placed(self._ahead.add(_Place(timestamp, window), refs))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._ahead:
            yield from self._placed(self._ahead.drain())

    def teardown(self) -> None:
        if self._ahead:
            self._ahead.close()

    def _placed(self, chunks: Iterable[tuple[_Place, list[ImageRef]]]) -> Iterator[WindowedValue]:
        for place, refs in chunks:
            for ref in self._counted(refs):
                yield WindowedValue(ref, place.timestamp, (place.window,))

    def _counted(self, refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
        count = 0
        for ref in refs:
            count += 1
            tally.images_listed += 1
            yield ref
        self._images.inc(count)
