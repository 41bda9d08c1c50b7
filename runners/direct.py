"""The job on this machine, in this process."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import logging
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.pipeline.progress import counted
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.beam_options import JobOptions
from imagenet_beam.runners.failures import JOB_FAILED, explained
from imagenet_beam.runners.follow import STOPS, on_stop
from imagenet_beam.runners.progress import (
    ASSIGNING,
    LISTING,
    ProgressDisplay,
    ReceiptProgress,
    Snapshot,
)
from imagenet_beam.runners.steps import say, say_prose, say_stopped
from imagenet_beam.runners.thread_errors import QuietHook
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import end_writing
from imagenet_beam.transforms.tally import tally

_MODES = ("in_memory", "multi_processing")
_END_SECONDS = 5.0
_POLL_SECONDS = 0.01
_WORKER_THREAD = "run_worker"
"""What Beam calls the thread that waits for a worker process to end."""

_WORKER_COMMAND = (
    f"trap '' INT; exec {shlex.quote(sys.executable)} -m apache_beam.runners.worker.sdk_worker_main"
)
"""For a shell. The path is quoted, which Beam does not do."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGE_BYTES = 4 << 20  # more than the pixels of a photograph: each costs some page faults

_GRACE_SECONDS = 1.0
_COLLECTED_OBJECTS = 200_000
"""New objects before Python looks for garbage; by default it looks after 700."""


def check(config: ConvertConfig, options: LaunchOptions) -> None:
    """Refuses `--detach`, and the mode in which this Beam version loses data."""
    if options.detach:
        raise InputError(
            "--detach is not accepted with the direct runner, which works in this process; "
            "accepted are runners whose job goes on elsewhere, such as --runner=FlinkRunner"
        )
    direct = PipelineOptions(list(options.beam_args)).view_as(DirectOptions)
    mode, workers = direct.direct_running_mode, direct.direct_num_workers
    if mode not in _MODES:
        raise InputError(
            f"--direct_running_mode={mode} is not accepted: it corrupts data in this version of "
            f"Apache Beam; accepted are {' and '.join(_MODES)}"
        )
    if mode == "in_memory" and workers not in (0, 1):
        raise InputError(
            f"--direct_num_workers={workers} has no effect with --direct_running_mode=in_memory, "
            "which uses threads; give --threads, or --direct_running_mode=multi_processing"
        )


def launch(conversion: Conversion, options: LaunchOptions) -> bool:
    """Runs the job to its end, with a progress display.

    The runner is constructed, not named: `--runner=DirectRunner` first looks for
    another runner's program on the network.
    """
    beam_options = JobOptions(list(options.beam_args))
    # What was imported stays; a hundred thousand references are no garbage either.
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS, 20, 100)
    pipeline = beam.Pipeline(runner=_Runner(), options=beam_options)
    tally.reset()
    tally.on_assigning = lambda: _say_writing(conversion)
    look: Callable[[], Snapshot] = functools.partial(_snapshot, conversion)
    if beam_options.view_as(DirectOptions).direct_running_mode != _MODES[0]:
        look = ReceiptProgress(conversion).snapshot  # other processes do the work
    display = ProgressDisplay(look)

    def end(status: int) -> NoReturn:
        """Ends the process at once: what is published is whole."""
        # Beam would do it at the job's end:
        shutil.rmtree(pipeline.local_tempdir, ignore_errors=True)
        _stop_writing(conversion)
        os._exit(status)

    ending = threading.RLock()
    is_ending = False

    def begin_to_end() -> bool:
        """Whether nobody else ends the process: another thread, or the handler this interrupts."""
        nonlocal is_ending
        if not ending.acquire(timeout=_END_SECONDS) or is_ending:
            return False
        is_ending = True
        return True

    def stop(number: int, _: FrameType | None = None) -> None:
        if begin_to_end():
            display.close()
            shards = counted(look().shards, "shard")
            say_stopped(f"stopped after {shards}; the same command resumes")
            end(128 + number)

    def lost(why: str) -> None:
        number = _signal_of(why)
        if number in STOPS:  # it went to the workers, too, and this thread was the first to see
            stop(number)
            return
        time.sleep(_GRACE_SECONDS)  # the threads that talked with the worker may tell so first
        if begin_to_end():
            display.close()
            say_prose(
                f"imagenet-beam: the job failed: a worker process was lost ({why}): the system may "
                "have killed it for want of memory; fewer --direct_num_workers take less, and the "
                "same command resumes"
            )
            end(JOB_FAILED)

    with on_stop(stop), _on_lost_worker(lost), display:
        _give_back_what_is_freed()
        pipeline | ConvertImages(conversion, options.workers)
        try:
            pipeline.run().wait_until_finish()
        except Exception as error:
            raise explained(error) from error
    return True


