"""Objects of Google Cloud Storage, through google-cloud-storage."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from google.api_core import exceptions as api
from google.cloud.storage.exceptions import DataCorruption

from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX, FileStat
from imagenet_beam.transforms.storage.gcs_client import (
    GcsAccess,
    GcsName,
    parse_name,
    parse_object_name,
)
from imagenet_beam.transforms.storage.gcs_errors import as_input_error
from imagenet_beam.transforms.storage.gcs_retry import DamagedReadError
from imagenet_beam.transforms.storage.gcs_write import GcsAtomicFile

_LISTED_FIELDS = "items(name,size),nextPageToken"
_COMPARED_READS = 4
"""How often a range is read at most before two readings must have agreed."""

_logger = logging.getLogger(__name__)


class GcsRangeReader:
    """Ranged reads of one generation of an object; one GET a read, safe for threads."""

    def __init__(self, path: str, access: GcsAccess, verify_reads: bool = False) -> None:
        blob = _load(path, access)
        self.name = path
        self.size_bytes: int = blob.size
        self._name = GcsName(*parse_object_name(path)[:2], blob.generation)
        self._access = access
        self._verify_reads = verify_reads

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly that range.

        Raises:
            InputError: If the object ends before the range does, or is no longer
                the generation that was opened.
        """
        if length_bytes <= 0:
            return b""
        end_bytes = offset_bytes + length_bytes
        if end_bytes > self.size_bytes:
            raise InputError(f"{self.name} ends before byte {end_bytes:,}")
        data = self._get(offset_bytes, length_bytes)
        return self._agreed(data, offset_bytes) if self._verify_reads else data

    def _get(self, offset_bytes: int, length_bytes: int, lane: int = 0) -> bytes:
        with as_input_error(self.name), _or_changed(self._name, self._access):
            data: bytes = self._access.blob(self._name, lane).download_as_bytes(
                start=offset_bytes,
                end=offset_bytes + length_bytes - 1,
                raw_download=True,  # the bytes as stored: ranges of unpacked ones mean nothing
                checksum=None,  # the service has one for the whole object only
                timeout=self._access.timeout,
                retry=self._access.policy,
            )
        if len(data) != length_bytes:
            raise InputError(f"{self.name} ends before byte {offset_bytes + length_bytes:,}")
        return data

    def _agreed(self, data: bytes, offset_bytes: int) -> bytes:
        """Reads again, over other connections, until two readings in a row agree."""
        for lane in range(1, _COMPARED_READS):
            again = self._get(offset_bytes, len(data), lane)
            if again == data:
                return data
            _logger.warning("%s: two reads at byte %d differ", self.name, offset_bytes)
            data = again
        raise InputError(
            f"{self.name} gives other bytes at each read of byte {offset_bytes:,}: "
            "the network or a machine on the way damages data"
        )

    def close(self) -> None:
        """Does nothing: the connections belong to the process."""


class GcsBackend:
    """The backend for `gs://`."""

    def __init__(
        self, access: GcsAccess, scratch_dir: str = "", verify_reads: bool = False
    ) -> None:
        self._access = access
        self._scratch_dir = scratch_dir
        self._verify_reads = verify_reads

    def stat(self, path: str) -> FileStat:
        """One metadata request: size, and the generation that later reads ask for."""
        blob = _load(path, self._access)
        name = parse_object_name(path)
        pinned = f"gs://{name.bucket}/{name.key}#{blob.generation}"
        return FileStat(path, blob.size, str(blob.generation), pinned)

    def open_ranges(self, path: str) -> GcsRangeReader:
        """One metadata request; an unpinned path is pinned to what it is now."""
        return GcsRangeReader(path, self._access, self._verify_reads)

    def read_bytes(self, path: str) -> bytes:
        """Reads a small object whole, compared with the checksum that the service keeps."""
        name = parse_object_name(path)

        def attempt() -> bytes:
            try:
                data: bytes = self._access.blob(name).download_as_bytes(
                    timeout=self._access.timeout, checksum="crc32c", retry=self._access.policy
                )
            except DataCorruption as error:  # begin anew: the library would only go on
                raise DamagedReadError(f"{path} was damaged on its way") from error
            return data

        with as_input_error(path), _or_changed(name, self._access):
            return self._access.policy.run(attempt)

    def list_sizes(self, directory: str) -> dict[str, int]:
        """One listing, a request for each page of a thousand objects."""
        name = parse_name(directory)
        prefix = name.key.rstrip("/") + "/" if name.key else ""
        with as_input_error(directory, needs="bucket"):
            found = self._access.client().api.list_blobs(
                self._access.bucket(name),
                prefix=prefix,
                fields=_LISTED_FIELDS,
                timeout=self._access.timeout,
                retry=self._access.policy,
            )
            # Names that end in a slash are what consoles make to show a folder.
            return {blob.name[len(prefix) :]: blob.size for blob in found if blob.name[-1:] != "/"}

    def create(self, path: str) -> GcsAtomicFile:
        """Starts a file in local scratch space; makes no request."""
        return GcsAtomicFile(path, self._access, self._scratch_dir)

    def remove(self, path: str) -> None:
        """Removes an object if it is there."""
        blob = self._access.blob(parse_object_name(path))
        with as_input_error(path), contextlib.suppress(api.NotFound):
            blob.delete(timeout=self._access.timeout, retry=self._access.policy)

    def check_writable(self, directory: str) -> None:
        """Begins an upload below the directory and cancels it: no object appears.

        This needs just the permission that writing needs, also where it is
        granted for a folder only, which asking for permissions would not see.
        """
        name = parse_name(directory.rstrip("/") + f"/probe{TEMPORARY_SUFFIX}")
        with as_input_error(directory, needs="bucket"):
            url = self._access.blob(name).create_resumable_upload_session(
                size=0, timeout=self._access.timeout, checksum=None, retry=self._access.policy
            )
            self._cancel(url)

    def _cancel(self, url: str) -> None:
        session = self._access.client().session
        with contextlib.suppress(OSError):  # it would expire by itself, and costs nothing
            session.delete(url, timeout=self._access.timeout)


def _load(path: str, access: GcsAccess) -> Any:
    """The metadata of an object, or of the pinned generation of one."""
    name = parse_object_name(path)
    with as_input_error(path), _or_changed(name, access):
        blob = access.blob(name)
        blob.reload(timeout=access.timeout, retry=access.policy)
    return blob


@contextlib.contextmanager
def _or_changed(name: GcsName, access: GcsAccess) -> Iterator[None]:
    """Tells a generation that was replaced from an object that never was."""
    try:
        yield
    except api.NotFound as error:
        if name.generation is None:
            raise
        live = access.blob(name._replace(generation=None))
        with contextlib.suppress(api.NotFound):
            live.reload(timeout=access.timeout, retry=access.policy)
        fate = "replaced" if live.generation else "removed"
        raise InputError(
            f"{name} was {fate} during the job: it was planned with generation "
            f"{name.generation}; run the job again on inputs that stay as they are"
        ) from error
