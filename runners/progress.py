"""What a person sees while the job runs: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LOG_SECONDS = 30.0
_END_SECONDS = 5.0
"""How long the end of a run waits for a last look at a storage that does not answer."""

_BAR_SECONDS = 0.25
_SAMPLE_SECONDS = 1.0
_RATE_WINDOW_SECONDS = 15.0


class Snapshot(NamedTuple):
    """How far a run has come.

    Attributes:
        images_listed: Images found so far.
        total: Images that this run has to do; 0 while that is not known.
        images: Images done.
        written_bytes: Bytes of records written.
        rejects: Images rejected.
        shards: Shards published.
        state: What the runner says of the job, or "".
        shards_total: Shards that this run has to publish; 0 while that is not known.
    """

    images_listed: int
    total: int
    images: int
    written_bytes: int
    rejects: int
    shards: int
    state: str = ""
    shards_total: int = 0


class Rates(NamedTuple):
    """Speeds over the last seconds."""

    images_per_second: float
    bytes_per_second: float


class RateMeter:
    """Speeds over a sliding window, so that a slow start does not spoil the ETA."""

    def __init__(self, window_seconds: float = _RATE_WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._seen: deque[tuple[float, Snapshot]] = deque()

    def update(self, now: float, snapshot: Snapshot) -> Rates:
        """Adds a measurement and gives the present speeds."""
        self._seen.append((now, snapshot))
        while len(self._seen) > 2 and now - self._seen[1][0] > self._window_seconds:
            self._seen.popleft()
        then, before = self._seen[0]
        seconds = max(now - then, 1e-3)
        return Rates(
            (snapshot.images - before.images) / seconds,
            (snapshot.written_bytes - before.written_bytes) / seconds,
        )


def progress_line(snapshot: Snapshot, rates: Rates) -> str:
    """One line: images done, speeds, time left, rejects."""
    state = f"{snapshot.state}: " if snapshot.state else ""
    if not snapshot.images and snapshot.shards_total:
        return f"{state}0 of {counted(snapshot.shards_total, 'shard')}"
    if not snapshot.images:
        return f"{state}{counted(snapshot.images_listed, 'image')} listed"
    done = f"{snapshot.images:,}"
    if snapshot.total:
        total = max(snapshot.total, snapshot.images)  # it may be an estimate
        done += f" of {total:,} images ({100 * snapshot.images // total}%)"
    else:
        done += " images"
    return (
        f"{state}{done}, {rates.images_per_second:,.0f} images/s, "
        f"{rates.bytes_per_second / 1e6:.1f} MB/s, {_time_left(snapshot, rates)}, "
        f"{_shards(snapshot)}, {counted(snapshot.rejects, 'reject')}"
    )


def _shards(snapshot: Snapshot) -> str:
    if snapshot.shards_total:
        return f"{snapshot.shards:,} of {counted(snapshot.shards_total, 'shard')}"
    return counted(snapshot.shards, "shard")


def _time_left(snapshot: Snapshot, rates: Rates) -> str:
    if not snapshot.total or rates.images_per_second <= 0:
        return "time left unknown"
    left = max(0, snapshot.total - snapshot.images)
    return duration(left / rates.images_per_second) + " left"


def counted(number: int, noun: str) -> str:
    """`1 shard`, `1,024 shards`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """`2 h 05 min`, `3 min 20 s` or `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


class ProgressDisplay:
    """Shows snapshots until it is closed; a context manager.

    Args:
        read: Gives the present snapshot; called from a thread of the display's own.
        stream: Where to show it.
        interactive: Whether to draw a bar; by default, whether that is a terminal.
        log_seconds: How often a line is printed where no bar is drawn.
        rate_window_seconds: Over how long speeds are taken.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        stream: TextIO | None = None,
        interactive: bool | None = None,
        log_seconds: float = LOG_SECONDS,
        rate_window_seconds: float = _RATE_WINDOW_SECONDS,
    ) -> None:
        self._read = read
        self._stream = stream or sys.stderr
        self._interactive = self._stream.isatty() if interactive is None else interactive
        self._log_seconds = log_seconds
        self._meter = RateMeter(rate_window_seconds)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join(_END_SECONDS)

    def _show(self) -> None:
        if self._interactive:
            self._draw_bar()
        else:
            self._print_lines()

    def _print_lines(self) -> None:
        due = time.monotonic() + self._log_seconds
        while not self._end.wait(min(_SAMPLE_SECONDS, self._log_seconds)):
            snapshot, now = self._read(), time.monotonic()
            rates = self._meter.update(now, snapshot)
            if now >= due:
                print(progress_line(snapshot, rates), file=self._stream, flush=True)
                due = now + self._log_seconds

    def _draw_bar(self) -> None:
        console = Console(file=self._stream)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not self._end.wait(_BAR_SECONDS):
                snapshot = self._read()
                rates = self._meter.update(time.monotonic(), snapshot)
                live.update(bar(snapshot, rates), refresh=True)


def bar(snapshot: Snapshot, rates: Rates) -> Table:
    """A bar with the line under it."""
    table = Table.grid(padding=(0, 1))
    total = snapshot.total if snapshot.images else None  # pulses until images are done
    table.add_row(ProgressBar(total=total, completed=snapshot.images, width=60, pulse=not total))
    table.add_row(Text(progress_line(snapshot, rates)))
    return table
