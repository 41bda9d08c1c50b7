"""Telling a person how far a download is: a bar, or a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINE_SECONDS = 30.0


class Progress(Protocol):
    """What transfers and checks report to; calls may come from any thread."""

    def start(self, task: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Begins a task such as `downloading x.tar`, or sets it to another position."""

    def advance(self, size_bytes: int) -> None:
        """Counts further bytes of the task."""

    def tick(self) -> None:
        """Is called about every second, also when nothing arrives."""

    def say(self, message: str) -> None:
        """Shows a sentence."""


class SilentProgress:
    """Shows nothing, for callers who have their own display."""

    def start(self, task: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Does nothing."""

    def advance(self, size_bytes: int) -> None:
        """Does nothing."""

    def tick(self) -> None:
        """Does nothing."""

    def say(self, message: str) -> None:
        """Does nothing."""


class LineProgress:
    """A line every 30 seconds, for logs and pipes."""

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._task = ""
        self._total_bytes: int | None = None
        self._done_bytes = 0
        self._last = (clock(), 0)

    def start(self, task: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Shows the task's name when it is another than before."""
        with self._lock:
            is_new = task != self._task
            self._task, self._total_bytes, self._done_bytes = task, total_bytes, done_bytes
            self._last = (self._clock(), done_bytes)
        if is_new:
            self.say(f"{task}: {self._position()}")

    def advance(self, size_bytes: int) -> None:
        """Counts, and shows a line when it is time."""
        with self._lock:
            self._done_bytes += size_bytes
        self.tick()

    def tick(self) -> None:
        """Shows a line when it is time."""
        with self._lock:
            now, (then, before) = self._clock(), self._last
            if now - then < LINE_SECONDS:
                return
            self._last = (now, self._done_bytes)
            speed = (self._done_bytes - before) / (now - then)
        self.say(f"{self._task}: {self._position()}, {in_units(speed)}/s")

    def say(self, message: str) -> None:
        """Writes a line."""
        print(message, file=self._file, flush=True)

    def _position(self) -> str:
        if not self._total_bytes:
            return f"{in_units(self._done_bytes)} so far"
        percent = 100 * self._done_bytes / self._total_bytes
        return f"{in_units(self._done_bytes)} of {in_units(self._total_bytes)} ({percent:.0f} %)"


class BarProgress:
    """A bar on a terminal."""

    def __init__(self, file: TextIO) -> None:
        from rich import progress
        from rich.console import Console

        self._bar: RichProgress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(file=file),
        )
        self._name = ""
        self._task = self._bar.add_task("", visible=False)

    def start(self, task: str, total_bytes: int | None, done_bytes: int = 0) -> None:
        """Shows a bar for the task; that of the task before stays as it is."""
        if task != self._name:
            self._name, self._task = task, self._bar.add_task(task, total=total_bytes)
        self._bar.reset(self._task, total=total_bytes, completed=done_bytes, visible=True)

    def advance(self, size_bytes: int) -> None:
        """Moves the bar."""
        self._bar.advance(self._task, size_bytes)

    def tick(self) -> None:
        """Does nothing: the bar refreshes itself."""

    def say(self, message: str) -> None:
        """Writes a line above the bar."""
        self._bar.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> BarProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()


@contextmanager
def show_progress(file: TextIO) -> Iterator[Progress]:
    """A bar where `file` is a terminal, otherwise a line every 30 seconds."""
    if file.isatty():
        with BarProgress(file) as bar:
            yield bar
    else:
        yield LineProgress(file)


def in_units(size_bytes: float) -> str:
    """Writes a size as people read it: `147.9 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"
