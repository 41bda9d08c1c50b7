"""The one door to storage: no other module of the project opens a file.

Local paths are read and written directly, `gs://` through google-cloud-storage,
`s3://` through boto3, every other scheme through Beam's FileSystems. A `Storage` is a small frozen
value that travels to the workers; clients and open files stay in the process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from imagenet_beam.transforms.errors import InputError, changed_input
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX as TEMPORARY_SUFFIX
from imagenet_beam.transforms.storage.base import AtomicFile as AtomicFile
from imagenet_beam.transforms.storage.base import Backend
from imagenet_beam.transforms.storage.base import FileStat as FileStat
from imagenet_beam.transforms.storage.base import RangeReader as RangeReader
from imagenet_beam.transforms.storage.local import LocalBackend
from imagenet_beam.transforms.storage.local_write import end_writing as end_writing
from imagenet_beam.transforms.storage.local_write import locked

MAX_TEXT_BYTES = 256 << 20
"""Far more than any devkit (2.5 MB) or list of names (1.3 million are 40 MB) has."""

_READ_AHEAD_BYTES = 8 << 20
"""Longer blocks save few requests more, and each listing thread holds one (benchmarks/gcs.md)."""

_MAX_OPEN_FILES = 64
"""Readers kept open in a process; far below the usual limit of 1,024 descriptors."""

_OBJECT_STORES = ("gs", "s3")
"""An object there appears whole, under its own name: none is renamed."""

_DOWNLOADED = ("http", "https", "ftp")

_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*")
_KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_MAX_RETRY_SECONDS = 86_400


@dataclass(frozen=True)
class Storage:
    """How to reach files; equal values share clients and open files in a process.

    Attributes:
        scratch_dir: Where files bound for remote storage are spooled; "" means
            the folder that TMPDIR names, or the system's own.
        gcs_project: The project for the storage client; "" asks the environment.
        gcs_billing_project: Who pays for requester-pays buckets.
        kms_key: The customer-managed key for objects that are written.
        verify_reads: Reads each range of `gs://` twice and compares: twice the
            requests and bytes, for networks that are not trusted (docs/failures.md).
        gcs_retry_seconds: How long a request to `gs://` is repeated before the
            job gives up.
        sha256: The checksums that small files had when the job was planned, by path;
            `read_bytes` gives no other content.

    Raises:
        InputError: If a value cannot be right; the message names the field.
    """

    scratch_dir: str = ""
    gcs_project: str = ""
    gcs_billing_project: str = ""
    kms_key: str = ""
    verify_reads: bool = False
    gcs_retry_seconds: float = 300.0
    sha256: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for field in ("gcs_project", "gcs_billing_project"):
            _check_form(field, getattr(self, field), _PROJECT, "the ID of a project, my-project")
        key = "projects/P/locations/L/keyRings/R/cryptoKeys/K"
        _check_form("kms_key", self.kms_key, _KMS_KEY, key)
        if not 0 <= self.gcs_retry_seconds <= _MAX_RETRY_SECONDS:
            raise InputError(
                f"`storage.gcs_retry_seconds`={self.gcs_retry_seconds:g} is out of range; accepted "
                f"are seconds from 0 to {_MAX_RETRY_SECONDS:,}"
            )

    def stat(self, path: str) -> FileStat:
        """Identifies the current version of one file; see `Backend.stat`.

        What this process holds open under that path is reopened at its next use:
        by now another file may bear the name.
        """
        _open_readers.forget(self, path)
        return self._backend(path).stat(_plain(path))

    def check_unchanged(self, known: Iterable[FileStat]) -> None:
        """Raises `InputError` where one of these files is no longer what it was."""
        for before in known:
            now = self._backend(before.path).stat(_plain(before.path))
            if (now.size_bytes, now.version) != (before.size_bytes, before.version):
                raise changed_input(before.path)

    def open_ranges(self, path: str) -> RangeReader:
        """The reader of byte ranges that all share who ask for the same path."""
        return _open_readers.get(self, path)

    def read_range(self, path: str, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly one byte range of a file."""
        return self.open_ranges(path).read(offset_bytes, length_bytes)

    def read_bytes(self, path: str, max_bytes: int = 0) -> bytes:
        """Reads a small file whole.

        Args:
            path: The file.
            max_bytes: How long it may be, where a user named it: a wrong path may
                lead to an archive that is larger than memory. 0 does not ask.

        Raises:
            InputError: If it has changed since the plan, or is longer.
        """
        if max_bytes:
            size_bytes = self.stat(path).size_bytes
            if size_bytes > max_bytes:
                raise InputError(
                    f"{path} has {size_bytes:,} bytes, and no file of this kind has more than "
                    f"{max_bytes:,}; give another path"
                )
        data = self._backend(path).read_bytes(_plain(path))
        planned = dict(self.sha256).get(path)
        if planned and hashlib.sha256(data).hexdigest() != planned:
            raise changed_input(path)
        return data

    def list_sizes(self, directory: str) -> dict[str, int]:
        """Maps each file below a directory, by relative path, to its size in bytes."""
        return self._backend(directory).list_sizes(_plain(directory))

    def list_with_checksums(self, directory: str) -> tuple[dict[str, int], dict[str, int]]:
        """`list_sizes`, and where the storage keeps it, the crc32c of each file; one listing."""
        return self._backend(directory).list_with_checksums(_plain(directory))

    def free_bytes(self, directory: str) -> int | None:
        """How much room a folder of this machine has, or will have; None elsewhere."""
        if not is_local(directory):
            return None
        path = os.path.abspath(_plain(directory))
        while not os.path.isdir(path) and path != os.path.dirname(path):
            path = os.path.dirname(path)
        try:
            return shutil.disk_usage(path).free
        except OSError:  # a disk that is gone says so when it is written to
            return None

    def is_folder(self, path: str) -> bool:
        """Whether this is a folder of this machine; remote storage has none."""
        return is_local(path) and os.path.isdir(_plain(path))

    def folders(self, directory: str) -> Iterator[str]:
        """Yields the folders of a tree by relative path; see `Backend.folders`."""
        return self._backend(directory).folders(_plain(directory))

    def files(self, directory: str, folder: str) -> Iterator[FileStat]:
        """Yields the files of one of `folders`, by paths relative to the directory.

        As with `stat`, what this process holds open of them is reopened.
        """
        mark = "#{}" if _scheme(directory) == "gs" else ""
        for path, size_bytes, version in self._backend(directory).files(_plain(directory), folder):
            pinned = join(directory, path) + mark.format(version)
            _open_readers.forget(self, pinned)
            yield FileStat(path, size_bytes, version, pinned)

    def create(self, path: str) -> AtomicFile:
        """Starts a file that `publish` makes visible whole."""
        return self._backend(path).create(_plain(path))

    def publish_bytes(self, path: str, data: bytes) -> None:
        """Writes a small file in one atomic step."""
        file = self.create(path)
        try:
            file.write(data)
            file.publish()
        finally:
            file.discard()

    def remove(self, path: str) -> None:
        """Removes a file; one that is not there is no error."""
        self._backend(path).remove(_plain(path))

    def check_writable(self, directory: str) -> None:
        """Raises `InputError` where files could not be created below a directory."""
        self._backend(directory).check_writable(_plain(directory))

    def unfinished(self, directory: str) -> list[str]:
        """Names, relative to a directory, of files that were begun and not published.

        Makes no request where such files have no names.
        """
        if _scheme(directory) in _OBJECT_STORES:
            return []
        return [name for name in self.list_sizes(directory) if name.endswith(TEMPORARY_SUFFIX)]

    def exclusive(self, directory: str, lock: str) -> contextlib.AbstractContextManager[None]:
        """Keeps a second run out of a local folder by a lock file; remote storage has no locks.

        Raises:
            InputError: If another process holds the folder, or it cannot be written.
        """
        if is_local(directory):
            return locked(_plain(directory), lock)
        return contextlib.nullcontext()

    def _backend(self, path: str) -> Backend:
        scheme = _scheme(path)
        if scheme in _DOWNLOADED:
            raise InputError(
                f"{path}: nothing is read from or written to {scheme}://; download inputs, and "
                "give the paths of the files"
            )
        return _backend_for(scheme, self)


