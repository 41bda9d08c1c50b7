"""What a person sees while the job runs."""

import io
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from imagenet_beam.pipeline.progress import RateMeter, View, bar, duration
from imagenet_beam.runners.progress import ProgressDisplay, Snapshot, progress_line

RATES = (1234.4, 98_765_432.0)
HALF = Snapshot(1_281_167, 1_281_167, 640_584, 70_000_000_000, 7, 512)


@pytest.mark.parametrize(
    ("snapshot", "rates", "line"),
    [
        (Snapshot(0, 0, 0, 0, 0, 0), (0, 0), "0 images listed"),
        (Snapshot(4000, 4000, 0, 0, 0, 0, "RUNNING"), RATES, "RUNNING: 4,000 images listed"),
        (Snapshot(0, 0, 0, 0, 0, 0, shards_total=1024), RATES, "0 of 1,024 shards"),
        (
            HALF,
            RATES,
            (
                "640,584 of 1,281,167 images (50%), 1,234 images/s, 98.8 MB/s, 8 min 39 s left, "
                "512 shards, 7 rejects"
            ),
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
            (2, 0),
            "12 of 12 images (100%), 2 images/s, 0.0 MB/s, 0 s left, 1 shard, 0 rejects",
        ),
    ],
)
def test_lines(snapshot, rates, line):
    assert progress_line(snapshot, rates) == line


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


def test_the_bar_shows_the_line_under_a_bar():
    for view in (View("half of it", 5, 10), View("5 images listed", 0, 0)):
        stream = io.StringIO()
        Console(file=stream, width=150, force_terminal=True).print(bar(view))
        plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
        assert set(plain[0].strip()) <= set("━╸╺ ")
        assert plain[1].strip() == view.line


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
    assert set(stream.getvalue().splitlines()) == {"1,281,167 images listed"}
