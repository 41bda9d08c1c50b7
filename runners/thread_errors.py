"""What Beam's threads fail with when the other end of a stream hangs up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc


class QuietHook:
    """Passes on what threads fail with, but for the other end's hanging up."""

    def __init__(self, shown: Callable[[threading.ExceptHookArgs], object]) -> None:
        self._shown = shown

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        """As `threading.excepthook`."""
        if not isinstance(args.exc_value, grpc.RpcError):
            self._shown(args)
