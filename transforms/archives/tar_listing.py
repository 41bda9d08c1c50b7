"""What tar archives of images look like inside, and the references to their images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from imagenet_beam.transforms.archives.names import (
    base_name,
    is_hidden,
    is_image_name,
    is_tar_name,
    is_wanted,
    make_ref,
)
from imagenet_beam.transforms.archives.ranges import Readable
from imagenet_beam.transforms.archives.tar import TarMember, walk_tar
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError


class TarSpan(NamedTuple):
    """A tar archive inside a file: a class tar, or the whole file.

    Attributes:
        archive: Path of the file, pinned where the storage has versions.
        offset_bytes: Where the tar starts in it.
        size_bytes: How long it is.
        name: What to call it in messages.
        wnid: The class of all images in it, or "".
    """

    archive: str
    offset_bytes: int
    size_bytes: int
    name: str
    wnid: str = ""


def split_archive(reader: Readable, archive: str, max_block_bytes: int = 0) -> Iterator[TarSpan]:
    """Yields the class tars of a tar of tars, or the whole of a flat tar.

    Args:
        reader: The archive's bytes.
        archive: Its path, pinned where the storage has versions.
        max_block_bytes: What blocks of header reads may grow to; see `RangedFile`.

    Raises:
        InputError: If it is no tar archive, is damaged, or mixes both kinds.
    """
    walk = walk_tar(reader, max_block_bytes=max_block_bytes)
    members = (member for member in walk if not is_hidden(member.name))
    first = None
    for first in members:  # a README may come before what the archive is about
        if is_tar_name(first.name) or is_image_name(first.name):
            break
    if first is None:
        raise InputError(f"{reader.name} holds no files; get the file again")
    if not is_tar_name(first.name):
        yield TarSpan(archive, 0, reader.size_bytes, reader.name)
        return
    yield _class_tar(first, reader, archive)
    for member in members:
        if is_tar_name(member.name):
            yield _class_tar(member, reader, archive)
        elif is_image_name(member.name):
            raise _mixed(reader.name, first.name, member.name)


def list_span(
    reader: Readable, span: TarSpan, split: str = "", max_block_bytes: int = 0
) -> Iterator[ImageRef]:
    """Yields a reference to each image of a span, headers only.

    The class is that of the class tar, or what the member's path tells.

    Args:
        reader: The file that holds the span.
        span: A class tar, or the whole of a flat tar.
        split: Images of other splits are passed over; "" takes all.
        max_block_bytes: What blocks of header reads may grow to; see `RangedFile`.

    Raises:
        InputError: If the archive is damaged or truncated, or mixes images and class tars.
    """
    members = walk_tar(
        reader,
        span.offset_bytes,
        span.size_bytes,
        span.name,
        max_block_bytes=max_block_bytes,
    )
    image = ""
    for member in members:
        if is_wanted(member.name, split):
            image = member.name
            yield make_ref(
                span.archive, member.name, member.offset_bytes, member.size_bytes, span.wnid
            )
        elif image and is_tar_name(member.name) and not is_hidden(member.name):
            raise _mixed(span.name, member.name, image)


def _mixed(archive: str, class_tar: str, image: str) -> InputError:
    return InputError(
        f"{archive} holds both class tars ({base_name(class_tar)}) and images "
        f"({base_name(image)}); give an archive of one kind"
    )


def _class_tar(member: TarMember, reader: Readable, archive: str) -> TarSpan:
    wnid = base_name(member.name)[: -len(".tar")]
    name = f"{reader.name} → {base_name(member.name)}"
    return TarSpan(archive, member.offset_bytes, member.size_bytes, name, wnid)
