"""Plain tar archives: flat, with folders, or of class tars. Read in place."""

from __future__ import annotations

from collections.abc import Iterator

from imagenet_beam.transforms.archives.base import Images, Span
from imagenet_beam.transforms.archives.fetch import fetch
from imagenet_beam.transforms.archives.tar_listing import TarSpan, list_span, split_archive
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.storage.files import Storage, read_ahead_bytes


class TarSource:
    """What every file is taken for that is nothing else; its errors say what it is."""

    name = "tar"
    title = "a tar archive"
    streamed = False

    def recognises(self, head: bytes) -> bool:
        """Always: walking it tells, in a sentence, if it is none."""
        return True

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """A part for each class tar, or the whole of a flat one."""
        reader = storage.open_ranges(archive)
        for part in split_archive(reader, archive, read_ahead_bytes(archive)):
            yield Span(self.name, *part)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Reads headers only."""
        reader = storage.open_ranges(span.archive)
        return list_span(reader, TarSpan(*span[1:]), split, read_ahead_bytes(span.archive))

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """In the order of the archive."""
        for ref in self.list(storage, span, split):
            yield ref, fetch(ref, storage)
