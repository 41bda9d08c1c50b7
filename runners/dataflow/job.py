"""The job on Google Cloud Dataflow; see docs/dataflow.md."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
)

from imagenet_beam.pipeline.config import ConvertConfig, Workers
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.runners import worker_package
from imagenet_beam.runners.base import JobStatus, LaunchOptions, Phase
from imagenet_beam.runners.dataflow import options as dataflow_options
from imagenet_beam.runners.failures import JobFailed, first_line
from imagenet_beam.runners.follow import run_job
from imagenet_beam.runners.steps import say, step
from imagenet_beam.transforms.errors import InputError

_PHASES = {
    "JOB_STATE_DONE": Phase.DONE,
    "JOB_STATE_FAILED": Phase.FAILED,
    "JOB_STATE_CANCELLED": Phase.CANCELLED,
    "JOB_STATE_DRAINED": Phase.CANCELLED,
    "JOB_STATE_UPDATED": Phase.CANCELLED,
}
_LATE_MESSAGE_SECONDS = 50.0
"""How long the reason of a failure may come after the failure; Beam's own patience."""


def check(config: ConvertConfig, options: LaunchOptions) -> None:
    """Refuses what Dataflow would refuse later, or what would cost without need."""
    dataflow_options.check_installed()
    from imagenet_beam.runners.dataflow.buckets import check_buckets
    from imagenet_beam.runners.dataflow.service import DataflowService

    beam_options = dataflow_options.job_options(config, options.beam_args)
    dataflow_options.check_remote(config)
    check_buckets(config, beam_options)
    cloud = beam_options.view_as(GoogleCloudOptions)
    if not cloud.template_location:
        job_id = DataflowService(beam_options).active_job(cloud.job_name)
        if job_id:
            raise _already_active(cloud.job_name, job_id)


def launch(conversion: Conversion, options: LaunchOptions) -> bool:
    """Runs the job, or writes a template of it; see `RunnerModule`."""
    beam_options = dataflow_options.job_options(conversion.config, options.beam_args)
    workers = Workers(  # by the cores of a worker, which are not those of this machine
        options.workers.threads or dataflow_options.worker_cores(beam_options),
        options.workers.read_threads or dataflow_options.READ_THREADS,
    )
    template = beam_options.view_as(GoogleCloudOptions).template_location
    if template:
        _submit(conversion, workers, beam_options)
        say(f"the job's template is at {template}; nothing runs yet")
        return False
    return run_job(lambda: DataflowJob(conversion, workers, beam_options), conversion, options)


class DataflowJob:
    """A job that Dataflow has accepted; submitted when it is built."""

    def __init__(self, conversion: Conversion, workers: Workers, options: PipelineOptions) -> None:
        from imagenet_beam.runners.dataflow.service import DataflowService

        self._service = DataflowService(options)
        mark = dataflow_options.mark_submission(options)
        try:
            with step("submitting the job to Dataflow"), self._service.refusals_as_sentences():
                self.id: str = _submit(conversion, workers, options).job_id()
        except Exception:
            raise
        except BaseException:  # the user stopped it, perhaps between request and answer
            self._cancel_posted(options, mark)
            raise
        region, project = self._service.region, self._service.project
        self.title = f"Dataflow job {self.id}"
        page = f"https://console.cloud.google.com/dataflow/jobs/{region}/{self.id}"
        self.follow_hint = f"see {page}?project={project}"
        self.cancel_hint = (
            f"cancel it with `gcloud dataflow jobs cancel {self.id} --region={region} "
            f"--project={project}`"
        )

    def _cancel_posted(self, options: PipelineOptions, mark: str) -> None:
        """Cancels the job that this process has posted, if the service has it."""
        name = options.view_as(GoogleCloudOptions).job_name
        try:
            job_id = self._service.active_job(name, mark)
            if not job_id:
                say(f"Dataflow knows of no job named {name} of this run")
                return
            self._service.cancel(job_id)
            say(f"cancelled Dataflow job {job_id}")
        except (InputError, OSError) as error:
            say(f"the job named {name} may have been submitted, look for it: {error}")

    def status(self) -> JobStatus:
        """Asks the service; after a failure also for the reason."""
        state = self._service.state(self.id)
        phase = _PHASES.get(state, Phase.RUNNING)
        message = self._reason() if phase is Phase.FAILED else ""
        return JobStatus(phase, state.removeprefix("JOB_STATE_"), message)

    def _reason(self) -> str:
        """The error messages, those with a traceback last; they may come late."""
        deadline = time.monotonic() + _LATE_MESSAGE_SECONDS
        while True:
            errors = self._service.errors(self.id)
            if errors or time.monotonic() > deadline:
                return "\n".join(sorted(errors, key=lambda text: "Traceback" in text))
            time.sleep(1.0)

    def cancel(self) -> None:
        """Asks for the job's end; the service sees to it."""
        self._service.cancel(self.id)

    def close(self) -> None:
        """Nothing is held here."""


def _already_active(name: str, job_id: str) -> InputError:
    return InputError(
        f"--job_name={name} is taken by a job that is still active, {job_id}; wait for its end, "
        "cancel it, or give another name"
    )


def _submit(conversion: Conversion, workers: Workers, options: PipelineOptions) -> Any:
    """Builds the pipeline, stages what the workers need, and hands the job over."""
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
    from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

    with _own_package(options), _quiet():
        try:
            pipeline = beam.Pipeline(runner=DataflowRunner(), options=options)
            pipeline | ConvertImages(conversion, workers)
            return pipeline.run()
        except InputError:
            raise
        except DataflowJobAlreadyExistsError as error:
            name = options.view_as(GoogleCloudOptions).job_name
            job_id = str(error).partition("with id: ")[2].partition(".")[0]
            raise _already_active(name, job_id) from error
        except ValueError as error:  # the options' validation: a headline, and errors below it
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise InputError(f"Apache Beam refuses the options: {said[:2][-1]}") from error
        except RuntimeError as error:  # the setup file's package
            raise InputError(_not_built(options, error)) from error
        except OSError as error:  # staging
            raise JobFailed(first_line(str(error))) from error


def _not_built(options: PipelineOptions, error: RuntimeError) -> str:
    """Beam quotes its tries one inside the other; the last one's own words come last."""
    said = str(error).rpartition("output of the failed child process ")[2].strip("b'\" ")
    reason = first_line(said.replace("\\n", "\n"))
    return (
        f"--setup_file={options.view_as(SetupOptions).setup_file} does not build a package "
        f"({reason}); `pip install build 'setuptools>=64'` may help, or leave the flag out: "
        "then this program stages itself"
    )


@contextlib.contextmanager
def _own_package(options: PipelineOptions) -> Iterator[None]:
    """Stages this program as a wheel, unless an image or a setup file brings it."""
    if not dataflow_options.stages_own_package(options):
        yield
        return
    setup = options.view_as(SetupOptions)
    with tempfile.TemporaryDirectory() as folder:
        wheel = worker_package.write_wheel(Path(folder))
        setup.extra_packages = [*(setup.extra_packages or []), str(wheel)]
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Beam from logging what becomes the one sentence, and from idle warnings."""
    names = "io.gcp.gcsio", "runners.dataflow.internal.apiclient", "runners.portability.stager"
    loggers = [logging.getLogger(f"apache_beam.{name}") for name in names]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False
