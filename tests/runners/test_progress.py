"""What a person sees while the job runs."""

import io
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from imagenet_beam.pipeline.progress import RateMeter, View, bar, duration
from imagenet_beam.runners.progress import (
    ASSIGNING,
    NO_SHARD_YET,
    ProgressDisplay,
    Snapshot,
    progress_line,
)

RATES = (1234.4, 98_765_432.0)
HALF = Snapshot(1_281_167, 1_281_167, 640_584, 70_000_000_000, 7, 512)
LATER = Snapshot(0, 0, 0, 0, 0, 0, "RUNNING", step=NO_SHARD_YET)


@pytest.mark.parametrize(
    ("snapshot", "rates", "line"),
    [
        (Snapshot(0, 0, 0, 0, 0, 0), (), "listing the archives, 1 min 02 s"),
        (
            Snapshot(4000, 0, 0, 0, 0, 0, step=ASSIGNING),
            RATES,
            "assigning images to shards, 4,000 images found, 1 min 02 s",
        ),
        (
            LATER,
            (),
            "RUNNING: listing the archives, then writing the first shards, 1 min 02 s",
        ),
        (
            LATER._replace(shards_total=1024),
            (),
            (
                "RUNNING: listing the archives, then writing the first shards, 0 of 1,024 shards, "
                "1 min 02 s"
            ),
        ),
        (
            HALF,
            RATES,
            (
                "640,584 of 1,281,167 images (50%), 1,234 images/s, 98.8 MB/s, 8 min 39 s left, "
                "512 shards, 7 rejects"
            ),
        ),
        (
            HALF,
            (),
            "640,584 of 1,281,167 images (50%), time left unknown, 512 shards, 7 rejects",
        ),
        (
            HALF._replace(total=0, state="RUNNING", shards_total=1024),
            RATES,
            (
                "RUNNING: 640,584 images, 1,234 images/s, 98.8 MB/s, time left unknown, "
                "512 of 1,024 shards, 7 rejects"
            ),
        ),
        (
            Snapshot(1000, 1000, 999, 10, 0, 1),
            (0, 0),
            (
                "999 of 1,000 images (99%), 0 images/s, 0.0 MB/s, time left unknown, 1 shard, "
                "0 rejects"
            ),
        ),
        (
            Snapshot(0, 10, 12, 10, 0, 1),
            (1.3, 0),
            "12 of 12 images (100%), 1 image/s, 0.0 MB/s, 0 s left, 1 shard, 0 rejects",
        ),
    ],
)
def test_lines(snapshot, rates, line):
    assert progress_line(snapshot, 62.0, rates) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (360_000, "100 h 00 min"),
    ],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_speeds_are_those_of_the_window():
    meter = RateMeter(window_seconds=10)
    at = [meter.update(t, n, n * 5) for t, n in [(0, 0), (5, 10), (10, 20), (20, 220)]]
    assert at[0] == (0, 0)
    assert at[1] == (2, 10)
    assert at[2] == (2, 10)
    assert at[3] == (14, 70), "from 5 s on: the last look before the window"


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), min_size=2, max_size=60))
def test_a_steady_or_growing_count_has_no_negative_speed(steps):
    meter, now, images = RateMeter(10), 0.0, 0
    for seconds, done in steps:
        now, images = now + seconds, images + done
        assert meter.update(now, images) >= (0,)


def test_shards_that_appear_seldom_have_the_speed_of_the_last_ones():
    meter = RateMeter(window_seconds=10)
    for now, images in [(0, 100), (40, 100), (50, 200), (90, 200), (100, 300)]:
        (speed,) = meter.update(now, images)
    assert speed == 2


@pytest.mark.parametrize("columns", [30, 57, 77, 197])
def test_the_bar_shows_the_line_under_a_bar(columns):
    for view in (View("half of it, " * 8, 5, 10), View("5 images listed", 0, 0)):
        stream = io.StringIO()
        Console(file=stream, width=200, force_terminal=True).print(bar(view, columns))
        plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
        assert set(plain[0].strip()) <= set("━╸╺ ")
        assert len(plain[0].strip()) == min(60, columns)
        assert " ".join(line.strip() for line in plain[1:]) == view.line.strip()
        assert all(len(line.rstrip()) <= columns for line in plain)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_that_is_wiped_at_the_end(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    read, stream = threading.Event(), Terminal()

    def snapshot():
        if "640,584" in stream.getvalue():
            read.set()
        return HALF

    with ProgressDisplay(snapshot, stream):
        assert read.wait(10)
    assert "640,584 of 1,281,167 images (50%)" in stream.getvalue()
    assert "\x1b[2K" in stream.getvalue()


def test_a_log_gets_lines_and_no_control_characters():
    stream, read = io.StringIO(), threading.Event()

    def snapshot():
        if "\n" in stream.getvalue():
            read.set()
        return HALF._replace(images=0)

    with ProgressDisplay(snapshot, stream, log_seconds=0.01):
        assert read.wait(10)
    (line,) = set(stream.getvalue().splitlines())
    assert line == "listing the archives, 1,281,167 images found, 0 s"


def test_speeds_and_steps_count_from_their_beginning():
    """100 s of listing, then 10 images a second: not 5, as from the start."""
    stream = io.StringIO()
    snapshots = iter(
        [
            Snapshot(0, 0, 0, 0, 0, 0),
            Snapshot(9, 0, 0, 0, 0, 0),
            Snapshot(9, 0, 0, 0, 0, 0, step=ASSIGNING),
            Snapshot(9, 2000, 100, 0, 0, 0, step=ASSIGNING),
            Snapshot(9, 2000, 1100, 0, 0, 0, step=ASSIGNING),
        ]
    )
    times = iter([0.0, 0.0, 0.0, 60.0, 100.0, 103.0, 203.0])
    display = ProgressDisplay(lambda: next(snapshots), stream, 0.0, lambda: next(times))
    for _ in range(5):
        display._display.tick()
    assert stream.getvalue().splitlines() == [
        "listing the archives, 0 s",
        "listing the archives, 9 images found, 1 min 00 s",
        "assigning images to shards, 9 images found, 0 s",
        "100 of 2,000 images (5%), time left unknown, 0 shards, 0 rejects",
        (
            "1,100 of 2,000 images (55%), 10 images/s, 0.0 MB/s, 1 min 30 s left, 0 shards, "
            "0 rejects"
        ),
    ]
