"""The forms that a source of images can have, and which one a file is.

A form of archive is one module of this package: a subclass of `Form`, and the tuple
`FORMS` with its instances, by which it is found.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from imagenet_beam.transforms import archives
from imagenet_beam.transforms.archives.passed import PassedTally
from imagenet_beam.transforms.archives.streams import HEAD_BYTES
from imagenet_beam.transforms.elements import ImageRef, PassedOver
from imagenet_beam.transforms.storage.files import FileStat, Storage

Images = Iterator[tuple[ImageRef, bytes]]


class Span(NamedTuple):
    """A part of a source that one worker lists or reads: a class tar, a folder, a file.

    Attributes:
        kind: The name of the source's form.
        archive: Path of the source, pinned where the storage has versions.
        offset_bytes: Where the part starts.
        size_bytes: How long it is.
        name: What to call it in messages.
        wnid: The class of all images in it, or "".
        passed: What was passed over on the way to the parts, told with one of them.
    """

    kind: str
    archive: str
    offset_bytes: int
    size_bytes: int
    name: str
    wnid: str = ""
    passed: PassedOver = PassedOver()


class Form:
    """A form of source. Its instances have no state: spans say which part is meant.

    A subclass has `list` if its images can be read by byte ranges, and `stream` if not.

    Attributes:
        name: A short stable word, part of the plan.
        streamed: Whether its images cannot be read by byte ranges. The job then
            reads it twice from front to back and sends images through the shuffle.
        is_folder: Whether it is several files in one folder, which `stat` identifies.
    """

    name: str
    streamed = False
    is_folder = False

    def recognises(self, head: bytes) -> bool:
        """Whether a file that starts with these bytes has this form; never, if a split names it."""
        return False

    def stat(self, storage: Storage, path: str) -> FileStat:
        """Identifies the state of the file, or of the files of a folder together.

        Raises:
            InputError: If there are none.
        """
        return storage.stat(path)

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        """Divides a source into parts for the workers; by default there is one."""
        reader = storage.open_ranges(archive)
        yield Span(self.name, archive, 0, reader.size_bytes, reader.name)

    def list(
        self, storage: Storage, span: Span, split: str, passed: PassedTally
    ) -> Iterator[ImageRef]:
        """Yields references to the images of a part, of one split where it holds several.

        Each other member is counted in `passed`; sets of raw pixels have none that could be
        images: what they lack is an error.

        Raises:
            InputError: If the source is damaged or truncated.
        """
        for ref, _ in self.stream(storage, span, split):
            yield ref

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        """Yields the same references with the images' bytes, in one pass and bounded memory."""
        raise NotImplementedError


@functools.cache
def _forms() -> Mapping[str, Form]:
    names = [found.name for found in pkgutil.iter_modules(archives.__path__)]
    modules = [importlib.import_module(f"{archives.__name__}.{name}") for name in names]
    return {form.name: form for module in modules for form in getattr(module, "FORMS", ())}


def find_form(name: str) -> Form:
    """The form with a name."""
    return _forms()[name]


def recognise(storage: Storage, path: str) -> Form:
    """Tells which form a file has, by its content; its name does not matter.

    What nobody recognises is taken for a tar archive: walking it tells, in a sentence,
    what it is.

    Raises:
        InputError: If it cannot be read.
    """
    reader = storage.open_ranges(path)
    head = reader.read(0, min(HEAD_BYTES, reader.size_bytes))
    found = (form for form in _forms().values() if form.recognises(head))
    return next(found, find_form("tar"))
