"""Tar archives compressed as a whole: `.tar.gz`, `.tgz`, `.tar.bz2`, `.tar.xz`."""

from __future__ import annotations

from collections.abc import Iterator

from imagenet_beam.transforms.archives.base import Images, Span, whole
from imagenet_beam.transforms.archives.streams import is_compressed, open_compressed
from imagenet_beam.transforms.archives.tar_streaming import list_stream, stream_images
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.storage.files import Storage


class CompressedTarSource:
    """Has to be read from its beginning; so one worker reads it, and images are shuffled."""

    name = "compressed_tar"
    title = "a compressed tar archive"
    streamed = True

    def recognises(self, head: bytes) -> bool:
        """By the magic number of gzip, bzip2 or xz."""
        return is_compressed(head)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """One part: the file."""
        yield whole(self, storage, archive)

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Decompresses the whole file."""
        return list_stream(open_compressed(storage.open_ranges(span.archive)), span.archive, split)

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """Decompresses it once more, with one image in memory."""
        reader = open_compressed(storage.open_ranges(span.archive))
        return stream_images(reader, span.archive, split)
