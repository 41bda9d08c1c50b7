"""Files on this machine's disks."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import Backend, FileStat, ends_early
from imagenet_beam.transforms.storage.local_write import LocalAtomicFile, as_write_error
from imagenet_beam.transforms.storage.trees import local_files, local_folders

_NO_FILE = (errno.ENOENT, errno.ELOOP)
"""What is said of a listed name that is gone by now, and of links to nothing or to themselves."""


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
        raise InputError(f"{path} cannot be used: {error.strerror or error}") from error


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
                    raise ends_early(self.name, offset_bytes + length_bytes)
                data += part
        return data


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
                with _as_input_error(path):
                    try:
                        sizes[os.path.relpath(path, directory)] = os.stat(path).st_size
                    except OSError as error:
                        if error.errno not in _NO_FILE:
                            raise
        return sizes

    def folders(self, directory: str) -> Iterator[str]:
        """See `local_folders`."""
        return local_folders(directory)

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """See `local_files`."""
        return local_files(directory, folder)

    def create(self, path: str) -> LocalAtomicFile:
        """Starts a file, and the folders above it."""
        return LocalAtomicFile(path)

    def remove(self, path: str) -> None:
        """Removes a file if it is there."""
        with as_write_error(path, "removed"):
            Path(path).unlink(missing_ok=True)

    def check_writable(self, directory: str) -> None:
        """Creates the folder, and creates and removes a file in it."""
        LocalAtomicFile(os.path.join(directory, "probe")).discard()
