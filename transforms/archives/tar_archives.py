"""Tar archives of images: plain ones, read in place, and compressed ones, read as streams."""

from __future__ import annotations

from collections.abc import Iterator

from imagenet_beam.transforms.archives.forms import Form, Images, Span, recognise
from imagenet_beam.transforms.archives.names import (
    base_name,
    is_hidden,
    is_tar_name,
    make_ref,
    tar_stem,
)
from imagenet_beam.transforms.archives.passed import PassedTally
from imagenet_beam.transforms.archives.ranges import Readable
from imagenet_beam.transforms.archives.streams import (
    StreamReader,
    is_compressed,
    open_stream,
    read_forward,
)
from imagenet_beam.transforms.archives.tar import (
    END_BYTES,
    MAX_PADDING_BYTES,
    TarMember,
    read_member,
    walk_tar,
)
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.pixel_budget import MAX_IMAGE_BYTES
from imagenet_beam.transforms.storage.files import Storage, read_ahead_bytes, unpinned

TAR = "tar"


class _TarForm(Form):
    """Plain tar archives: flat, with folders, or of class tars."""

    name = TAR

    def split(self, storage: Storage, archive: str) -> Iterator[Span]:
        return split_archive(storage.open_ranges(archive), archive, read_ahead_bytes(archive))

    def list(
        self, storage: Storage, span: Span, split: str, passed: PassedTally
    ) -> Iterator[ImageRef]:
        reader = storage.open_ranges(span.archive)
        return list_span(reader, span, split, read_ahead_bytes(span.archive), passed)


class _CompressedTarForm(Form):
    """Tar archives compressed as a whole: `.tar.gz`, `.tgz`, `.tar.bz2`, `.tar.xz`."""

    name = "compressed_tar"
    streamed = True

    def recognises(self, head: bytes) -> bool:
        return is_compressed(head)

    def list(
        self, storage: Storage, span: Span, split: str, passed: PassedTally
    ) -> Iterator[ImageRef]:
        return list_stream(self._open(storage, span), span.archive, split, passed)

    def stream(self, storage: Storage, span: Span, split: str) -> Images:
        return stream_images(self._open(storage, span), span.archive, split)

    def _open(self, storage: Storage, span: Span) -> StreamReader:
        return open_stream(read_forward(storage, span.archive), unpinned(span.archive))


FORMS = (_TarForm(), _CompressedTarForm())


def split_archive(reader: Readable, archive: str, max_block_bytes: int = 0) -> Iterator[Span]:
    """Yields the class tars of a tar of tars, or the whole of a flat tar.

    Blocks of header reads may grow to `max_block_bytes`; see `RangedFile`. What else the
    archive holds beside class tars is told with the last of these.

    Raises:
        InputError: If it is no tar archive, is damaged, or mixes both kinds.
    """
    passed = PassedTally()
    last = None
    is_empty = True
    for member in walk_tar(reader, max_block_bytes=max_block_bytes, passed=passed):
        is_class_tar = _is_class_tar(member.name)
        is_empty = is_empty and is_hidden(member.name)
        if is_class_tar and last:
            yield last
        if is_class_tar:
            passed.saw_image(member.name)
            last = _class_tar(member, reader, archive)
        elif not passed.takes(member.name, ""):
            continue
        elif last:
            raise _mixed(reader.name, f"{last.wnid}.tar", member.name)
        else:
            break
    if last:
        yield last._replace(passed=passed.result())
    elif is_empty:
        raise InputError(f"{reader.name} holds no files; get the file again")
    else:
        yield Span(TAR, archive, 0, reader.size_bytes, reader.name)


