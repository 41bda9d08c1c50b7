"""Telling a right file from a wrong one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.transforms.archives.streams import HEAD_BYTES, describe_content, is_markup

_READ_BYTES = 1 << 20


class Digests(NamedTuple):
    """The checksums of a file, in hexadecimal."""

    md5: str
    sha256: str


def digest_parts(parts: Iterable[bytes], advance: Callable[[int], None]) -> Digests:
    """Both checksums of what comes in parts; `advance` is told the length of each."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for part in parts:
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
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if is_markup(head) or not head:
            return f"is {describe_content(head)}"
        size_bytes = path.stat().st_size
        if source.size_bytes and size_bytes != source.size_bytes:
            return f"has {size_bytes:,} bytes instead of {source.size_bytes:,}"
        if not source.md5 and not source.sha256:
            return ""
        file.seek(0)
        found = digest_parts(iter(lambda: file.read(_READ_BYTES), b""), advance)
    for kind in ("sha256", "md5"):
        wanted, is_now = getattr(source, kind), getattr(found, kind)
        if wanted and wanted != is_now:
            return f"has the {kind} {is_now} instead of {wanted}"
    return ""


def set_aside(path: Path, target: Path) -> Path:
    """Renames a wrong file so that nobody takes it for the right one."""
    number = 1
    while (aside := target.with_name(f"{target.name}.wrong-{number}")).exists():
        number += 1
    os.replace(path, aside)
    return aside
