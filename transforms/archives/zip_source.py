"""Zip archives, such as Kaggle's. Read in place: each member is compressed by itself."""

from __future__ import annotations

from collections.abc import Iterator

from imagenet_beam.transforms.archives.base import Images, Span, whole
from imagenet_beam.transforms.archives.fetch import fetch
from imagenet_beam.transforms.archives.names import is_wanted, make_ref
from imagenet_beam.transforms.archives.zip import is_zip, walk_zip
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.storage.files import Storage


class ZipSource:
    """Has a list of its members at the end."""

    name = "zip"
    title = "a zip archive"
    streamed = False

    def recognises(self, head: bytes) -> bool:
        """By its magic number."""
        return is_zip(head)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """One part: the list of members is short and is read in sequence."""
        yield whole(self, storage, archive)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Reads the list of members."""
        for member in walk_zip(storage.open_ranges(span.archive)):
            if is_wanted(member.name, split):
                yield make_ref(
                    span.archive,
                    member.name,
                    member.offset_bytes,
                    member.size_bytes,
                    encoding=member.encoding,
                )

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """In the order of the list, bytes as they are stored."""
        for ref in self.list(storage, span, split):
            yield ref, fetch(ref, storage)