def list_span(
    reader: Readable,
    span: Span,
    split: str = "",
    max_block_bytes: int = 0,
    passed: PassedTally | None = None,
) -> Iterator[ImageRef]:
    """Yields a reference to each image of a span, headers only.

    The class is that of the class tar, or what the member's path tells. Images of other
    splits than `split` are passed over; "" takes all. What is passed over is counted.

    Raises:
        InputError: If the archive is damaged or truncated, or mixes images and class tars.
    """
    _, archive, offset_bytes, size_bytes, name, wnid, _ = span
    passed = passed or PassedTally()
    inside = f"{wnid}.tar/" if wnid else ""
    image = ""
    walk = walk_tar(
        reader, offset_bytes, size_bytes, name, max_block_bytes=max_block_bytes, passed=passed
    )
    for member in walk:
        if passed.takes(member.name, split, inside):
            image = member.name
            yield _ref(archive, member, wnid)
        elif image and _is_class_tar(member.name):
            raise _mixed(name, member.name, image)


def padding_note(storage: Storage, archive: str) -> str:
    """Says it if a tar archive ends with more zeros than tar writes; "" if it does not.

    A download that reserves the length of its file first, and then stops, leaves them. Up to
    `MAX_PADDING_BYTES` of them may be those of a tape.
    """
    reader = storage.open_ranges(archive)
    if _zeros_at_end(reader, END_BYTES + 1) <= END_BYTES or recognise(storage, archive).name != TAR:
        return ""
    zeros = _zeros_at_end(reader, MAX_PADDING_BYTES + 2 * END_BYTES)
    span = next(split_archive(reader, archive), None)
    if span and span.wnid and zeros <= 2 * END_BYTES:  # the last class tar has its own
        return ""
    return (
        f"{reader.name} ends with {zeros:,} bytes of zeros, and tar ends an archive with up to "
        f"{END_BYTES:,}: if it is a download that has stopped, images are missing; compare its "
        "checksum with the published one"
    )


def _zeros_at_end(reader: Readable, max_bytes: int) -> int:
    length = min(reader.size_bytes, max_bytes)
    return length - len(reader.read(reader.size_bytes - length, length).rstrip(b"\0"))


def list_stream(
    reader: StreamReader, archive: str, split: str = "", passed: PassedTally | None = None
) -> Iterator[ImageRef]:
    """Yields a reference to each image of a flat tar, or of a tar of class tars.

    Offsets count in the uncompressed content. Between two images the caller may
    read the first one's bytes from the same reader, and nothing else.

    Raises:
        InputError: If the archive is damaged or truncated.
    """
    passed = passed or PassedTally()
    for member in walk_tar(reader, passed=passed):
        if _is_class_tar(member.name):
            passed.saw_image(member.name)
            yield from list_span(reader, _class_tar(member, reader, archive), split, passed=passed)
        elif passed.takes(member.name, split):
            yield _ref(archive, member)


def stream_images(reader: StreamReader, archive: str, split: str = "") -> Images:
    """Yields each image with its bytes, one in memory at a time; see `list_stream`.

    Images that are longer than `MAX_IMAGE_BYTES`, links and sparse files come without bytes.
    """
    for ref in list_stream(reader, archive, split):
        if ref.fault or ref.size_bytes > MAX_IMAGE_BYTES:
            yield ref, b""
        else:
            member = TarMember(ref.filename, ref.offset_bytes, ref.size_bytes)
            yield ref, read_member(reader, member)


def _ref(archive: str, member: TarMember, wnid: str = "") -> ImageRef:
    name, offset_bytes, size_bytes, fault = member
    return make_ref(archive, name, offset_bytes, size_bytes, wnid, fault)


def _mixed(archive: str, class_tar: str, image: str) -> InputError:
    return InputError(
        f"{archive} holds both class tars ({base_name(class_tar)}) and images "
        f"({base_name(image)}); give an archive of one kind"
    )


def _is_class_tar(name: str) -> bool:
    return is_tar_name(name) and not is_hidden(name)


def _class_tar(member: TarMember, reader: Readable, archive: str) -> Span:
    name = f"{reader.name} → {base_name(member.name)}"
    wnid = tar_stem(member.name)
    return Span(TAR, archive, member.offset_bytes, member.size_bytes, name, wnid)
