"""Tars of class tars, as ImageNet's training archive is, written in bounded memory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 512
_END = bytes(2 * _BLOCK)


def write_archive(path: Path, classes: Iterable[tuple[str, Iterable[tuple[str, bytes]]]]) -> None:
    """Writes the archive aside and then gives it its name.

    Args:
        path: Where to.
        classes: The name of each class and its members: names and contents.
    """
    aside = path.with_suffix(".part")
    with aside.open("wb", buffering=1 << 20) as file:
        for wnid, members in classes:
            start = file.tell()
            file.write(bytes(_BLOCK))  # the class tar's header, when its size is known
            for name, data in members:
                file.write(_header(name, len(data)) + data + bytes(-len(data) % _BLOCK))
            file.write(_END)
            end = file.tell()
            file.seek(start)
            file.write(_header(f"{wnid}.tar", end - start - _BLOCK))
            file.seek(end)
        file.write(_END)
    aside.rename(path)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)
