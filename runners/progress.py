"""How far a conversion has come: told by its receipts, and shown while it runs."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TextIO

from imagenet_beam.pipeline.config import SplitConfig
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.progress import (
    LOG_SECONDS,
    Display,
    RateMeter,
    View,
    counted,
    duration,
    per_second,
)
from imagenet_beam.pipeline.shard_files import shards_present
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import receipt_name
from imagenet_beam.transforms.storage.files import is_local

_END_SECONDS = 5.0
"""How long the end of a run waits for a last look at a storage that does not answer."""

_REMOTE_LISTING_SECONDS = 10.0
"""Listings of `gs://` are charged by the request."""


LISTING = "listing the archives"
ASSIGNING = "assigning images to shards"
NO_SHARD_YET = "listing the archives, then writing the first shards"


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
        step: What is done before the first image.
    """

    images_listed: int
    total: int
    images: int
    written_bytes: int
    rejects: int
    shards: int
    state: str = ""
    shards_total: int = 0
    step: str = LISTING


def progress_line(snapshot: Snapshot, seconds: float, rates: Sequence[float] = ()) -> str:
    """One line: the step and its time; or images done, speeds, time left, rejects.

    Args:
        snapshot: How far the run has come.
        seconds: How long the step has lasted.
        rates: Images and bytes a second; nothing while they are not known.
    """
    images, total = snapshot.images, snapshot.total
    shards = counted(snapshot.shards, "shard")
    if snapshot.shards_total:
        shards = f"{snapshot.shards:,} of {counted(snapshot.shards_total, 'shard')}"
    parts = []
    if not images:
        parts.append(snapshot.step)
        if snapshot.images_listed:
            parts.append(f"{counted(snapshot.images_listed, 'image')} found")
        if snapshot.shards_total and snapshot.step == NO_SHARD_YET:
            parts.append(shards)
        parts.append(duration(seconds))
    else:
        most = max(total, images)  # the total may be an estimate
        done = f"{images:,} of {most:,} images ({100 * images // most}%)"
        parts.append(done if total else counted(images, "image"))
        left = "time left unknown"
        if rates:
            parts += [per_second(rates[0], "image"), f"{rates[1] / 1e6:.1f} MB/s"]
            if total and rates[0] > 0:
                left = f"{duration(max(0, total - images) / rates[0])} left"
        parts += [left, shards, counted(snapshot.rejects, "reject")]
    state = f"{snapshot.state}: " if snapshot.state else ""
    return state + ", ".join(parts)


class ProgressDisplay:
    """Shows snapshots until it is closed; a context manager.

    Args:
        read: Gives the present snapshot; called from a thread of the display's own.
        stream: Where to show it.
        log_seconds: How often a line is printed where no bar is drawn.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        stream: TextIO | None = None,
        log_seconds: float = LOG_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._meter = RateMeter()
        self._display = Display(self._look, stream or sys.stderr, log_seconds, clock)
        self._step, self._step_began = "", clock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._display.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Wipes the bar, once a look that has begun is over or has taken too long."""
        self._end.set()
        self._thread.join(_END_SECONDS)
        self._display.close()

    def _show(self) -> None:
        self._display.tick(restart=True)
        while not self._end.wait(self._display.sample_seconds):
            self._display.tick()

    def _look(self, now: float) -> View:
        snapshot = self._read()
        if snapshot.step != self._step:
            self._step, self._step_began = snapshot.step, now
        rates: Sequence[float] = ()
        if snapshot.images:  # speeds count from the first one
            rates = self._meter.update(now, snapshot.images, snapshot.written_bytes)
            rates = rates if self._meter.is_known else ()
        line = progress_line(snapshot, now - self._step_began, rates)
        total = snapshot.total if snapshot.images else 0  # pulses until images are done
        return View(line, snapshot.images, total)


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
        self.state = ""
        self._conversion = conversion
        self._awaited: dict[str, list[str]] = {}  # by split, of which the number is known
        self._seen: dict[str, ShardReceipt] = {}
        for split in conversion.splits:
            if conversion.num_shards[split.name]:
                self._await(split, conversion.num_shards[split.name])
        if listing_seconds is None:
            local = is_local(conversion.config.output_dir)
            listing_seconds = 0.0 if local else _REMOTE_LISTING_SECONDS
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
            shards_total=sum(map(len, self._awaited.values())) if self._is_known() else 0,
            step=NO_SHARD_YET,
        )

    def _is_known(self) -> bool:
        return len(self._awaited) == len(self._conversion.splits)

    def _await(self, split: SplitConfig, num_shards: int) -> None:
        """Knows the names of a split's shards that this run has to publish."""
        names = self._conversion.config.shard_names(split, num_shards)
        done = self._conversion.done[split.name]
        self._awaited[split.name] = [
            name for number, name in enumerate(names) if number not in done
        ]

    def _read_new(self) -> None:
        output = self._conversion.output
        present = output.receipts_present()
        for split in self._conversion.splits:
            if split.name not in self._awaited:
                self._learn_number(split, present)
        awaited = itertools.chain.from_iterable(self._awaited.values())
        unseen = (name for name in awaited if name not in self._seen)
        new = [name for name in unseen if receipt_name(name) in present]
        for name, receipt in zip(new, output.read_receipts(new, counts=False), strict=True):
            if receipt.plan == self._conversion.plan.fingerprint:
                self._seen[name] = receipt

    def _learn_number(self, split: SplitConfig, present: Iterable[str]) -> None:
        """The first receipt of this plan tells how many shards a split becomes."""
        prefix = self._conversion.config.prefix(split)
        stems = (name.removesuffix(".json") for name in present)
        for number, names in shards_present(prefix.rpartition("/")[2], stems).items():
            (receipt,) = self._conversion.output.read_receipts(names[:1], counts=False)
            if receipt.plan == self._conversion.plan.fingerprint:
                self._await(split, number)

    def _total_images(self) -> int:
        """An estimate: shards of a split differ by one image at most; 0 while one has none."""
        total = 0.0
        for names in self._awaited.values():
            images = [self._seen[name].images for name in names if name in self._seen]
            if names and not images:
                return 0
            total += sum(images) / len(images) * len(names) if names else 0
        return round(total) if self._is_known() else 0