def _check_form(field: str, value: str, form: re.Pattern[str], accepted: str) -> None:
    if value and not form.fullmatch(value):
        raise InputError(f"`storage.{field}`={value} is not accepted; accepted is {accepted}")


def is_local(path: str) -> bool:
    """Whether a path lies on this machine: it has no scheme, or `file://`."""
    return _scheme(path) == ""


def canonical(path: str) -> str:
    """One spelling for all paths of a file: absolute and without links, where it lies here.

    Wildcards stay as they are; a pinned generation goes.
    """
    return os.path.realpath(_plain(path)) if is_local(path) else unpinned(path).rstrip("/")


def read_ahead_bytes(path: str) -> int:
    """How much to read at most for the sake of fewer requests; 0 where reads are no requests."""
    return 0 if is_local(path) else _READ_AHEAD_BYTES


def join(directory: str, *names: str) -> str:
    """Joins with slashes, which every storage understands."""
    return "/".join((directory.rstrip("/"), *names))


def unpinned(path: str) -> str:
    """The path without a pinned generation: `gs://b/o#12` becomes `gs://b/o`."""
    if path.startswith("gs://"):
        head, mark, generation = path.rpartition("#")
        return head if mark and generation.isdigit() else path
    return path


def _scheme(path: str) -> str:
    scheme, mark, _ = path.partition("://")
    return scheme if mark and scheme != "file" else ""


