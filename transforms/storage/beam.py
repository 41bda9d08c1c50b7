"""Every scheme that has no backend of its own, through Beam's FileSystems."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

from apache_beam.io.filesystem import CompressionTypes, FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import (
    TEMPORARY_SUFFIX,
    Backend,
    FileStat,
    Spool,
    ends_early,
)

_COPY_BYTES = 1 << 20
_RAW = {"compression_type": CompressionTypes.UNCOMPRESSED}


_NEEDED = {
    "azfs": ("azure.storage.blob", "pip install 'apache-beam[azure]'"),
    "hdfs": ("hdfs", "pip install 'apache-beam[hadoop]'"),
}
"""By scheme, the package that Beam reads it with, and what brings it."""


@functools.lru_cache(maxsize=64)
def _refusal(scheme: str) -> str:
    """Why files of a scheme cannot be reached here; "" if they can."""
    module, command = _NEEDED.get(scheme, ("", ""))
    if module and not _is_installed(module):
        return f"needs the package {module}, which is not installed: {command}"
    if scheme not in {found.scheme() for found in FileSystem.get_all_subclasses()}:
        accepted = ", ".join(f"{name}://" for name in ("gs", "s3", *_NEEDED))
        return f"has a scheme that is not known; accepted are paths of this machine, {accepted}"
    return ""


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the packages above it
        return False


@contextlib.contextmanager
def _as_input_error(path: str) -> Iterator[None]:
    refusal = _refusal(path.partition("://")[0]) if "://" in path else ""
    if refusal:
        raise InputError(f"{path} {refusal}")
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # BeamIOError is an OSError
        raise InputError(f"{path} cannot be used: {_innermost(error)}") from error


def _innermost(error: Exception) -> Exception:
    """Beam wraps what a file system says, by path, once for each of its layers."""
    details = getattr(error, "exception_details", None)
    inner = next(iter(details.values()), None) if isinstance(details, dict) else None
    return _innermost(inner) if isinstance(inner, Exception) else error


class _BeamRangeReader:
    """Reads ranges by as many open files as threads read at once: seeking is not shared.

    Beam buffers what it opens by up to 16 MiB, where an image has 0.1: the stream below the
    buffer is asked for just the range.
    """

    def __init__(self, path: str, size_bytes: int) -> None:
        self.name = path
        self.size_bytes = size_bytes
        self._idle: list[Any] = [self._open()]

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        with _as_input_error(self.name):
            try:
                file = self._idle.pop()
            except IndexError:  # all are in use by other threads
                file = self._open()
            file.seek(offset_bytes)
            data = _read_exactly(file, length_bytes)
            self._idle.append(file)  # not after an error: its state is unknown
        if len(data) < length_bytes:
            raise ends_early(self.name, offset_bytes + length_bytes)
        return data

    def _open(self) -> Any:
        with _as_input_error(self.name):
            file: Any = FileSystems.open(self.name, **_RAW)
        return file.detach() if isinstance(file, io.BufferedReader) else file


def _read_exactly(file: Any, length_bytes: int) -> bytes:
    """Reads that many bytes, or what there is of them: a raw stream may give less at once."""
    parts = []
    while length_bytes and (part := file.read(length_bytes)):
        parts.append(part)
        length_bytes -= len(part)
    return b"".join(parts)


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
    """The backend for `hdfs://`, `azfs://` and whatever else Beam knows."""

    def __init__(self, scratch_dir: str) -> None:
        self._scratch_dir = scratch_dir
        # Without options `azfs://` does not work at all; a job's own take their place.
        if getattr(FileSystems, "_pipeline_options", None) is None:
            FileSystems.set_options(PipelineOptions([]))

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
        """Opens the file once, and again for each thread that reads at the same time."""
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
