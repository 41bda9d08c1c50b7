"""How far a conversion has come, shown while it runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TextIO

from imagenet_beam.pipeline.progress import (
    LOG_SECONDS,
    Display,
    RateMeter,
    View,
    counted,
    duration,
)

_END_SECONDS = 5.0
"""How long the end of a run waits for a last look at a storage that does not answer."""


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


def progress_line(snapshot: Snapshot, rates: Sequence[float]) -> str:
    """One line: images done, speeds, time left, rejects.

    Args:
        snapshot: How far the run has come.
        rates: Images and bytes a second.
    """
    images, total = snapshot.images, snapshot.total
    state = f"{snapshot.state}: " if snapshot.state else ""
    if not images and snapshot.shards_total:
        return f"{state}0 of {counted(snapshot.shards_total, 'shard')}"
    if not images:
        return f"{state}{counted(snapshot.images_listed, 'image')} listed"
    images_per_second, bytes_per_second = rates
    done, left = f"{images:,} images", "time left unknown"
    if total:
        most = max(total, images)  # the total may be an estimate
        done = f"{images:,} of {most:,} images ({100 * images // most}%)"
    if total and images_per_second > 0:
        left = f"{duration(max(0, total - images) / images_per_second)} left"
    shards = counted(snapshot.shards, "shard")
    if snapshot.shards_total:
        shards = f"{snapshot.shards:,} of {counted(snapshot.shards_total, 'shard')}"
    return (
        f"{state}{done}, {images_per_second:,.0f} images/s, {bytes_per_second / 1e6:.1f} MB/s, "
        f"{left}, {shards}, {counted(snapshot.rejects, 'reject')}"
    )


class ProgressDisplay:
    """Shows snapshots until it is closed; a context manager.

    Args:
        read: Gives the present snapshot; called from a thread of the display's own.
        stream: Where to show it.
        log_seconds: How often a line is printed where no bar is drawn.
        rate_window_seconds: Over how long speeds are taken.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        stream: TextIO | None = None,
        log_seconds: float = LOG_SECONDS,
        rate_window_seconds: float = 15.0,
    ) -> None:
        self._read = read
        self._meter = RateMeter(rate_window_seconds)
        self._display = Display(self._look, stream or sys.stderr, log_seconds=log_seconds)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join(_END_SECONDS)

    def _show(self) -> None:
        with self._display:
            while not self._end.wait(self._display.sample_seconds):
                self._display.tick()

    def _look(self, now: float) -> View:
        snapshot = self._read()
        rates = self._meter.update(now, snapshot.images, snapshot.written_bytes)
        total = snapshot.total if snapshot.images else 0  # pulses until images are done
        return View(progress_line(snapshot, rates), snapshot.images, total)
