"""XML members of annotation archives, streamed: half a million small files in one tar.

Unlike image archives these are read once from front to back and are compressed,
so they are walked here as a stream, with no index of members in memory.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from imagenet_beam.transforms.archives.compressed import (
    ByteStream,
    ForwardReader,
    OpenedStream,
    damaged_gzip_as_input_error,
    describe_content,
)
from imagenet_beam.transforms.errors import InputError

MAX_XML_BYTES = 1 << 20
"""An annotation is about a kilobyte; what is larger than this is none."""

_BLOCK_BYTES = tarfile.BLOCKSIZE
_ZEROS = bytes(_BLOCK_BYTES)
_FILE_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_FILES_LOOKED_AT = 1000  # with no annotation among so many files this is another archive


def iter_xml_members(stream: ByteStream, name: str) -> Iterator[tuple[str, bytes]]:
    """Yields path and content of each XML file in a tar archive, compressed or not.

    Older box archives hold a compressed tar for each class; these are looked into.

    Args:
        stream: The archive, read once and forwards only.
        name: Its name, for messages.

    Raises:
        InputError: It is no tar archive, it is damaged, or there is no XML in it.
    """
    found = passed = 0
    for member, body in _members_at_any_depth(stream, name):
        if member.lower().endswith(".xml"):
            found += 1
            yield member, body.read(body.left)
        else:
            passed += 1
        if not found and passed >= _FILES_LOOKED_AT:
            break
    if not found:
        raise InputError(
            f"`bounding_boxes`: {name} has no annotation (.xml) among its first {passed:,} files;"
            " give ILSVRC2012_bbox_train_v2.tar.gz, ILSVRC2012_bbox_val_v3.tgz, a folder of"
            " annotations, or the CSV of process_bounding_boxes.py"
        )


class _Body:
    """What a member holds, as a stream of its own."""

    def __init__(self, content: ForwardReader, size_bytes: int, name: str) -> None:
        self.left = size_bytes
        self._content = content
        self._padding = -size_bytes % _BLOCK_BYTES
        self._name = name

    def read(self, size: int, /) -> bytes:
        with damaged_gzip_as_input_error(self._name):
            data = self._content.read(min(size, self.left))
        if len(data) < min(size, self.left):
            raise _truncated(self._name)
        self.left -= len(data)
        return data

    def skip(self) -> None:
        """Goes on to where the next header must be."""
        self._content.seek(self._content.tell() + self.left + self._padding)
        self.left = 0


def _members_at_any_depth(stream: ByteStream, name: str) -> Iterator[tuple[str, _Body]]:
    for member, body in _members(stream, name):
        if member.lower().endswith(_TAR_SUFFIXES):
            yield from _members(body, f"{member} in {name}")
        else:
            yield member, body


def _members(stream: ByteStream, name: str) -> Iterator[tuple[str, _Body]]:
    """Yields the regular files of one tar archive."""
    with damaged_gzip_as_input_error(name):
        content = OpenedStream(stream, name, MAX_XML_BYTES).content
        long_name = ""
        while (header := _next_header(content, name)) is not None:
            body = _Body(content, header.size, name)
            if header.type == tarfile.GNUTYPE_LONGNAME:
                long_name = body.read(body.left).rstrip(b"\0").decode("utf-8", "replace")
            elif header.type == tarfile.XHDTYPE:
                long_name = _pax_path(body.read(body.left))
            else:
                path = long_name or header.name
                if header.type in _FILE_TYPES and not path.rpartition("/")[2].startswith("."):
                    yield path, body
                long_name = ""
            body.skip()
        while content.read(MAX_XML_BYTES):  # the checksum of gzip comes last
            pass


def _next_header(content: ForwardReader, name: str) -> tarfile.TarInfo | None:
    first = content.tell() == 0
    block = content.read(_BLOCK_BYTES)
    if block == _ZEROS:
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        if first:
            raise InputError(
                f"`bounding_boxes`: {name} holds no tar archive but {describe_content(block)}"
            ) from error
        if len(block) < _BLOCK_BYTES:
            raise _truncated(name) from error
        raise _damaged(name, content.tell()) from error
    if header.size < 0:
        raise _damaged(name, content.tell())
    return header


def _pax_path(data: bytes) -> str:
    """Returns the `path` of a PAX header, lines of `length key=value`, or ""."""
    for line in data.split(b"\n"):
        _, _, pair = line.partition(b" ")
        if pair.startswith(b"path="):
            return pair[5:].decode("utf-8", "replace")
    return ""


def _truncated(name: str) -> InputError:
    return InputError(f"`bounding_boxes`: {name} is truncated; download it again")


def _damaged(name: str, position: int) -> InputError:
    return InputError(
        f"`bounding_boxes`: {name} has a damaged header before byte {position:,} of its"
        " uncompressed content; download it again"
    )
