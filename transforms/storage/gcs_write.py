"""Files that appear in a bucket whole: spooled to local scratch, uploaded once."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from google.api_core import exceptions as api

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.base import Spool
from imagenet_beam.transforms.storage.gcs_client import GcsAccess, GcsName, parse_object_name
from imagenet_beam.transforms.storage.gcs_errors import as_input_error
from imagenet_beam.transforms.storage.gcs_retry import UploadPausedError, UploadRestartError

_ONE_REQUEST_BYTES = 8 << 20
"""Up to here one request carries a file; a larger one can continue where it broke."""

_BLOCK_BYTES = 1 << 20
_TYPE = "application/octet-stream"


class GcsAtomicFile(Spool):
    """A local spool that `publish` uploads."""

    def __init__(self, path: str, access: GcsAccess, scratch_dir: str) -> None:
        self._name = parse_object_name(path)
        self._access = access
        super().__init__(path, scratch_dir)

    def publish(self) -> None:
        """Uploads unless the bucket already has the same bytes under the name.

        The upload asks that the object still be what it was a moment before, so
        that two writers cannot both succeed unnoticed.
        """
        try:
            with as_input_error(self._path, needs="bucket"):
                self._publish()
        finally:
            self.discard()

    def _publish(self) -> None:
        found = self._found()
        if self._is_same(found):
            return
        with self._scratch():
            self._spool.flush()
        kind = _OneRequest if self.size_bytes <= _ONE_REQUEST_BYTES else _Resumable
        upload = kind(
            access=self._access,
            name=self._name,
            file=self._spool,
            size_bytes=self.size_bytes,
            crc32c=_encoded(self.crc32c),
            generation=found.generation if found else 0,
        )
        try:
            self._access.policy.run(upload.attempt, lambda: upload.sent_bytes)
        except api.PreconditionFailed as error:
            # Our own upload, its answer lost on the way, or somebody else's.
            if not self._is_same(self._found()):
                raise InputError(
                    f"{self._path} was written by another job at the same time; "
                    "only one job may write to an output"
                ) from error

    def _found(self) -> Any:
        """The live object's metadata, or None."""
        blob = self._access.blob(self._name)
        try:
            blob.reload(timeout=self._access.timeout, retry=self._access.policy)
        except api.NotFound:
            return None
        return blob

    def _is_same(self, found: Any) -> bool:
        ours = (self.size_bytes, _encoded(self.crc32c))
        return found is not None and (found.size, found.crc32c) == ours


def _encoded(crc32c: int) -> str:
    """A checksum as the service writes it: base64 of the big-endian bytes."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")


@dataclass
class _Upload:
    """What an upload declares beforehand."""

    access: GcsAccess
    name: GcsName
    file: IO[bytes]
    size_bytes: int
    crc32c: str  # as the service writes it
    generation: int  # what the object must be while it is replaced; 0 if it is new
    sent_bytes: int = 0  # how much the service has confirmed

    def declared(self) -> Any:
        """The object's handle, with the checksum, so that the service refuses other bytes.

        The library would compare afterwards, when the damaged object is already visible.
        """
        blob = self.access.blob(self.name)
        blob.crc32c = self.crc32c
        return blob


class _OneRequest(_Upload):
    """Metadata and bytes in one multipart request."""

    def attempt(self) -> None:
        with _damage_restarts():
            self.declared().upload_from_file(
                self.file,
                rewind=True,
                size=self.size_bytes,
                content_type=_TYPE,
                if_generation_match=self.generation,
                timeout=self.access.timeout,
                checksum=None,
                retry=None,
            )


class _Resumable(_Upload):
    """A session that takes the file in one request, and continues after a failure.

    The library's own resumable upload holds a chunk in memory, repeats a whole
    chunk after a failure, and fails where the service has taken part of one.
    """

    _url = ""

    def attempt(self) -> None:
        """Begins, or asks how far the last attempt came and sends the rest."""
        if not self._url:
            self._url = self._begin()
            self.sent_bytes = 0
        elif self._is_complete():
            return
        rest = _FileRest(self.file, self.sent_bytes, self.size_bytes)
        last = self.size_bytes - 1
        response = self._put(rest, f"bytes {self.sent_bytes}-{last}/{self.size_bytes}")
        if response.status_code == 308:
            raise UploadPausedError(f"{self.name} was taken in part")

    def _begin(self) -> str:
        url: str = self.declared().create_resumable_upload_session(
            content_type=_TYPE,
            size=self.size_bytes,
            if_generation_match=self.generation,
            timeout=self.access.timeout,
            checksum=None,
            retry=None,
        )
        return url

    def _is_complete(self) -> bool:
        response = self._put(b"", f"bytes */{self.size_bytes}")
        if response.status_code != 308:
            return True
        confirmed = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("Range", ""))
        self.sent_bytes = int(confirmed[1]) + 1 if confirmed else 0
        return False

    def _put(self, data: Any, content_range: str) -> Any:
        response = self.access.client().session.put(
            self._url,
            data=data,
            headers={"Content-Range": content_range, "Content-Type": _TYPE},
            timeout=self.access.timeout,
            allow_redirects=False,
        )
        if response.status_code in (400, 404, 410):
            self._url = ""  # a session whose bytes were refused takes no others
        if response.status_code in (404, 410):
            raise UploadRestartError(f"the upload of {self.name} is no longer known")
        if response.status_code >= 400:
            with _damage_restarts():
                raise api.from_http_response(response)
        return response


@dataclass(frozen=True)
class _FileRest:
    """A file from an offset on, as a body that can be sent more than once.

    The session repeats a request by itself when a token has expired; an open
    file would then be at its end.
    """

    file: IO[bytes]
    offset_bytes: int
    size_bytes: int

    def __len__(self) -> int:
        return self.size_bytes - self.offset_bytes

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.offset_bytes)
        while block := self.file.read(_BLOCK_BYTES):
            yield block


@contextlib.contextmanager
def _damage_restarts() -> Iterator[None]:
    """A checksum that the service found wrong means damage on the way: send again."""
    try:
        yield
    except api.BadRequest as error:
        if "crc32c" not in str(error).lower():
            raise
        raise UploadRestartError(f"{error}") from error
