"""The job on any runner that speaks Beam's job service: Prism, or one that was started before."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SetupOptions,
)
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.prism_runner import PrismRunner
from apache_beam.runners.runner import PipelineResult, PipelineState
from apache_beam.runners.worker import sdk_worker

from imagenet_beam.pipeline.config import ConvertConfig, Workers
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.runners.base import JobStatus, LaunchOptions, Phase, runner_name
from imagenet_beam.runners.beam_options import JobOptions
from imagenet_beam.runners.environments import answers, check_environment, check_staged_files
from imagenet_beam.runners.failures import JobFailed, first_line
from imagenet_beam.runners.follow import run_job
from imagenet_beam.runners.steps import step
from imagenet_beam.runners.thread_errors import QuietHook
from imagenet_beam.transforms.errors import InputError

_ENVIRONMENT = "--environment_type=LOOPBACK"
_END_SECONDS = 5.0
"""How long the job service may take to tell of an end that is known already."""


def check(config: ConvertConfig, options: LaunchOptions) -> None:
    """Refuses a job without a job service, and `--detach` where workers end with this process."""
    name = runner_name(options.beam_args)
    beam_options = PipelineOptions(list(options.beam_args))
    portable = beam_options.view_as(PortableOptions)
    if name == "PortableRunner" and not portable.job_endpoint:
        raise InputError(
            "--job_endpoint is missing; give the address of the runner's job service, such as "
            "--job_endpoint=localhost:8099"
        )
    environment = (portable.environment_type or "LOOPBACK").upper()
    check_environment(portable, environment, is_here=name == "PrismRunner")
    check_staged_files(beam_options.view_as(SetupOptions))
    if options.detach and name == "PrismRunner":
        raise InputError(
            "--detach is not accepted with --runner=PrismRunner, which ends with this process; "
            "accepted are runners whose job goes on elsewhere, such as --runner=FlinkRunner"
        )
    if options.detach and environment == "LOOPBACK":
        raise InputError(
            "--detach is not accepted with workers in this process; give --environment_type=DOCKER "
            "or another whose workers run elsewhere"
        )
    if name == "PrismRunner":
        _check_prism(beam_options, environment)
    elif not answers(portable.job_endpoint):
        raise InputError(
            f"--job_endpoint={portable.job_endpoint} does not answer; give HOST:PORT of a job "
            "service that is running"
        )


def _check_prism(beam_options: PipelineOptions, environment: str) -> None:
    if environment != "LOOPBACK":
        raise InputError(
            f"--environment_type={environment} is not accepted with --runner=PrismRunner, which "
            "waits for ever for a worker that has died; leave it out: workers are in this process"
        )
    place = beam_options.view_as(PrismRunnerOptions).prism_location
    if place and "://" not in place and not os.path.isfile(place):
        raise InputError(
            f"--prism_location={place} does not exist; give the path of prism, or leave it out: "
            "then Beam downloads it"
        )


def launch(conversion: Conversion, options: LaunchOptions) -> bool:
    """Runs the job, with workers in this process unless `--environment_type` says otherwise."""
    prism = runner_name(options.beam_args) == "PrismRunner"
    runner = PrismRunner() if prism else PortableRunner()

    def start() -> PortableJob:
        beam_options = JobOptions([_ENVIRONMENT, *options.beam_args])
        with step("submitting the job"):
            pipeline = build(conversion, options.workers, runner, beam_options)
            return PortableJob(submit(pipeline), is_ours=prism)

    return run_job(start, conversion, options)


def build(
    conversion: Conversion, workers: Workers, runner: PortableRunner, beam_options: PipelineOptions
) -> beam.Pipeline:
    """Builds the pipeline, for which no runner needs to be there yet."""
    quiet_workers()
    pipeline = beam.Pipeline(runner=runner, options=beam_options)
    pipeline | ConvertImages(conversion, workers)
    return pipeline


def submit(pipeline: beam.Pipeline) -> PipelineResult:
    """Hands the pipeline to its runner; `JobFailed` if that refuses it."""
    try:
        return pipeline.run()
    except grpc.FutureTimeoutError as error:
        raise JobFailed("the job service does not answer") from error
    except grpc.RpcError as error:
        reason = error.details() if isinstance(error, grpc.Call) else error
        raise JobFailed(f"the job service refuses the job: {reason}") from error
    except (OSError, RuntimeError) as error:  # Prism cannot be downloaded, or does not start
        raise JobFailed(f"the runner does not start: {first_line(str(error))}") from error


def quiet_workers() -> None:
    """Silences what Beam's workers in this process say past the log.

    Threads tell that the other end hung up, as it does at the end; and what went wrong with a
    piece of work is printed before the same is logged.
    """
    vars(sdk_worker)["print"] = lambda *_, **__: None
    if not isinstance(threading.excepthook, QuietHook):
        threading.excepthook = QuietHook(threading.excepthook)


class PortableJob:
    """A job followed through Beam's job service alone.

    Args:
        result: What the runner gave back.
        on_close: Ends what was started for the job.
        is_ours: Whether the job service is part of this program: it ends with Ctrl-C,
            by Beam's own doing, and its jobs with it.
    """

    title = "the job"
    follow_hint = "the runner's own pages, if it has any, show it"
    cancel_hint = "cancel it where the runner shows its jobs"

    def __init__(
        self,
        result: PipelineResult,
        on_close: Callable[[], None] = lambda: None,
        is_ours: bool = False,
    ) -> None:
        self._result, self._on_close, self._is_ours = result, on_close, is_ours
        self._error = ""
        self._ended = threading.Event()
        threading.Thread(target=self._wait, name="job", daemon=True).start()

    def _wait(self) -> None:
        """Waits in a thread: only this call reads the runner's messages, and the error."""
        try:
            self._result.wait_until_finish()
        except Exception as error:  # whatever a runner raises says how its job failed
            self._error = str(error) or type(error).__name__
        self._ended.set()

    def status(self) -> JobStatus:
        """The state, and when the job has failed, its last error message."""
        if not self._ended.is_set():
            return JobStatus(Phase.RUNNING, "RUNNING")
        if self._error:
            return JobStatus(Phase.FAILED, "FAILED", self._error)
        cancelled = self._result.state == PipelineState.CANCELLED
        return JobStatus(Phase.CANCELLED if cancelled else Phase.DONE, str(self._result.state))

    def cancel(self) -> None:
        """Asks the job service; `OSError` if it does not answer, and so the job may go on."""
        try:
            self._result.cancel()
        except (grpc.RpcError, ValueError) as error:  # the second: Beam has closed the channel
            if not self._is_ours:
                raise OSError(f"the job service does not answer ({error})") from error

    def close(self) -> None:
        """Ends what was started for the job."""
        self._ended.wait(_END_SECONDS)
        self._on_close()
