"""What a person sees while something lasts: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TextIO

from imagenet_beam.transforms.plain_text import shown_lines

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

LOG_SECONDS = 28.0
"""A log gets a line each half minute, a late one in time, too."""

_BAR_SECONDS = 0.25
_SAMPLE_SECONDS = 1.0
_RATE_WINDOW_SECONDS = 60.0
_CHANGES = 3
_BAR_COLUMNS = 60
_DEFAULT_COLUMNS = 80
ECHO_COLUMNS = 3
"""Left free at a line's end for the `^C` that a terminal writes behind the cursor."""


def in_units(size_bytes: float) -> str:
    """Writes a size as people read it: `147.9 GB`."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 1000:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1000:.1f} TB"


def counted(number: int, noun: str) -> str:
    """`1 shard`, `1,024 shards`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def per_second(number: float, noun: str) -> str:
    """`1 image/s`, `1,024 images/s`."""
    return f"{counted(round(number), noun)}/s"


def columns_of(stream: TextIO) -> int:
    """How wide a terminal is."""
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        columns = 0
    return columns or _DEFAULT_COLUMNS


def folded(line: str, columns: int) -> str:
    """Prose in lines of so many columns, broken between words and indented from the second on."""
    return textwrap.fill(
        line, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def duration(seconds: float) -> str:
    """`2 h 05 min`, `3 min 20 s` or `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


class RateMeter:
    """Speeds over a sliding window, so that a slow start does not spoil the time left.

    Where counts change less often than that, as shards appear, over the last changes.
    """

    def __init__(self, window_seconds: float = _RATE_WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._seen: deque[tuple[float, tuple[int, ...]]] = deque()

    @property
    def is_known(self) -> bool:
        """Whether anything was counted twice."""
        return len(self._seen) > 1

    def update(self, now: float, *counts: int) -> tuple[float, ...]:
        """Adds measurements, the same ones each time, and gives their present speeds."""
        if not self._seen or self._seen[-1][1] != counts:
            self._seen.append((now, counts))
        while len(self._seen) > _CHANGES and now - self._seen[1][0] > self._window_seconds:
            self._seen.popleft()
        then, before = self._seen[0]
        seconds = max(now - then, 1e-3)
        return tuple((n - old) / seconds for n, old in zip(counts, before, strict=True))


class View(NamedTuple):
    """What is seen at a time: a line, and a bar whose total is 0 while that is not known."""

    line: str
    done: int
    total: int


class Progress:
    """What transfers and checks report to, from any thread; this one shows nothing."""

    def start(self, task: str, total: int | None, done: int = 0) -> None:
        """Begins a task such as `downloading x.tar`, or sets it to another position."""

    def advance(self, amount: int) -> None:
        """Counts further bytes of the task."""

    def tick(self) -> None:
        """Is called about every second, also when nothing arrives."""

    def say(self, message: str) -> None:
        """Shows a sentence."""


class Display(Progress):
    """Shows views when it is told that time has passed; a context manager.

    Args:
        look: Gives the view of a time; called no more often than is of use.
        stream: Where to show it.
        log_seconds: How often a line is printed where no bar is drawn.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        look: Callable[[float], View],
        stream: TextIO,
        log_seconds: float = LOG_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._stream, self._clock = look, stream, clock
        self.has_bar = stream.isatty()
        self.sample_seconds = _BAR_SECONDS if self.has_bar else min(_SAMPLE_SECONDS, log_seconds)
        self._log_seconds = log_seconds
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._is_closed = False
        self._looked = self._printed = clock()

    def __enter__(self) -> Display:
        if self.has_bar:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Wipes the bar; nothing is drawn after that."""
        with self._lock:
            self._is_closed = True
            if self._live:
                self._live.stop()

    def tick(self, restart: bool = False) -> None:
        """Draws the bar (a restart at once), or prints a line, when it is time; any thread."""
        with self._lock:
            now = self._clock()
            self._printed = now if restart else self._printed
            if now - self._looked < self.sample_seconds and not restart:
                return
            self._looked = now
        view = self._look(now)  # which may take long
        with self._lock:
            if self._is_closed:
                return
            if self._live:
                columns = columns_of(self._stream) - ECHO_COLUMNS
                self._live.update(bar(view, columns), refresh=True)
            elif now - self._printed >= self._log_seconds:
                self._printed = now
                print(shown_lines(view.line), file=self._stream, flush=True)

    def say(self, message: str) -> None:
        """Writes a line, above the bar."""
        message = shown_lines(message)
        if self._live:
            self._live.console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            print(message, file=self._stream, flush=True)


def bar(view: View, columns: int) -> RenderableType:
    """A bar with the line under it, in so many columns; it pulses while the total is not known."""
    from rich.constrain import Constrain
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid()
    width, pulse = min(_BAR_COLUMNS, columns), not view.total
    table.add_row(ProgressBar(view.total or None, view.done, width=width, pulse=pulse))
    table.add_row(Text(shown_lines(view.line)))
    return Constrain(table, columns)


class ShownProgress(Display):
    """Shows one task after the other; `spell` writes an amount, by default of bytes."""

    def __init__(
        self,
        stream: TextIO,
        spell: Callable[[float], str] = in_units,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(self._view, stream, clock=clock)
        self._spell = spell
        self._task, self._total, self._done = "", 0, 0
        self._meter = RateMeter()

    def start(self, task: str, total: int | None, done: int = 0) -> None:
        """Shows the task's name when it is another than before."""
        with self._lock:
            is_new = task != self._task
            self._task, self._total, self._done = task, total or 0, done
            self._meter = RateMeter()
            self._meter.update(self._clock(), done)
        if is_new:
            self.say(f"{task}: {self._position()}")
        self.tick(restart=True)

    def advance(self, amount: int) -> None:
        """Counts, and shows how far it is when it is time."""
        with self._lock:
            self._done += amount
        self.tick()

    def _view(self, now: float) -> View:
        with self._lock:
            (speed,) = self._meter.update(now, self._done)
            line = f"{self._task}: {self._position()}, {self._spell(speed)}/s"
            if self.has_bar and speed > 0 and self._total:
                line += f", {duration(max(0, self._total - self._done) / speed)} left"
            return View(line, self._done, self._total)

    def _position(self) -> str:
        if not self._total:
            return f"{self._spell(self._done)} so far"
        percent = 100 * self._done / self._total
        return f"{self._spell(self._done)} of {self._spell(self._total)} ({percent:.0f} %)"
