"""What a form of input can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.storage.files import FileStat, Storage

Images = Iterator[tuple[ImageRef, bytes]]


class Span(NamedTuple):
    """A part of a source that one worker lists or reads: a class tar, a folder, a file.

    Attributes:
        kind: Name of the source's kind; see `imagenet_beam.transforms.archives.table`.
        archive: Path of the source, pinned where the storage has versions.
        offset_bytes: Where the part starts.
        size_bytes: How long it is.
        name: What to call it in messages.
        wnid: The class of all images in it, or "".
    """

    kind: str
    archive: str
    offset_bytes: int
    size_bytes: int
    name: str
    wnid: str = ""


class SourceKind(Protocol):
    """One form of input. Its values have no state: spans say which part is meant.

    Attributes:
        name: A short stable word, part of the plan.
        title: What to call it in messages: "a zip archive".
        streamed: Whether its images cannot be read by byte ranges. The job then
            reads it twice from front to back and sends images through the shuffle.
    """

    name: str
    title: str
    streamed: bool

    def recognises(self, head: bytes) -> bool:
        """Whether a file that starts with these bytes is of this kind."""

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """Divides a source into parts for the workers."""

    def list(self, storage: Storage, span: Span, split: str) -> Iterator[ImageRef]:
        """Yields references to the images of a part, of one split where it holds several.

        Raises:
            InputError: If the source is damaged or truncated.
        """

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """Yields the same references with the images' bytes, in one pass and bounded memory.

        The bytes are as stored: what `ImageRef.encoding` says, if anything, is still to be done.
        """


@runtime_checkable
class FolderKind(Protocol):
    """What a kind of several files in one folder can do besides."""

    def stat(self, storage: Storage, directory: str) -> FileStat:
        """Identifies the state of these files together.

        Raises:
            InputError: If there are none.
        """


def whole(kind: SourceKind, storage: Storage, archive: str) -> Span:
    """A span for a source that cannot be divided."""
    reader = storage.open_ranges(archive)
    return Span(kind.name, archive, 0, reader.size_bytes, reader.name)
