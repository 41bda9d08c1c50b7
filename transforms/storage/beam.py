"""Every scheme that has no backend of its own, through Beam's FileSystems."""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX, Backend, FileStat, Spool

_COPY_BYTES = 1 << 20
_RAW = {"compression_type": CompressionTypes.UNCOMPRESSED}


@contextlib.contextmanager
def _as_input_error(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # BeamIOError, or Beam has no filesystem for the scheme
        raise InputError(f"{path} cannot be used: {error}") from error


class _BeamRangeReader:
    """Seeks in one open file; a lock keeps threads apart, since seeking is shared."""

    def __init__(self, path: str, size_bytes: int) -> None:
        self.name = path
        self.size_bytes = size_bytes
        self._lock = threading.Lock()
        with _as_input_error(path):
            self._file: Any = FileSystems.open(path, **_RAW)

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        with self._lock, _as_input_error(self.name):
            self._file.seek(offset_bytes)
            data: bytes = self._file.read(length_bytes)
        if len(data) < length_bytes:
            raise InputError(f"{self.name} ends before byte {offset_bytes + length_bytes:,}")
        return data


class _BeamAtomicFile(Spool):
    """Spooled to a local file, copied under a temporary name, then renamed."""

    def __init__(self, path: str, scratch_dir: str) -> None:
        super().__init__(path, scratch_dir, memory_bytes=0)

    def publish(self) -> None:
        # Not every file system renames over a file, so an earlier one is removed first:
        # for a moment there is none, but never half a one.
        with _as_input_error(self._path):
            folder, name = FileSystems.split(self._path)
            temporary = FileSystems.join(folder, f".{name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
            with contextlib.suppress(OSError):  # it is there, or is no folder at all
                FileSystems.mkdirs(folder)
            try:
                self._spool.seek(0)
                with FileSystems.create(temporary, **_RAW) as target:
                    shutil.copyfileobj(self._spool, target, _COPY_BYTES)
                if FileSystems.exists(self._path):
                    FileSystems.delete([self._path])
                FileSystems.rename([temporary], [self._path])
            except BaseException:
                with contextlib.suppress(OSError):
                    FileSystems.delete([temporary])
                raise
        self.discard()


class BeamBackend(Backend):
    """The backend for `hdfs://`, `s3://` and whatever else Beam knows."""

    def __init__(self, scratch_dir: str) -> None:
        self._scratch_dir = scratch_dir

    def stat(self, path: str) -> FileStat:
        """Size and modification time as Beam reports them."""
        with _as_input_error(path):
            found = FileSystems.match([path])[0].metadata_list
        if not found:
            raise InputError(f"{path} does not exist")
        if len(found) > 1:
            raise InputError(f"{path} names {len(found):,} files; give one path for each file")
        version = str(found[0].last_updated_in_seconds or 0)
        return FileStat(path, found[0].size_in_bytes, version, path)

    def open_ranges(self, path: str) -> _BeamRangeReader:
        """Opens the file for reads that take turns."""
        return _BeamRangeReader(path, self.stat(path).size_bytes)

    def read_bytes(self, path: str) -> bytes:
        """Reads a small file whole."""
        with _as_input_error(path), FileSystems.open(path, **_RAW) as file:
            data: bytes = file.read()
        return data

    def list_sizes(self, directory: str) -> dict[str, int]:
        """One recursive match below the directory."""
        prefix = directory.rstrip("/") + "/"
        with _as_input_error(directory):
            found = FileSystems.match([prefix + "**"])[0].metadata_list
        return {
            item.path[len(prefix) :]: item.size_in_bytes
            for item in found
            if item.path.startswith(prefix)
        }

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """All below the directory, without versions: Beam does not tell them for all schemes."""
        return ((path, size_bytes, "") for path, size_bytes in self.list_sizes(directory).items())

    def create(self, path: str) -> _BeamAtomicFile:
        """Starts a file in local scratch space."""
        return _BeamAtomicFile(path, self._scratch_dir)

    def remove(self, path: str) -> None:
        """Removes a file if it is there."""
        with _as_input_error(path):
            if FileSystems.exists(path):
                FileSystems.delete([path])

    def check_writable(self, directory: str) -> None:
        """Writes and removes a small file."""
        probe = f"{directory.rstrip('/')}/.probe.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
        file = self.create(probe)
        try:
            file.publish()
        finally:
            file.discard()
        self.remove(probe)
