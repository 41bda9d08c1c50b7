"""How far a conversion has come: told by its receipts, and shown while it runs."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TextIO

from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.progress import (
    LOG_SECONDS,
    Display,
    RateMeter,
    View,
    counted,
    duration,
)
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import shown_lines
from imagenet_beam.transforms.records.receipts import receipt_name
from imagenet_beam.transforms.storage.files import is_local

_END_SECONDS = 5.0
"""How long the end of a run waits for a last look at a storage that does not answer."""

_REMOTE_LISTING_SECONDS = 10.0
"""Listings of `gs://` are charged by the request."""


def say(text: str) -> None:
    """Prints to the terminal at once, where no progress is drawn."""
    print(shown_lines(text), file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is being done; in a terminal also for how long."""
    if not sys.stderr.isatty():
        say(what)
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        shown.add_task(shown_lines(what), total=None)
        yield


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


class ReceiptProgress:
    """Counts the shards of one run as they appear in the output folder.

    Runners do not give their metrics away while a job runs, or not all of them. The
    receipts are there on each of them, and say how many images a shard has.

    Args:
        conversion: The run.
        listing_seconds: How often the receipts are listed at most; by default each time
            for a folder of this machine, seldom where listings are charged.

    Attributes:
        state: The runner's word for the job's state; set by the follower.
    """

    def __init__(self, conversion: Conversion, listing_seconds: float | None = None) -> None:
        config = conversion.config
        self.state = ""
        self._output = conversion.output
        self._awaited = {
            name: split.name
            for split in config.splits
            for shard, name in enumerate(config.shard_names(split))
            if shard not in conversion.done[split.name]
        }
        self._plan = conversion.plan.fingerprint
        self._seen: dict[str, ShardReceipt] = {}
        if listing_seconds is None:
            listing_seconds = 0.0 if is_local(config.output_dir) else _REMOTE_LISTING_SECONDS
        self._listing_seconds = listing_seconds
        self._next_listing = 0.0

    def snapshot(self) -> Snapshot:
        """Counts what the receipts say; looks for new ones now and then."""
        now = time.monotonic()
        if now >= self._next_listing:
            # A listing that fails now succeeds later; the job does not depend on it.
            with contextlib.suppress(InputError, OSError):
                self._read_new()
            self._next_listing = now + self._listing_seconds
        receipts = self._seen.values()
        return Snapshot(
            images_listed=0,
            total=self._total_images(),
            images=sum(receipt.images for receipt in receipts),
            written_bytes=sum(receipt.size_bytes for receipt in receipts),
            rejects=sum(len(receipt.rejects) for receipt in receipts),
            shards=len(self._seen),
            state=self.state,
            shards_total=len(self._awaited),
        )

    def _read_new(self) -> None:
        present = self._output.receipts_present()
        unseen = (name for name in self._awaited if name not in self._seen)
        new = [name for name in unseen if receipt_name(name) in present]
        for name, receipt in zip(new, self._output.read_receipts(new), strict=True):
            if receipt.plan == self._plan:
                self._seen[name] = receipt

    def _total_images(self) -> int:
        """An estimate: shards of a split differ by one image at most; 0 while one has none."""
        total = 0.0
        for split in set(self._awaited.values()):
            shards = [name for name, its_split in self._awaited.items() if its_split == split]
            images = [self._seen[name].images for name in shards if name in self._seen]
            if not images:
                return 0
            total += sum(images) / len(images) * len(shards)
        return round(total)
