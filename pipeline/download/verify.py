"""Telling a right file from a wrong one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.transforms.archives.streams import HEAD_BYTES, describe_content, is_markup

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Digests:
    """The checksums of a file, in hexadecimal."""

    md5: str
    sha256: str


def hash_file(path: Path, advance: Callable[[int], None] = lambda _: None) -> Digests:
    """Reads a file once for both checksums.

    Args:
        path: The file.
        advance: Is told the number of bytes after each part that was read.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            md5.update(part)
            sha256.update(part)
            advance(len(part))
    return Digests(md5.hexdigest(), sha256.hexdigest())


def find_fault(
    path: Path, source: SourceFile, advance: Callable[[int], None] = lambda _: None
) -> str:
    """Says what is wrong with a downloaded file, or "" if it is the right one.

    A file without a known checksum is only refused when it is empty or a web
    page: login pages are what a link that has expired most often gives.
    """
    head = _head(path)
    if is_markup(head) or not head:
        return f"is {describe_content(head)}"
    size_bytes = path.stat().st_size
    if source.size_bytes and size_bytes != source.size_bytes:
        return f"has {size_bytes:,} bytes instead of {source.size_bytes:,}"
    if not source.md5 and not source.sha256:
        return ""
    return _checksum_fault(hash_file(path, advance), source)


def set_aside(path: Path, target: Path) -> Path:
    """Renames a wrong file so that nobody takes it for the right one."""
    number = 1
    while (aside := target.with_name(f"{target.name}.wrong-{number}")).exists():
        number += 1
    os.replace(path, aside)
    return aside


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _checksum_fault(digests: Digests, source: SourceFile) -> str:
    for kind in ("sha256", "md5"):
        wanted, found = getattr(source, kind), getattr(digests, kind)
        if wanted and wanted != found:
            return f"has the {kind} {found} instead of {wanted}"
    return ""
