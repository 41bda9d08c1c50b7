"""Trying again what Google Cloud Storage or the network refused for a moment."""

from __future__ import annotations

import functools
import http
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import InvalidResponse

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)

_TRANSIENT_STATUS = frozenset(
    {
        http.HTTPStatus.REQUEST_TIMEOUT,
        http.HTTPStatus.TOO_MANY_REQUESTS,
        http.HTTPStatus.INTERNAL_SERVER_ERROR,
        http.HTTPStatus.BAD_GATEWAY,
        http.HTTPStatus.SERVICE_UNAVAILABLE,
        http.HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class RetriesExhaustedError(Exception):
    """One request failed until its deadline; the cause is the last failure."""

    def __init__(self, seconds: float, attempts: int, last: Exception) -> None:
        super().__init__(f"gave up after {attempts} attempts in {seconds:.0f} s")
        self.last = last


class DamagedReadError(Exception):
    """What was read does not have the checksum that the service keeps."""


class UploadRestartError(Exception):
    """An upload that was begun cannot be continued; its next attempt starts anew."""


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


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with jitter for one request, until a deadline.

    The policy is a decorator, which is the shape that google-cloud-storage asks
    of its `retry` arguments. The library's own policies do not honour
    `Retry-After`, keep silent, and count the time of the request itself.

    Attributes:
        deadline_seconds: How long a request is repeated, from its first failure.
        first_wait_seconds: The upper bound of the first wait; doubled each time.
        longest_wait_seconds: The bound that waits grow to.
    """

    deadline_seconds: float = 300.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 32.0

    def __call__(self, request: Callable[..., _T]) -> Callable[..., _T]:
        """Wraps a request so that it is repeated while its failures may pass."""

        @functools.wraps(request)
        def repeated(*args: Any, **kwargs: Any) -> _T:
            return self.run(functools.partial(request, *args, **kwargs))

        return repeated

    def run(self, request: Callable[[], _T], progress: Callable[[], int] = int) -> _T:
        """Calls until it succeeds.

        Args:
            request: What to call.
            progress: Tells how far a long request has come; the deadline starts
                anew when it has moved.

        Raises:
            RetriesExhaustedError: When failures that may pass did not.
            Exception: Whatever the request raises that will not pass.
        """
        failures: list[float] = []
        reached = progress()
        while True:
            try:
                return request()
            except Exception as error:
                if not may_pass(error):
                    raise
                if progress() > reached:  # an upload that begins anew has not come further
                    reached = progress()
                    failures.clear()
                failures.append(time.monotonic())
                self._wait(failures, error)

    def _wait(self, failures: list[float], error: Exception) -> None:
        elapsed = failures[-1] - failures[0]
        bound = min(self.longest_wait_seconds, self.first_wait_seconds * 2 ** (len(failures) - 1))
        # Jitter: clients that failed together must not come back together.
        wait = max(random.uniform(0.0, bound), retry_after_seconds(error))  # noqa: S311
        if elapsed + wait > self.deadline_seconds:
            raise RetriesExhaustedError(elapsed, len(failures), error) from error
        said = " ".join(str(error).split())[:300]
        _logger.warning("Google Cloud Storage: %s; next attempt in %.1f s", said, wait)
        time.sleep(wait)


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, auth.TransportError):  # no answer, although it says "not retryable"
        return True
    if isinstance(error, auth.GoogleAuthError):
        return bool(error.retryable)
    if _status(error) in _TRANSIENT_STATUS:
        return True
    # A certificate does not become valid by asking again.
    return isinstance(error, _TRANSIENT_TYPES) and "CERTIFICATE_VERIFY" not in str(error)


def retry_after_seconds(error: Exception) -> float:
    """What the service asked for in `Retry-After`, or 0; dates are not used by it."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0


def _status(error: Exception) -> int:
    if isinstance(error, api.GoogleAPICallError):
        return int(error.code or 0)
    if isinstance(error, InvalidResponse):
        return int(error.response.status_code)
    return 0
