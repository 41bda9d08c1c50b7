"""Writing on this machine's disks: each file whole or not at all, by one run at a time."""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX

_WRITE_BACK_BYTES = 8 << 20
_WAIT_SECONDS = 5.0

_AGAIN = "then run the same command again, which resumes"
_ADVICE = {
    errno.ENOENT: f"its folder does not exist, or not any more: make it or put it back, {_AGAIN}",
    errno.ELOOP: "a link on the way to it leads to itself: remove the link",
    errno.EROFS: f"make its file system writable, {_AGAIN}, or give another folder",
    # the disk is full, or the user's share of it, or a limit of the process is reached
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), f"make room, {_AGAIN}"),
    **dict.fromkeys(
        (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT),
        f"look after the disk or the network that it lies on, {_AGAIN}",
    ),
}
"""What can be done about an error of the operating system."""

_UNUSABLE = {
    **dict.fromkeys((errno.EISDIR, errno.ENXIO), "; move it away: a file goes there"),
    errno.ENOTDIR: "; a file is where a folder goes: give another folder, or move it away",
}
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_WITHOUT_FOLDER_SYNC = (*_WITHOUT_LOCKS, errno.EBADF, errno.EACCES, errno.EPERM)
"""How file systems say that they do not write folders to the disk on request."""


@contextlib.contextmanager
def as_write_error(path: str, what: str = "written") -> Iterator[None]:
    """Turns what the operating system says of a path into a sentence on what to do."""
    try:
        yield
    except PermissionError as error:
        raise InputError(f"{path} may not be accessed: permission denied") from error
    except OSError as error:
        why = error.strerror or error
        if error.errno in _ADVICE:
            said = f"{path} cannot be {what}: {why}; {_ADVICE[error.errno]}"
        else:
            said = f"{path} cannot be used: {why}{_UNUSABLE.get(error.errno or 0, '')}"
        raise InputError(said) from error


_begun: set[str] = set()
"""Temporary files of this process that are neither published nor discarded."""

_beginning = threading.RLock()  # a signal's handler may run while its thread begins a file
os.register_at_fork(after_in_child=_begun.clear)


@atexit.register
def end_writing() -> None:
    """Removes what this process is writing, and lets it begin nothing more: it is about to end."""
    _beginning.acquire(timeout=_WAIT_SECONDS)  # and kept: who begins a file waits for the end
    for temporary in list(_begun):
        with contextlib.suppress(OSError):
            os.unlink(temporary)


class LocalAtomicFile:
    """Written under a temporary name in the same folder, then renamed."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        name = f".{self._path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
        self._temporary = self._path.with_name(name)
        self.size_bytes = 0
        self.crc32c = 0
        self._written_back_bytes = 0
        with as_write_error(path):
            _make_folder(self._path.parent)
            with _beginning:
                _begun.add(str(self._temporary))
                self._file = self._temporary.open("xb")

    @contextlib.contextmanager
    def _or_nothing(self) -> Iterator[None]:
        """Where the disk fails, raises and leaves nothing."""
        try:
            with as_write_error(str(self._path)):
                yield
        except InputError:
            self.discard()
            raise

    def write(self, data: bytes) -> None:
        """Appends; where that fails, nothing stays."""
        with self._or_nothing():
            self._file.write(data)
            self._write_back()
        self.size_bytes += len(data)
        self.crc32c = google_crc32c.extend(self.crc32c, data)

    def _write_back(self) -> None:
        """Lets the disk begin, so that `publish` does not wait for the whole of a shard.

        Linux answers this advice by starting to write what is dirty, without waiting.
        """
        start, end = self._written_back_bytes, self._file.tell()
        if sys.platform == "linux" and end - start >= _WRITE_BACK_BYTES:
            self._file.flush()
            os.posix_fadvise(self._file.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)
            self._written_back_bytes = end

    def publish(self) -> None:
        """Renames what is on the disk, and has the name there, too."""
        with self._or_nothing():  # to the disk first, so that no crash shows half a file
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
            _begun.discard(str(self._temporary))
            _sync_folder(self._path.parent)  # so that what is written next is not there alone

    def discard(self) -> None:
        """Removes what is not published."""
        with contextlib.suppress(OSError):
            self._file.close()
        if str(self._temporary) in _begun:
            # What cannot be removed now, the end of this process or the next run removes.
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
                _begun.discard(str(self._temporary))


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, and has their names on the disk."""
    if os.path.isdir(folder):
        return
    made = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        os.stat(folder)  # a link says here what is wrong with it
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
    for one in made:
        _sync_folder(one.parent)


def _sync_folder(folder: Path) -> None:
    """Has the names in a folder on the disk, where its file system can do that."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _WITHOUT_FOLDER_SYNC:
            raise


@contextlib.contextmanager
def locked(directory: str, name: str) -> Iterator[None]:
    """Holds a lock file in a folder; the lock ends with the process, however it ends.

    Where nothing was written meanwhile, the file and the folders made for it go again.
    Raises `InputError` if another process holds it, or the folder cannot be written.
    """
    path = Path(directory) / name
    with as_write_error(directory):
        made = [folder for folder in path.parents if not folder.exists()]
    file = _open_locked(path, directory)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not empty, or no longer there
            if made and len(os.listdir(path.parent)) <= 1:  # removed while it is held
                path.unlink(missing_ok=True)
                for folder in made:
                    folder.rmdir()
        with contextlib.suppress(OSError):  # nothing was written, and the lock ends all the same
            file.close()


def _open_locked(path: Path, directory: str) -> BinaryIO:
    while True:
        with as_write_error(directory):
            _make_folder(path.parent)
        with as_write_error(str(path)):
            file = open(path, "ab", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.close()
                raise InputError(
                    f"{directory} is in use by another run; wait for it, or give another "
                    "`output_dir`"
                ) from error
            except OSError as error:
                file.close()
                if error.errno not in _WITHOUT_LOCKS:
                    raise
                raise InputError(
                    f"{directory} is on a file system without locks ({error.strerror}), so that "
                    "two runs could write to it at once; give another `output_dir`"
                ) from error
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            file.close()  # another run has removed it since it was opened


def _open_at_once(path: str, flags: int) -> int:
    """Opens a file and does not wait for another program, where it is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
