"""What is said while there is nothing to count yet; imports nothing that takes time."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

from imagenet_beam.pipeline.progress import ECHO_COLUMNS, LOG_SECONDS, columns_of, duration, folded
from imagenet_beam.transforms.plain_text import shown, shown_lines

_WIPE = "\r\x1b[2K"
_DRAW_SECONDS = 0.25

_lock = threading.RLock()
_drawn = False
"""Whether the cursor stands behind a step's line."""


def say(text: str) -> None:
    """Prints a line to the terminal at once, in place of what a step has drawn."""
    global _drawn
    with _lock:
        print(f"{_WIPE * _drawn}{shown_lines(text)}", file=sys.stderr, flush=True)
        _drawn = False


def say_prose(text: str) -> None:
    """The same, with lines that a terminal would break in a word broken before it."""
    if sys.stderr.isatty():
        columns = columns_of(sys.stderr)
        text = "\n".join(folded(line, columns) for line in shown_lines(text).split("\n"))
    say(text)


def say_stopped(text: str) -> None:
    """The same in place of the `^C` that the terminal may have written."""
    global _drawn
    with _lock:
        _drawn = _has_lines()
        say(text)


@contextlib.contextmanager
def step(what: str, is_logged: bool = True) -> Iterator[None]:
    """Says what is being done and for how long: on a terminal in a line that is wiped at the end.

    Elsewhere it is a line at the beginning, unless it is not to be logged, and one now and then.
    """
    draws, end = _has_lines(), threading.Event()
    thread = threading.Thread(target=_repeat, args=(what, draws, end), name="step", daemon=True)
    if draws:
        _draw(what, 0)
    elif is_logged:
        say(what)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        if draws:
            _wipe()


def _repeat(what: str, draws: bool, end: threading.Event) -> None:
    began = time.monotonic()
    while not end.wait(_DRAW_SECONDS if draws else LOG_SECONDS):
        seconds = time.monotonic() - began
        if draws:
            _draw(what, seconds)
        else:
            say(f"{what}, {duration(seconds)}")


def _has_lines() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _draw(what: str, seconds: float) -> None:
    global _drawn
    line = shown(f"{what}, {duration(seconds)}" if seconds >= 1 else what)
    columns = columns_of(sys.stderr) - ECHO_COLUMNS
    with _lock:
        print(f"{_WIPE}{line[:columns]}", end="", file=sys.stderr, flush=True)
        _drawn = True


def _wipe() -> None:
    global _drawn
    with _lock:
        if _drawn:
            print(_WIPE, end="", file=sys.stderr, flush=True)
        _drawn = False