def _plain(path: str) -> str:
    return path.removeprefix("file://")


_importing = threading.Lock()


@functools.lru_cache(maxsize=64)
def _backend_for(scheme: str, storage: Storage) -> Backend:
    # The others are imported when they are needed: a local run starts without a cloud client.
    if not scheme:
        return LocalBackend()
    if scheme == "gs":
        # In turns: of an import that fails, a thread that waits for it is told another reason.
        with _importing:
            from imagenet_beam.transforms.storage.gcs import GcsBackend
            from imagenet_beam.transforms.storage.gcs_client import GcsAccess
            from imagenet_beam.transforms.storage.gcs_retry import RetryPolicy

        access = GcsAccess(
            project=storage.gcs_project,
            billing_project=storage.gcs_billing_project,
            kms_key=storage.kms_key,
            policy=RetryPolicy(deadline_seconds=storage.gcs_retry_seconds),
        )
        return GcsBackend(access, storage.scratch_dir, storage.verify_reads)
    if scheme == "s3":
        with _importing:
            from imagenet_beam.transforms.storage.s3 import S3Backend

        return S3Backend(storage.scratch_dir, storage.gcs_retry_seconds)
    from imagenet_beam.transforms.storage.beam import BeamBackend

    return BeamBackend(storage.scratch_dir)


class _OpenReaders:
    """The readers that this process holds open, least recently used ones closed.

    Opening may take a request: those who ask for the same path wait for it, and
    nobody else does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: tuple[Storage, str, RangeReader] | None = None
        self._readers: OrderedDict[tuple[Storage, str], Future[RangeReader]] = OrderedDict()

    def get(self, storage: Storage, path: str) -> RangeReader:
        """Opens a path at its first use; a failure is not remembered."""
        latest = self._latest  # most images lie in the archive of the one before
        if latest and latest[0] is storage and latest[1] == path:
            return latest[2]
        key = (storage, path)
        with self._lock:
            reader = self._readers.get(key)
            is_first = reader is None
            if reader is None:
                reader = self._readers[key] = Future()
            self._readers.move_to_end(key)
            # Not closed here: another thread may be reading. The last reference closes it.
            while len(self._readers) > _MAX_OPEN_FILES:
                self._readers.popitem(last=False)
        if is_first:
            try:
                reader.set_result(storage._backend(path).open_ranges(_plain(path)))
            except BaseException as error:
                with self._lock:
                    if self._readers.get(key) is reader:
                        del self._readers[key]
                reader.set_exception(error)
        found = reader.result()
        with self._lock:  # unless it was forgotten meanwhile
            if self._readers.get(key) is reader:
                self._latest = storage, path, found
        return found

    def forget(self, storage: Storage, path: str) -> None:
        """Has a path reopened at its next use."""
        with self._lock:
            self._latest = None
            self._readers.pop((storage, path), None)


_open_readers = _OpenReaders()