class _Runner(FnApiRunner):
    """Beam's runner, with worker processes that leave Ctrl-C to this one.

    A terminal sends Ctrl-C to all of them. They would print a traceback each, and end before
    this process has heard of it, which looks like a failure.
    """

    def run_via_runner_api(self, pipeline_proto: Any, options: PipelineOptions) -> Any:
        """Beam's entry, with the workers' command put in."""
        for environment in pipeline_proto.components.environments.values():
            if environment.urn == python_urns.SUBPROCESS_SDK:
                environment.payload = _WORKER_COMMAND.encode()
        return super().run_via_runner_api(pipeline_proto, options)


def _give_back_what_is_freed() -> None:
    """Has glibc hand large buffers back when they are freed; elsewhere nothing happens.

    It would keep those of up to 32 MiB for later ones, between which small things settle; and
    the runner copies all that goes into a stage three times.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE_BYTES)  # as glibc would choose, were this one free


def _say_writing(conversion: Conversion) -> None:
    """Says how many shards there will be, now that the images are counted and found right."""
    if not conversion.shards_done:
        shards = counted(_shards_total(conversion), "shard")
        say(f"writing {shards} to {conversion.config.output_dir}")


def _shards_total(conversion: Conversion) -> int:
    return sum(split.shards_of(tally.selected[split.name]) for split in conversion.splits)


def _stop_writing(conversion: Conversion) -> None:
    """Removes what is half written, by this process or by its workers."""
    end_writing()
    workers = _processes_of(os.getpid())
    if workers:
        threading.excepthook = lambda _: None  # threads of Beam tell that workers have ended
        logging.disable()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + _END_SECONDS
        while any(map(_is_running, workers)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        with contextlib.suppress(InputError):
            conversion.output.remove_unfinished()


def _processes_of(process: int) -> list[int]:
    """The processes that one has started, and theirs, where the system tells of them.

    Elsewhere workers end by themselves, once this process is gone.
    """
    found = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_processes_of(child)]
    return found


def _is_running(process: int) -> bool:
    """Whether a process may still write: it is there, and no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@contextlib.contextmanager
def _on_lost_worker(handler: Callable[[str], None]) -> Iterator[None]:
    """Calls the handler when a worker process ends before its job, for which Beam waits for ever.

    The handler gets Beam's words, in which the process's return code stands.
    The thread that has started the worker raises an exception then, and Beam lets it pass.
    """
    before = threading.excepthook
    others = QuietHook(before)  # the streams of a worker that is gone fail, too

    def hook(raised: threading.ExceptHookArgs) -> None:
        if raised.thread is not None and raised.thread.name == _WORKER_THREAD:
            handler(str(raised.exc_value))
        else:
            others(raised)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _signal_of(words: str) -> int:
    """The signal that ended a worker process, by what Beam says of it; 0 for another end."""
    found = re.search(r"return code -(\d+)", words)
    return int(found[1]) if found else 0


def _snapshot(conversion: Conversion) -> Snapshot:
    return Snapshot(
        images_listed=tally.images_listed,
        total=max(0, tally.selected.total() - conversion.images_done),
        images=max(tally.images, tally.encoded),
        written_bytes=tally.written_bytes,
        rejects=tally.rejects,
        shards=tally.shards,
        shards_total=tally.is_assigning * (_shards_total(conversion) - conversion.shards_done),
        step=ASSIGNING if tally.is_assigning else LISTING,
    )
