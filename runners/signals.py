"""Ctrl-C and requests to stop, for as long as a job runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_stop(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Calls the handler on SIGINT and SIGTERM; puts the earlier handlers back afterwards."""
    before = [signal.signal(number, handler) for number in STOPS]
    try:
        yield
    finally:
        for number, earlier in zip(STOPS, before, strict=True):
            signal.signal(number, earlier)
