"""What archives of images look like inside, and the references to their images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.label_files import wnid_in_name
from imagenet_beam.transforms.core.ranges import Readable
from imagenet_beam.transforms.core.records import ImageRef
from imagenet_beam.transforms.core.tar import TarMember, walk_tar

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
"""What the names of images end with, in any case; the content may differ."""


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


def split_archive(reader: Readable, archive: str) -> Iterator[TarSpan]:
    """Yields the class tars of a tar of tars, or the whole of a flat tar.

    Args:
        reader: The archive's bytes.
        archive: Its path, pinned where the storage has versions.

    Raises:
        InputError: If it is no tar archive, is damaged, or mixes both kinds.
    """
    members = (member for member in walk_tar(reader) if not is_hidden(member.name))
    first = next(members, None)
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
            raise InputError(
                f"{reader.name} holds both class tars ({first.name}) and images "
                f"({base_name(member.name)}); give an archive of one kind"
            )


def list_span(reader: Readable, span: TarSpan) -> Iterator[ImageRef]:
    """Yields a reference to each image of a span, headers only.

    The class is that of the class tar, or of the class folder (`n01440764/x.JPEG`).

    Raises:
        InputError: If the archive is damaged or truncated.
    """
    for member in walk_tar(reader, span.offset_bytes, span.size_bytes, span.name):
        if not is_image_name(member.name):
            continue
        yield ImageRef(
            archive=span.archive,
            offset_bytes=member.offset_bytes,
            size_bytes=member.size_bytes,
            filename=base_name(member.name),
            wnid=span.wnid or _class_folder(member.name),
        )


def is_image_name(name: str) -> bool:
    """Whether a member is taken for an image: by its suffix, hidden files left out."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(name)


def is_tar_name(name: str) -> bool:
    """Whether a member is taken for a class tar."""
    return name.lower().endswith(".tar")


def is_hidden(name: str) -> bool:
    """Whether this is a hidden file, or what macOS leaves beside files (`._x`, `__MACOSX`)."""
    return base_name(name).startswith(".") or "__MACOSX" in name.split("/")


def base_name(name: str) -> str:
    """The name without folders."""
    return name.rpartition("/")[2]


def _class_tar(member: TarMember, reader: Readable, archive: str) -> TarSpan:
    wnid = base_name(member.name)[: -len(".tar")]
    name = f"{reader.name} → {base_name(member.name)}"
    return TarSpan(archive, member.offset_bytes, member.size_bytes, name, wnid)


def _class_folder(name: str) -> str:
    """The wnid that the folder of a member tells, or ""."""
    folder = base_name(name.rpartition("/")[0])
    return folder if folder and wnid_in_name(folder) == folder else ""
