"""Stopping a run, and what a person sees while it goes on."""

import io
import os
import re
import signal
import time

import pytest

from imagenet_beam.runners.progress import ProgressDisplay, Snapshot
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX

# One thread that enlarges small pictures is busy for some seconds.
SLOW = ("--train_shards=12", "--validation_shards=6", "--resize=shorter:1200", "--threads=1")
RECEIPTS = ".imagenet-beam/receipts"


def receipts(out) -> list[str]:
    return sorted(path.stem for path in (out / RECEIPTS).glob("*.json"))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_stopped_run_says_so_and_goes_on_later(
    clean, convert, start, examples, tmp_path, number, status
):
    out = tmp_path / "out"
    flags = (*clean.flags, f"--output_dir={out}", *SLOW)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    running = start("convert", *flags, env={**os.environ, "TMPDIR": str(scratch)})
    running.wait_for(lambda: len(receipts(out)) >= 2)
    running.send(number)
    stopped = running.finish()
    assert stopped.status == status, stopped.message
    said = re.search(r"stopped after (\d+) shards?; the same command resumes\n$", stopped.message)
    assert said, stopped.message
    assert "Traceback" not in stopped.message
    assert not list(scratch.iterdir())
    done = receipts(out)
    # A receipt is seen in the folder a moment before its shard is counted.
    assert 1 <= int(said[1]) <= len(done)
    assert 2 <= len(done) < 18 and not (out / "manifest.json").exists()
    before = {name: (out / name).stat().st_mtime_ns for name in done}
    resumed = convert(*flags)
    assert resumed.status == 0, resumed.message
    assert f"resuming: {len(done)} of 18 shards" in resumed.message
    assert {name: (out / name).stat().st_mtime_ns for name in done} == before
    assert not list(out.rglob(f"*{TEMPORARY_SUFFIX}"))
    assert len(examples(out, "train")) == 24 and len(examples(out, "validation")) == 12


MODES = {
    "in_memory": (),
    "multi_processing": ("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stopped_run_takes_with_it_what_is_half_written(clean, start, tmp_path, number, mode):
    out = tmp_path / "out"
    flags = (*clean.flags, f"--output_dir={out}", *SLOW[2:], *MODES[mode])
    # Shards that take longer than it takes to see them begin and to stop, on any machine.
    flags += ("--train_shards=2", "--validation_shards=1", "--resize=exact:2500x2500")
    running = start("convert", *flags)
    running.wait_for(lambda: list(out.glob(f".*-of-*{TEMPORARY_SUFFIX}")))
    running.send(number)
    stopped = running.finish()
    assert stopped.status == 128 + number, stopped.message
    assert "Traceback" not in stopped.message and "Error" not in stopped.message
    assert not list(out.rglob(f"*{TEMPORARY_SUFFIX}"))
    assert not list(out.glob("*-of-*")), "the signal came too late to tell anything"


def test_stopped_before_the_job_has_begun(clean, start, tmp_path):
    """While Beam is imported or the archives are checked."""
    out = tmp_path / "out"
    running = start("convert", *clean.flags, f"--output_dir={out}", *SLOW)
    running.wait_for(lambda: (out / ".imagenet-beam").exists())
    running.send(signal.SIGINT)
    stopped = running.finish()
    assert stopped.status == 130, stopped.message
    assert "stopped" in stopped.message and "Traceback" not in stopped.message


def snapshots():
    """A run that does 10 images between one look and the next."""
    images = 0

    def read() -> Snapshot:
        nonlocal images
        images += 10
        return Snapshot(
            images_listed=100, total=100, images=images, written_bytes=images * 10**6,
            rejects=3, shards=2,
        )  # fmt: skip

    return read


def test_without_a_terminal_there_is_a_line_now_and_then():
    stream = io.StringIO()
    with ProgressDisplay(snapshots(), stream, log_seconds=0.02):
        end = time.monotonic() + 10
        while stream.getvalue().count("\n") < 3 and time.monotonic() < end:
            time.sleep(0.01)
    first, second, *_ = stream.getvalue().splitlines()
    pattern = r"20 of 100 images \(20%\), [\d,]+ images/s, [\d.]+ MB/s, \d+ s left, 2 shards, 3 rej"
    assert re.match(pattern, first), first
    assert second.startswith("30 of 100 images (30%), ")


def test_a_short_run_prints_no_progress_in_a_log(clean, convert, tmp_path):
    flags = (*clean.validation_flags, f"--output_dir={tmp_path / 'out'}", "--validation_shards=2")
    assert "images (" not in convert(*flags).message.partition("done: ")[0]
