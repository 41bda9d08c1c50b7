"""The half of a file that is there: bytes in `x.part`, what they are in `x.part.json`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from imagenet_beam.pipeline.download.sources import DownloadError
from imagenet_beam.pipeline.progress import in_units

_MAX_PIECES = 1024
_UNKNOWN_END = 1 << 62
_IDENTITY = ("size_bytes", "etag", "last_modified")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def free_bytes_of(directory: Path) -> int:
    """How much the disk of a folder still takes."""
    return shutil.disk_usage(directory).free


@dataclass(frozen=True)
class RemoteFile:
    """What a server says of the file that it offers now; bytes of equal ones go together.

    Attributes:
        size_bytes: The length, or None where it is not told.
        etag: The entity tag with its quotes, or "".
        last_modified: The date of the last change as sent, or "".
        is_ranged: Whether parts of it can be asked for.
    """

    size_bytes: int | None
    etag: str = ""
    last_modified: str = ""
    is_ranged: bool = field(default=False, compare=False)

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


@dataclass
class PartFile:
    """A file in the making, in pieces of `piece_bytes` or more; entering it locks it."""

    target: Path
    piece_bytes: int
    free_bytes: Callable[[Path], int] = free_bytes_of
    _remote: RemoteFile | None = field(default=None, init=False)
    _pieces: list[Piece] = field(default_factory=list, init=False)
    _step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.path = self.target.with_name(self.target.name + ".part")
        self._notes_path = self.target.with_name(self.target.name + ".part.json")

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
        self._remote, size = remote, remote.size_bytes
        done: list[int] = []
        if not remote.is_ranged or size is None:
            self._pieces = [Piece(0, _UNKNOWN_END if size is None else size)]
        else:
            least = max(self.piece_bytes, -(-size // _MAX_PIECES))
            self._step, done = self._noted(remote) or (least, done)
            starts = range(0, size, self._step)
            self._pieces = [Piece(start, min(start + self._step, size)) for start in starts]
        for piece, done_bytes in zip(self._pieces, done, strict=False):
            piece.done_bytes = max(0, min(done_bytes, piece.end - piece.start))
        if not self.done_bytes:
            self.forget()
        needed, free = (size or 0) - self.done_bytes, self.free_bytes(self.target.parent)
        if needed > free:
            raise DownloadError(
                f"the disk of {self.target.parent} has {in_units(free)} free, but "
                f"{self.target.name} needs {in_units(needed)} more; make room and run the same "
                "command again"
            )
        with self._disk_errors():
            os.truncate(self.path, size or 0)

    def forget(self) -> None:
        """Drops all bytes, because they are of another file than the server has now."""
        self.forget_notes()
        with self._disk_errors():
            os.truncate(self.path, 0)

    def forget_notes(self) -> None:
        """Drops what would make a later run continue: the file is whole."""
        self._notes_path.unlink(missing_ok=True)

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
        if self._remote is None or not self._remote.is_ranged:
            return
        done = [piece.done_bytes for piece in self._pieces]
        state = {name: getattr(self._remote, name) for name in _IDENTITY}
        state |= {"piece_bytes": self._step, "done_bytes": done}
        temporary = self._notes_path.with_name(self._notes_path.name + ".new")
        with self._disk_errors():
            temporary.write_text(json.dumps(state), encoding="utf-8")
            os.replace(temporary, self._notes_path)

    def publish(self) -> None:
        """Gives the file its name in one atomic step."""
        with self._disk_errors():
            os.fsync(self._lock_file.fileno())
            os.replace(self.path, self.target)

    def _noted(self, remote: RemoteFile) -> tuple[int, list[int]] | None:
        """Length and progress of an earlier run's pieces, if the notes are whole and fit."""
        try:
            state = json.loads(self._notes_path.read_text(encoding="utf-8"))
            before = RemoteFile(*(state[name] for name in _IDENTITY))
            step, done = int(state["piece_bytes"]), [int(size) for size in state["done_bytes"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        size = self.path.stat().st_size
        fits = before == remote and size == remote.size_bytes and step > 0
        return (step, done) if fits and len(done) == len(range(0, size, step)) else None

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
