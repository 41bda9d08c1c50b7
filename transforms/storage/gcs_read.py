"""Ranged reads of one generation of an object."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from google.api_core import exceptions as api
from urllib3 import Timeout

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_client import GcsAccess, GcsName, parse_object_name
from imagenet_beam.transforms.storage.gcs_errors import as_input_error

_COMPARED_READS = 4
"""How often a range is read at most before two readings in a row must have agreed."""

_BLOCK_BYTES = 64 << 10
"""What a connection that breaks loses of what had arrived, at most."""

_logger = logging.getLogger(__name__)


class GcsRangeReader:
    """One GET a read, of the generation that was opened; safe for threads.

    Args:
        path: The object, pinned or not; an unpinned one is pinned to what it is now.
        access: How to make requests.
        verify_reads: Whether each range is read twice and compared.

    Raises:
        InputError: If the object, or its pinned generation, is not there.
    """

    def __init__(self, path: str, access: GcsAccess, verify_reads: bool = False) -> None:
        blob = load_blob(path, access)
        self.name = path
        self.size_bytes: int = blob.size
        self._name = parse_object_name(path)._replace(generation=blob.generation)
        self._access = access
        self._verify_reads = verify_reads

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Reads exactly that range.

        Raises:
            InputError: If the object ends before the range does, or is no longer
                the generation that was opened; if readings never agree.
        """
        if length_bytes <= 0:
            return b""
        end_bytes = offset_bytes + length_bytes
        if end_bytes > self.size_bytes:
            raise InputError(f"{self.name} ends before byte {end_bytes:,}")
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
        request = _RangeRequest(self._access, self._name, offset_bytes, length_bytes, lane)
        with as_input_error(self.name), or_changed(self._name, self._access):
            return self._access.policy.run(request.attempt, request.progress)


class _RangeRequest:
    """One range, asked for once, and from where it broke after a failure.

    The library's `download_as_bytes` does the same for 1.3 ms of processor time
    a read instead of 0.4 ms: with one read an image that would cost a fifth of the
    images per second (benchmarks/gcs_reads.py).
    """

    def __init__(
        self, access: GcsAccess, name: GcsName, offset_bytes: int, length_bytes: int, lane: int
    ) -> None:
        self._client = access.client(lane)
        query = {"alt": "media", "generation": str(name.generation)}
        if access.billing_project:
            query["userProject"] = access.billing_project
        self._url = (
            f"{self._client.api.api_endpoint}/download/storage/v1/b/{name.bucket}"
            f"/o/{quote(name.key, safe='')}?{urlencode(query)}"
        )
        self._timeout = Timeout(*access.timeout)
        self._offset_bytes = offset_bytes
        self._length_bytes = length_bytes
        self._data = bytearray()

    def progress(self) -> int:
        """How many bytes have arrived."""
        return len(self._data)

    def attempt(self) -> bytes:
        """Asks for what has not arrived yet."""
        first = self._offset_bytes + len(self._data)
        last = self._offset_bytes + self._length_bytes - 1
        response: Any = self._client.http.request(
            "GET",
            self._url,
            # The bytes as stored: of an object that is unpacked on its way out,
            # the service would send all, whatever the range.
            headers={"Range": f"bytes={first}-{last}", "Accept-Encoding": "gzip"},
            timeout=self._timeout,
            preload_content=False,
            redirect=False,
        )
        if response.status != 206:
            text = response.data.decode("utf-8", "replace")  # also gives the connection back
            raise api.from_http_status(response.status, text, response=response)
        for block in response.stream(_BLOCK_BYTES, decode_content=False):
            self._data += block
        return bytes(self._data)


def load_blob(path: str, access: GcsAccess) -> Any:
    """The metadata of an object, or of the pinned generation of one; one request."""
    name = parse_object_name(path)
    with as_input_error(path), or_changed(name, access):
        blob = access.blob(name)
        blob.reload(timeout=access.timeout, retry=access.policy)
    return blob


@contextlib.contextmanager
def or_changed(name: GcsName, access: GcsAccess) -> Iterator[None]:
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
