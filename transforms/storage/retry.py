"""Trying again what failed for a moment: the one policy for storage and downloads."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


class RetriesExhaustedError(Exception):
    """One request failed until its deadline, or too often; `last` is the last failure."""

    def __init__(self, seconds: float, attempts: int, last: Exception) -> None:
        super().__init__(f"gave up after {attempts} attempts in {seconds:.0f} s")
        self.last = last


def said(error: Exception) -> str:
    """What a service says of a failure, in one line that is not too long."""
    return " ".join(str(error).split())[:300]


def wait_aloud(seconds: float, service: str, error: Exception, logger: logging.Logger) -> None:
    """Waits before the next attempt, and logs why."""
    logger.warning("%s: %s; next attempt in %.1f s", service, said(error), seconds)
    time.sleep(seconds)


@dataclass(frozen=True)
class Retries:
    """Exponential backoff with jitter for one request.

    A kind of service overrides `may_pass`, and what else it does in another way.

    Attributes:
        deadline_seconds: How long a request is repeated, from its first failure.
        first_wait_seconds: The upper bound of the first wait; doubled each time.
        longest_wait_seconds: The bound that waits grow to.
        most_attempts: How often it may fail in a row; 0 sets no limit.
    """

    deadline_seconds: float = 300.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 32.0
    most_attempts: int = 0

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
            progress: Tells how far a long request has come; deadline and count start
                again when it has moved.

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
                if not self.may_pass(error):
                    raise
                if progress() > reached:  # an upload that starts over has not come further
                    reached = progress()
                    failures.clear()
                failures.append(time.monotonic())
                self._wait_after(failures, error)

    def may_pass(self, error: Exception) -> bool:
        """Whether the same request may succeed a little later."""
        raise NotImplementedError

    def asked_seconds(self, error: Exception) -> float:
        """How long the service asked to be left alone."""
        return 0.0

    def wait(self, seconds: float, error: Exception) -> None:
        """Waits before the next attempt."""
        time.sleep(seconds)

    def _wait_after(self, failures: list[float], error: Exception) -> None:
        elapsed = failures[-1] - failures[0]
        bound = min(self.longest_wait_seconds, self.first_wait_seconds * 2 ** (len(failures) - 1))
        # Jitter: clients that failed together must not come back together.
        seconds = max(random.uniform(0.0, bound), self.asked_seconds(error))  # noqa: S311
        is_last = len(failures) == self.most_attempts
        if is_last or elapsed + seconds > self.deadline_seconds:
            raise RetriesExhaustedError(elapsed, len(failures), error) from error
        self.wait(seconds, error)
