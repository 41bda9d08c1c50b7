"""Files that appear in a bucket whole: spooled to local scratch, uploaded once."""

from __future__ import annotations

import base64
import contextlib
import re
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import google_crc32c
from google.api_core import exceptions as api

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_client import GcsAccess, GcsName, parse_object_name
from imagenet_beam.transforms.storage.gcs_errors import as_input_error
from imagenet_beam.transforms.storage.gcs_retry import UploadPausedError, UploadRestartError

_MEMORY_BYTES = 1 << 20
"""Smaller files, such as receipts, never touch the scratch disk."""

_ONE_REQUEST_BYTES = 8 << 20
"""Up to here one request carries a file; a larger one can go on where it broke."""

_BLOCK_BYTES = 1 << 20
_TYPE = "application/octet-stream"


class GcsAtomicFile:
    """A local spool that `publish` uploads; the spool has no name, so a kill leaves none."""

    def __init__(self, path: str, access: GcsAccess, scratch_dir: str) -> None:
        self._path = path
        self._name = parse_object_name(path)
        self._access = access
        self._scratch_dir = scratch_dir
        with self._scratch():
            self._spool: Any = tempfile.SpooledTemporaryFile(  # noqa: SIM115
                max_size=_MEMORY_BYTES, dir=scratch_dir or None
            )
        self.size_bytes = 0
        self.crc32c = 0

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            folder = self._scratch_dir or tempfile.gettempdir()
            raise InputError(
                f"{self._path} cannot be spooled in {folder}: {error.strerror or error}; "
                "name a folder with room by `storage.scratch_dir`"
            ) from error

    def write(self, data: bytes) -> None:
        """Appends to the spool; on a full disk, raises and leaves nothing."""
        try:
            with self._scratch():
                self._spool.write(data)
        except InputError:
            self.discard()
            raise
        self.size_bytes += len(data)
        self.crc32c = google_crc32c.extend(self.crc32c, data)

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
        try:
            self._upload(found.generation if found else 0)
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
        return bool(
            found and found.size == self.size_bytes and found.crc32c == encoded_crc32c(self.crc32c)
        )

    def _upload(self, generation: int) -> None:
        kind = OneRequest if self.size_bytes <= _ONE_REQUEST_BYTES else Resumable
        upload = kind(self._access, self._name, self._spool, self.size_bytes, self.crc32c)
        upload.generation = generation
        self._access.policy.run(upload.attempt, upload.progress)

    def discard(self) -> None:
        """Gives back the spool; does nothing after `publish`."""
        with contextlib.suppress(OSError):
            self._spool.close()


def encoded_crc32c(crc32c: int) -> str:
    """The checksum as the service writes it: base64 of the big-endian bytes."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")


class _Upload:
    """What both kinds of upload declare: name, size, checksum and expected generation."""

    def __init__(
        self, access: GcsAccess, name: GcsName, file: IO[bytes], size_bytes: int, crc32c: int
    ) -> None:
        self._access = access
        self._name = name
        self._file = file
        self._size_bytes = size_bytes
        self._crc32c = encoded_crc32c(crc32c)
        self.generation = 0

    def _declared(self) -> Any:
        blob = self._access.blob(self._name)
        # Declared beforehand, so that the service refuses other bytes. The library
        # would compare afterwards, when the damaged object is already visible.
        blob.crc32c = self._crc32c
        return blob

    def progress(self) -> int:
        """How many bytes the service has confirmed."""
        return 0


class OneRequest(_Upload):
    """Metadata and bytes in one multipart request."""

    def attempt(self) -> None:
        """Sends the whole file."""
        with _damage_restarts():
            self._declared().upload_from_file(
                self._file,
                rewind=True,
                size=self._size_bytes,
                content_type=_TYPE,
                if_generation_match=self.generation,
                timeout=self._access.timeout,
                checksum=None,
                retry=None,
            )


class Resumable(_Upload):
    """A session that takes the file in one request, and goes on after a failure.

    The library's own resumable upload holds a chunk in memory, repeats a whole
    chunk after a failure, and fails where the service has taken part of one.
    """

    _url = ""
    _sent_bytes = 0

    def progress(self) -> int:
        """How many bytes the service has confirmed."""
        return self._sent_bytes

    def attempt(self) -> None:
        """Begins, or asks how far the last attempt came and sends the rest."""
        if self._url:
            if self._is_complete():
                return
        else:
            self._url = self._begin()
            self._sent_bytes = 0
        self._send_rest()

    def _begin(self) -> str:
        url: str = self._declared().create_resumable_upload_session(
            content_type=_TYPE,
            size=self._size_bytes,
            if_generation_match=self.generation,
            timeout=self._access.timeout,
            checksum=None,
            retry=None,
        )
        return url

    def _is_complete(self) -> bool:
        response = self._put(b"", f"bytes */{self._size_bytes}")
        if response.status_code != 308:
            return True
        confirmed = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("Range", ""))
        self._sent_bytes = int(confirmed[1]) + 1 if confirmed else 0
        return False

    def _send_rest(self) -> None:
        rest = _FileRest(self._file, self._sent_bytes, self._size_bytes)
        last = self._size_bytes - 1
        response = self._put(rest, f"bytes {self._sent_bytes}-{last}/{self._size_bytes}")
        if response.status_code == 308:
            raise UploadPausedError(f"{self._name} was taken in part")

    def _put(self, data: Any, content_range: str) -> Any:
        session = self._access.client().session
        response = session.put(
            self._url,
            data=data,
            headers={"Content-Range": content_range, "Content-Type": _TYPE},
            timeout=self._access.timeout,
            allow_redirects=False,
        )
        if response.status_code in (404, 410):
            self._url = ""
            raise UploadRestartError(f"the upload of {self._name} is no longer known")
        if response.status_code >= 400:
            with _damage_restarts():
                self._forget_if_refused(response.status_code)
                raise api.from_http_response(response)
        return response

    def _forget_if_refused(self, status: int) -> None:
        if status == 400:  # a session whose bytes were refused takes no others
            self._url = ""


class _FileRest:
    """A file from an offset on, as a body that can be sent more than once.

    The session repeats a request by itself when a token has expired; an open
    file would then be at its end.
    """

    def __init__(self, file: IO[bytes], offset_bytes: int, size_bytes: int) -> None:
        self._file = file
        self._offset_bytes = offset_bytes
        self._length_bytes = size_bytes - offset_bytes

    def __len__(self) -> int:
        return self._length_bytes

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._offset_bytes)
        while block := self._file.read(_BLOCK_BYTES):
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
