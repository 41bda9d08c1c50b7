"""Objects of Google Cloud Storage, through google-cloud-storage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from google.api_core import exceptions as api
from google.cloud.storage.exceptions import DataCorruption

from imagenet_beam.transforms.storage.base import TEMPORARY_SUFFIX, FileStat
from imagenet_beam.transforms.storage.gcs_client import (
    GcsAccess,
    parse_name,
    parse_object_name,
)
from imagenet_beam.transforms.storage.gcs_errors import as_input_error
from imagenet_beam.transforms.storage.gcs_read import GcsRangeReader, load_blob, or_changed
from imagenet_beam.transforms.storage.gcs_retry import DamagedReadError
from imagenet_beam.transforms.storage.gcs_write import GcsAtomicFile

_LISTED_FIELDS = "items(name,size,generation),nextPageToken"


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
        blob = load_blob(path, self._access)
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
            except DataCorruption as error:  # start over: the library would only continue
                raise DamagedReadError(f"{path} was damaged on its way") from error
            return data

        with as_input_error(path), or_changed(name, self._access):
            return self._access.policy.run(attempt)

    def list_sizes(self, directory: str) -> dict[str, int]:
        """One listing, a request for each page of a thousand objects."""
        return {path: size_bytes for path, size_bytes, _ in self.files(directory, "")}

    def folders(self, directory: str) -> Iterator[str]:
        """One: a bucket has no folders."""
        yield ""

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """All below the directory, with their generations."""
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
                    yield blob.name[len(prefix) :], blob.size, str(blob.generation)

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
