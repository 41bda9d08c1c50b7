"""The job on this machine, in this process."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.pipeline.progress import counted
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.failures import JOB_FAILED, JobFailed, find_mistake, last_line
from imagenet_beam.runners.follow import on_stop
from imagenet_beam.runners.progress import ProgressDisplay, Snapshot, say
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.tally import tally

_MODES = ("in_memory", "multi_processing")
_WORKER_THREAD = "run_worker"
"""What Beam calls the thread that waits for a worker process to end."""

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
    beam_options = PipelineOptions(list(options.beam_args))
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=beam_options)
    pipeline | ConvertImages(conversion, options.workers)
    # What was imported stays; a hundred thousand references are no garbage either.
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS, 20, 100)
    tally.reset()

    def end(status: int) -> NoReturn:
        """Ends the process at once: what is published is whole."""
        # Beam would do it at the job's end:
        shutil.rmtree(pipeline.local_tempdir, ignore_errors=True)
        os._exit(status)

    stopping = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        shards = counted(tally.shards, "shard")
        say(f"\nstopped; {shards} of this run published, the same command resumes")
        end(128 + number)

    def fail(why: str) -> None:
        if stopping.wait(_GRACE_SECONDS):  # Ctrl-C ends the workers, too
            return
        say(f"imagenet-beam: the job failed: {why}")
        end(JOB_FAILED)

    display = ProgressDisplay(lambda: _snapshot(conversion))
    with on_stop(stop), _on_lost_worker(fail), display:
        try:
            pipeline.run().wait_until_finish()
        except Exception as error:
            mistake = find_mistake(f"{type(error).__name__}: {error}")
            raise mistake or JobFailed(last_line(str(error))) from error
    return True


@contextlib.contextmanager
def _on_lost_worker(handler: Callable[[str], None]) -> Iterator[None]:
    """Calls the handler when a worker process ends before its job, for which Beam waits for ever.

    The thread that has started the worker raises an exception then, and Beam lets it pass.
    """
    before = threading.excepthook

    def hook(raised: threading.ExceptHookArgs) -> None:
        if raised.thread is None or raised.thread.name != _WORKER_THREAD:
            before(raised)
            return
        handler(
            f"a worker process was lost ({raised.exc_value}): the system may have killed it for "
            "want of memory; fewer --direct_num_workers take less, and the same command resumes"
        )

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _snapshot(conversion: Conversion) -> Snapshot:
    return Snapshot(
        images_listed=tally.images_listed,
        total=max(0, tally.images_listed - conversion.images_done),
        images=tally.images,
        written_bytes=tally.written_bytes,
        rejects=tally.rejects,
        shards=tally.shards,
    )
