"""The half of a file that is there: bytes in `x.part`, what they are in `x.part.json`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from imagenet_beam.pipeline.download.errors import DownloadError
from imagenet_beam.pipeline.progress import in_units

_MAX_PIECES = 1024
_UNKNOWN_END = 1 << 62
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def free_bytes_of(directory: Path) -> int:
    """How much the disk of a folder still takes."""
    return shutil.disk_usage(directory).free


@dataclass(frozen=True)
class RemoteFile:
    """What a server says of the file that it offers now.

    Attributes:
        size_bytes: The length, or None where it is not told.
        etag: The entity tag with its quotes, or "".
        last_modified: The date of the last change as sent, or "".
        is_ranged: Whether parts of it can be asked for.
    """

    size_bytes: int | None
    etag: str = ""
    last_modified: str = ""
    is_ranged: bool = False

    @property
    def if_range(self) -> str:
        """What to send so that a changed file comes whole; weak tags may not be used."""
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified

    def is_same(self, other: RemoteFile) -> bool:
        """Whether bytes of both can be put together."""
        identities = (self.size_bytes, self.etag, self.last_modified)
        return identities == (other.size_bytes, other.etag, other.last_modified)


@dataclass
class Piece:
    """A range of the file that one connection fetches from its start on."""

    start: int
    end: int
    done_bytes: int = 0

    @property
    def position(self) -> int:
        """Where the next byte belongs."""
        return self.start + self.done_bytes

    @property
    def missing_bytes(self) -> int:
        """How much is still to come."""
        return self.end - self.position


class PartFile:
    """A file in the making; a context manager that holds a lock on it.

    Args:
        target: The path of the finished file.
        piece_bytes: How much one connection fetches at a time, at least.
        free_bytes: Tells the free space of a folder.
    """

    def __init__(
        self,
        target: Path,
        piece_bytes: int,
        free_bytes: Callable[[Path], int] = free_bytes_of,
    ) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._state_path = target.with_name(target.name + ".part.json")
        self._piece_bytes = piece_bytes
        self._free_bytes = free_bytes
        self._remote: RemoteFile | None = None
        self._pieces: list[Piece] = []

    def __enter__(self) -> PartFile:
        with self._disk_errors():
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = self.path.open("ab")
        try:
            fcntl.flock(self._lock_file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock_file.close()
            raise DownloadError(
                f"another process is downloading to {self.path}; wait for it or end it"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock_file.close()
        if self.path.exists() and not self.path.stat().st_size:
            self.path.unlink()

    @property
    def done_bytes(self) -> int:
        """How much is there."""
        return sum(piece.done_bytes for piece in self._pieces)

    def begin(self, remote: RemoteFile) -> None:
        """Prepares for a remote file; bytes of the same one from an earlier run are kept.

        Raises:
            DownloadError: The disk has not enough room.
        """
        self._remote = remote
        self._pieces = self._load(remote) or self._reset(remote)
        self._check_space()
        with self._disk_errors():
            os.truncate(self.path, remote.size_bytes or 0)

    def forget(self) -> None:
        """Drops all bytes, because they are of another file than the server has now."""
        self.forget_notes()
        with self._disk_errors():
            os.truncate(self.path, 0)

    def forget_notes(self) -> None:
        """Drops what would make a later run continue: the file is whole."""
        self._state_path.unlink(missing_ok=True)

    def missing(self) -> list[Piece]:
        """The pieces that are not whole."""
        return [piece for piece in self._pieces if piece.missing_bytes]

    def open_data(self) -> FileIO:
        """A file object for `write`, one for each thread."""
        with self._disk_errors():
            return self.path.open("r+b", buffering=0)

    def write(self, file: FileIO, piece: Piece, data: bytes) -> None:
        """Puts the next bytes of a piece in place.

        Raises:
            DownloadError: The disk is full or fails.
        """
        with self._disk_errors():
            file.seek(piece.position)
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
        # Counted only now that the system has them: a killed process can then resume.
        piece.done_bytes += len(data)

    def save(self) -> None:
        """Writes down what is there, so that a later run can go on."""
        remote = self._remote
        if remote is None or not remote.is_ranged:
            return
        state = {
            "size_bytes": remote.size_bytes,
            "etag": remote.etag,
            "last_modified": remote.last_modified,
            "piece_bytes": self._step(remote),
            "done_bytes": [piece.done_bytes for piece in self._pieces],
        }
        temporary = self._state_path.with_name(self._state_path.name + ".new")
        with self._disk_errors():
            temporary.write_text(json.dumps(state), encoding="utf-8")
            os.replace(temporary, self._state_path)

    def publish(self) -> None:
        """Gives the file its name in one atomic step."""
        with self._disk_errors():
            os.fsync(self._lock_file.fileno())
            os.replace(self.path, self.target)

    def _step(self, remote: RemoteFile) -> int:
        return max(self._piece_bytes, -(-(remote.size_bytes or 0) // _MAX_PIECES))

    def _reset(self, remote: RemoteFile) -> list[Piece]:
        self.forget()
        if not remote.is_ranged or remote.size_bytes is None:
            return [Piece(0, _UNKNOWN_END if remote.size_bytes is None else remote.size_bytes)]
        size, step = remote.size_bytes, self._step(remote)
        return [Piece(start, min(start + step, size)) for start in range(0, size, step)]

    def _load(self, remote: RemoteFile) -> list[Piece] | None:
        """The pieces of an earlier run, if its notes are whole and of the same file."""
        if not remote.is_ranged or remote.size_bytes is None:
            return None
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
            before = RemoteFile(state["size_bytes"], state["etag"], state["last_modified"])
            step, done = int(state["piece_bytes"]), [int(size) for size in state["done_bytes"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        size = remote.size_bytes
        starts = range(0, size, max(1, step))
        if not before.is_same(remote) or len(done) != len(starts):
            return None
        if self.path.stat().st_size != size:
            return None
        pieces = [Piece(start, min(start + step, size)) for start in starts]
        for piece, done_bytes in zip(pieces, done, strict=True):
            piece.done_bytes = max(0, min(done_bytes, piece.end - piece.start))
        return pieces

    def _check_space(self) -> None:
        if self._remote is None or self._remote.size_bytes is None:
            return
        needed = self._remote.size_bytes - self.done_bytes
        free = self._free_bytes(self.target.parent)
        if needed > free:
            raise DownloadError(
                f"the disk of {self.target.parent} has {in_units(free)} free, but "
                f"{self.target.name} needs {in_units(needed)} more; make room and run the same "
                "command again"
            )

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise DownloadError(
                    f"the disk of {self.target.parent} is full; make room and run the same "
                    f"command again: what is in {self.path.name} is kept and continued"
                ) from error
            raise DownloadError(
                f"{error.filename or self.path} cannot be written: {error.strerror or error}"
            ) from error
