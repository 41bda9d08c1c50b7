"""The job on this machine, in this process."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.pipeline.progress import counted
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.failures import JobFailed, find_mistake, last_line
from imagenet_beam.runners.progress import ProgressDisplay, Snapshot
from imagenet_beam.runners.signals import on_stop
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.tally import tally

_MODES = ("in_memory", "multi_processing")


def check(config: ConvertConfig, options: LaunchOptions) -> None:
    """Refuses what this runner cannot do.

    Raises:
        InputError: On `--detach`, and on the mode in which this Beam version loses data.
    """
    if options.detach:
        raise InputError(
            "--detach is not accepted with the direct runner, which works in this process; "
            "accepted are runners whose job goes on elsewhere, such as --runner=FlinkRunner"
        )
    check_options(PipelineOptions(list(options.beam_args)))


def launch(conversion: Conversion, options: LaunchOptions) -> bool:
    """Runs the job to its end, with a progress display.

    The runner is constructed, not named: `--runner=DirectRunner` first looks for
    another runner's program on the network.

    Returns:
        True: the job has ended.

    Raises:
        InputError: If the inputs turn out to be wrong.
        JobFailed: If the job fails for another reason.
    """
    beam_options = PipelineOptions(list(options.beam_args))
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=beam_options)
    pipeline | ConvertImages(conversion, options.workers)
    tally.reset()
    stop = functools.partial(_exit, pipeline.local_tempdir)
    with on_stop(stop), ProgressDisplay(lambda: _snapshot(conversion)):
        try:
            pipeline.run().wait_until_finish()
        except Exception as error:
            raise _explain(error) from error
    return True


def check_options(options: PipelineOptions) -> None:
    """Refuses the mode in which this Beam version loses data.

    Raises:
        InputError: On `--direct_running_mode=multi_threading`.
    """
    direct = options.view_as(DirectOptions)
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


def _explain(error: Exception) -> Exception:
    text = str(error)
    return find_mistake(f"{type(error).__name__}: {text}") or JobFailed(last_line(text))


def _snapshot(conversion: Conversion) -> Snapshot:
    return Snapshot(
        images_listed=tally.images_listed,
        total=max(0, tally.images_listed - conversion.images_done),
        images=tally.images,
        written_bytes=tally.written_bytes,
        rejects=tally.rejects,
        shards=tally.shards,
    )


def _exit(temporary_folder: str, number: int, _: FrameType | None) -> None:
    """Ends the process at once: what is published is whole."""
    print(
        f"\nstopped; {counted(tally.shards, 'shard')} of this run published, the same command goes "
        "on from there",
        file=sys.stderr,
        flush=True,
    )
    shutil.rmtree(temporary_folder, ignore_errors=True)  # Beam would do it at the job's end
    os._exit(128 + number)
