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

        with as_input_error(self.name), or_changed(self._name, self._access):
            self._access.policy.run(attempt, lambda: len(data))
        return bytes(data)


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
