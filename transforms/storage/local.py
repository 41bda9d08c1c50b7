"""Files on this machine's disks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX, Backend, FileStat
from imagenet_beam.transforms.storage.trees import local_files, local_folders

_WRITE_BACK_BYTES = 8 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk is full, or the user's share of it, or a limit of the process is reached."""


@contextlib.contextmanager
def _as_input_error(path: str) -> Iterator[None]:
    """Turns what the operating system says of a path into a sentence for its owner."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be accessed: permission denied") from error
    except OSError as error:
        why = error.strerror or error
        if error.errno in _FULL:
            raise InputError(
                f"{path} cannot be written: {why}; make room, then run the same command again, "
                "which resumes"
            ) from error
        raise InputError(f"{path} cannot be used: {why}") from error


class _LocalRangeReader:
    """Ranged reads of one local file by `pread`, which threads can share."""

    def __init__(self, path: str) -> None:
        with _as_input_error(path):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._fd)
            self.size_bytes = os.fstat(self._fd).st_size
        self.name = path

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        try:
            data = os.pread(self._fd, length_bytes, offset_bytes)
        except OSError:
            data = b""  # the second try says why
        return data if len(data) == length_bytes else self._rest(data, offset_bytes, length_bytes)

    def _rest(self, data: bytes, offset_bytes: int, length_bytes: int) -> bytes:
        """Short reads are allowed above 2 GiB and on networks."""
        with _as_input_error(self.name):
            while len(data) < length_bytes:
                part = os.pread(self._fd, length_bytes - len(data), offset_bytes + len(data))
                if not part:
                    end_bytes = offset_bytes + length_bytes
                    raise InputError(f"{self.name} ends before byte {end_bytes:,}")
                data += part
        return data


class _LocalAtomicFile:
    """Written under a temporary name in the same folder, then renamed."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        name = f".{self._path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
        self._temporary = self._path.with_name(name)
        self.size_bytes = 0
        self.crc32c = 0
        self._written_back_bytes = 0
        with _as_input_error(path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("xb")

    @contextlib.contextmanager
    def _or_nothing(self) -> Iterator[None]:
        """On a full disk, raises and leaves nothing."""
        try:
            with _as_input_error(str(self._path)):
                yield
        except InputError:
            self.discard()
            raise

    def write(self, data: bytes) -> None:
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
        with self._or_nothing():  # to the disk first, so that no crash shows half a file
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(directory: str, name: str) -> Iterator[None]:
    """Holds a lock file in a folder; the lock ends with the process, however it ends.

    Where nothing was written meanwhile, the file and the folders made for it go again.
    Raises `InputError` if another process holds it, or the folder cannot be written.
    """
    path = Path(directory) / name
    with _as_input_error(directory):
        made = [folder for folder in path.parents if not folder.exists()]
        file = _open_locked(path, directory)
    with file:
        try:
            yield
        finally:
            if made and len(os.listdir(path.parent)) <= 1:  # removed while it is held
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # not empty
                    for folder in made:
                        folder.rmdir()


def _open_locked(path: Path, directory: str) -> BinaryIO:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise InputError(
                f"{directory} is in use by another run; wait for it, or give another `output_dir`"
            ) from error
        except OSError as error:
            file.close()
            raise InputError(
                f"{directory} is on a file system without locks ({error.strerror}), so that two "
                "runs could write to it at once; give another `output_dir`"
            ) from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # another run has removed it since it was opened


def _raise_unless_missing(error: OSError) -> None:
    """A folder that cannot be listed is not an empty one; `os.walk` would say so."""
    if not isinstance(error, FileNotFoundError):
        with _as_input_error(str(error.filename)):
            raise error


class LocalBackend(Backend):
    """The backend for plain paths and `file://` URLs."""

    def stat(self, path: str) -> FileStat:
        """Size and modification time of a regular, readable file."""
        with _as_input_error(path):
            found = os.stat(path)
            if stat.S_ISDIR(found.st_mode):
                raise InputError(f"{path} is a directory, not a file")
            if not stat.S_ISREG(found.st_mode):
                raise InputError(f"{path} is no regular file: it must be one to be read in place")
            with open(path, "rb"):
                pass
        return FileStat(path, found.st_size, str(found.st_mtime_ns), path)

    def open_ranges(self, path: str) -> _LocalRangeReader:
        """Opens the file once for all threads."""
        return _LocalRangeReader(path)

    def read_bytes(self, path: str) -> bytes:
        """Reads a small file whole."""
        with _as_input_error(path):
            return Path(path).read_bytes()

    def list_sizes(self, directory: str) -> dict[str, int]:
        """Walks a folder and what links in it lead to, each place once."""
        sizes: dict[str, int] = {}
        visited = set()
        walk = os.walk(directory, onerror=_raise_unless_missing, followlinks=True)
        for folder, folders, names in walk:
            place = os.path.realpath(folder)
            if place in visited:
                folders.clear()
                continue
            visited.add(place)
            for name in names:
                path = os.path.join(folder, name)
                # It may be gone since it was listed.
                with contextlib.suppress(FileNotFoundError):
                    sizes[os.path.relpath(path, directory)] = os.stat(path).st_size
        return sizes

    def folders(self, directory: str) -> Iterator[str]:
        """See `local_folders`."""
        return local_folders(directory)

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """See `local_files`."""
        return local_files(directory, folder)

    def create(self, path: str) -> _LocalAtomicFile:
        """Starts a file, and the folders above it."""
        return _LocalAtomicFile(path)

    def remove(self, path: str) -> None:
        """Removes a file if it is there."""
        with _as_input_error(path):
            Path(path).unlink(missing_ok=True)

    def check_writable(self, directory: str) -> None:
        """Creates the folder, and creates and removes a file in it."""
        _LocalAtomicFile(os.path.join(directory, "probe")).discard()
