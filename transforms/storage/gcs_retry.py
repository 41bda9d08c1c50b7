"""Which failures of Google Cloud Storage and the network are worth another attempt."""

from __future__ import annotations

import logging

import requests
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import InvalidResponse

from imagenet_beam.transforms.storage.retry import Retries, wait_aloud

_logger = logging.getLogger(__name__)

# Too slow, too many, and what servers and the gateways before them fail with.
_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class DamagedReadError(Exception):
    """What was read does not have the checksum that the service keeps."""


class UploadRestartError(Exception):
    """An upload that was begun cannot be continued; its next attempt starts over."""


class UploadPausedError(Exception):
    """The service has not taken all that was sent; it says how much on asking."""


_TRANSIENT_TYPES = (
    ConnectionError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.PoolError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.TimeoutError,
    DamagedReadError,
    UploadRestartError,
    UploadPausedError,
)


class RetryPolicy(Retries):
    """What google-cloud-storage takes as its `retry` arguments: a decorator.

    The library's own policies do not honour `Retry-After`, keep silent, and count the
    time of the request itself.
    """

    def may_pass(self, error: Exception) -> bool:
        """Whether the same request may succeed a little later."""
        return may_pass(error)

    def asked_seconds(self, error: Exception) -> float:
        """What the service asked for in `Retry-After`, or 0; dates are not used by it."""
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        value = headers.get("Retry-After", "")
        return float(value) if value.isdecimal() else 0.0

    def wait(self, seconds: float, error: Exception) -> None:
        """Waits, and says so."""
        wait_aloud(seconds, "Google Cloud Storage", error, _logger)


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, auth.TransportError):  # no answer, although it says "not retryable"
        return True
    if isinstance(error, auth.GoogleAuthError):
        return bool(error.retryable)
    status = 0
    if isinstance(error, api.GoogleAPICallError):
        status = int(error.code or 0)
    elif isinstance(error, InvalidResponse):
        status = int(error.response.status_code)
    if status in _TRANSIENT_STATUS:
        return True
    # A certificate does not become valid by asking again.
    return isinstance(error, _TRANSIENT_TYPES) and "CERTIFICATE_VERIFY" not in str(error)
