"""Objects of Google Cloud Storage, through google-cloud-storage."""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from google.api_core import exceptions as api
from google.cloud.storage.exceptions import DataCorruption
from urllib3 import Timeout

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import (
    TEMPORARY_SUFFIX,
    Backend,
    FileStat,
    ends_early,
)
from imagenet_beam.transforms.storage.gcs_client import (
    GcsAccess,
    GcsName,
    parse_name,
    parse_object_name,
)
from imagenet_beam.transforms.storage.gcs_errors import as_input_error
from imagenet_beam.transforms.storage.gcs_retry import DamagedReadError
from imagenet_beam.transforms.storage.gcs_write import GcsAtomicFile

_LISTED_FIELDS = "items(name,size,generation,crc32c),nextPageToken"
_COMPARED_READS = 4  # of a range at most, before two in a row must have agreed
_BLOCK_BYTES = 64 << 10  # what a connection that breaks loses of what had arrived, at most

_logger = logging.getLogger(__name__)


class GcsBackend(Backend):
    """The backend for `gs://`."""

    def __init__(
        self, access: GcsAccess, scratch_dir: str = "", verify_reads: bool = False
    ) -> None:
        self._access = access
        self._scratch_dir = scratch_dir
        self._verify_reads = verify_reads

    def stat(self, path: str) -> FileStat:
        """One metadata request: size, and the generation that later reads ask for."""
        blob = _load_blob(path, self._access)
        name = parse_object_name(path)
        pinned = f"gs://{name.bucket}/{name.key}#{blob.generation}"
        return FileStat(path, blob.size, str(blob.generation), pinned)

    def open_ranges(self, path: str) -> _GcsRangeReader:
        """One metadata request; an unpinned path is pinned to what it is now."""
        return _GcsRangeReader(path, self._access, self._verify_reads)

    def read_bytes(self, path: str) -> bytes:
        """Reads a small object whole, compared with the checksum that the service keeps."""
        name = parse_object_name(path)

        def attempt() -> bytes:
            try:
                data: bytes = self._access.blob(name).download_as_bytes(
                    timeout=self._access.timeout, checksum="crc32c", retry=self._access.policy
                )
            except DataCorruption as error:  # start over: the library would only continue
                raise DamagedReadError(f"{path} was damaged on its way") from error
            return data

        with as_input_error(path), _or_changed(name, self._access):
            return self._access.policy.run(attempt)

    def list_sizes(self, directory: str) -> dict[str, int]:
        """One listing, a request for each page of a thousand objects."""
        return {path: size_bytes for path, size_bytes, _ in self.files(directory, "")}

    def list_with_checksums(self, directory: str) -> tuple[dict[str, int], dict[str, int]]:
        """One listing; the service has the crc32c of each object in base64."""
        listed = dict(self._list(directory))
        kept = {path: blob.crc32c for path, blob in listed.items() if blob.crc32c}
        return (
            {path: blob.size for path, blob in listed.items()},
            {path: int.from_bytes(base64.b64decode(crc), "big") for path, crc in kept.items()},
        )

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """All below the directory, with their generations."""
        for path, blob in self._list(directory):
            yield path, blob.size, str(blob.generation)

    def _list(self, directory: str) -> Iterator[tuple[str, Any]]:
        """Relative path and metadata of each object below a directory."""
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
            for blob in found:
                if blob.name[-1:] != "/":
                    yield blob.name[len(prefix) :], blob

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
            with contextlib.suppress(OSError):  # it would expire by itself, and costs nothing
                self._access.client().session.delete(url, timeout=self._access.timeout)


class _GcsRangeReader:
    """One GET a read, of the generation that was opened; safe for threads."""

    def __init__(self, path: str, access: GcsAccess, verify_reads: bool = False) -> None:
        blob = _load_blob(path, access)
        self.name = path
        self.size_bytes: int = blob.size
        self._name = parse_object_name(path)._replace(generation=blob.generation)
        self._access = access
        self._verify_reads = verify_reads

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        if length_bytes <= 0:
            return b""
        end_bytes = offset_bytes + length_bytes
        if end_bytes > self.size_bytes:
            raise ends_early(self.name, end_bytes)
        data = self._get(offset_bytes, length_bytes)
        if not self._verify_reads:
            return data
        for lane in range(1, _COMPARED_READS):  # a lane has connections of its own
            again = self._get(offset_bytes, length_bytes, lane)
            if again == data:
                return data
            _logger.warning("%s: two reads at byte %d differ", self.name, offset_bytes)
            data = again
        raise InputError(
            f"{self.name} gives other bytes at each read of byte {offset_bytes:,}: "
            "the network or a machine on the way damages data"
        )

    def _get(self, offset_bytes: int, length_bytes: int, lane: int = 0) -> bytes:
        """One range, asked for once, and after a failure from where it broke.

        The library's `download_as_bytes` does the same for 1.3 ms of processor time
        a read instead of 0.4 ms: with one read an image that would cost a fifth of the
        images per second (benchmarks/gcs_reads.py).
        """
        client = self._access.client(lane)
        query = {"alt": "media", "generation": str(self._name.generation)}
        if self._access.billing_project:
            query["userProject"] = self._access.billing_project
        url = (
            f"{client.api.api_endpoint}/download/storage/v1/b/{self._name.bucket}"
            f"/o/{quote(self._name.key, safe='')}?{urlencode(query)}"
        )
        data = bytearray()

        def attempt() -> None:
            response = client.http.request(
                "GET",
                url,
                # The bytes as stored: of an object that is unpacked on its way out,
                # the service would send all, whatever the range.
                headers={
                    "Range": f"bytes={offset_bytes + len(data)}-{offset_bytes + length_bytes - 1}",
                    "Accept-Encoding": "gzip",
                },
                timeout=Timeout(*self._access.timeout),
                preload_content=False,
                redirect=False,
            )
            if response.status != 206:
                text = response.data.decode("utf-8", "replace")  # also gives the connection back
                raise api.from_http_status(response.status, text, response=response)
            for block in response.stream(_BLOCK_BYTES, decode_content=False):
                data.extend(block)

        with as_input_error(self.name), _or_changed(self._name, self._access):
            self._access.policy.run(attempt, lambda: len(data))
        return bytes(data)


def _load_blob(path: str, access: GcsAccess) -> Any:
    """The metadata of an object, or of the pinned generation of one; one request."""
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
