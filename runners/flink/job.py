"""A job on Flink, from its submission to its end."""

from __future__ import annotations

import contextlib
import time
import urllib.error
from typing import NamedTuple

from apache_beam.runners.portability.portable_runner import PortableRunner

from imagenet_beam.pipeline.config import Workers
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.runners.base import JobStatus, Phase
from imagenet_beam.runners.beam_options import JobOptions
from imagenet_beam.runners.failures import JobFailed, find_mistake, root_cause
from imagenet_beam.runners.flink.job_server import JobServer, ServerSettings
from imagenet_beam.runners.flink.rest import FlinkJobInfo, FlinkRest, cancel_command
from imagenet_beam.runners.portable import PortableJob, build, submit
from imagenet_beam.runners.steps import step

_POLL_SECONDS = 0.5
_APPEAR_SECONDS = 180.0
"""How long the job server may take to translate the pipeline and submit it."""

_CANCEL_SECONDS = 120.0
_PHASES = {"FINISHED": Phase.DONE, "FAILED": Phase.FAILED, "CANCELED": Phase.CANCELLED}


class Target(NamedTuple):
    """Where a job goes, and with which options.

    Attributes:
        rest: The cluster; none for an embedded one.
        flags: The flags for Beam: those that were typed, and those found out.
        server: How the job server is started.
        job_name: The job's name.
    """

    rest: FlinkRest | None
    flags: tuple[str, ...]
    server: ServerSettings
    job_name: str


def start_job(target: Target, conversion: Conversion, workers: Workers) -> FlinkJob | EmbeddedJob:
    """Starts the job server and submits; leaves nothing behind if that is interrupted.

    Raises:
        InputError: If the pipeline is refused for a mistake of the user's.
        JobFailed: If it is refused for another reason, or nothing answers.
    """
    known = {job.job_id for job in target.rest.jobs()} if target.rest else set()
    server = JobServer(target.server)
    try:
        with step("starting Flink's job server"):
            beam_options = JobOptions([*target.flags, f"--job_endpoint={server.endpoint}"])
            pipeline = build(conversion, workers, PortableRunner(), beam_options)
            server.wait_until_ready()
        with step("submitting the job"):
            result = submit(pipeline)
            if target.rest is None:
                return EmbeddedJob(result, server.stop)
            job = PortableJob(result, server.stop)
            return FlinkJob(job, target.rest, _await_job(job, target, known).job_id)
    except BaseException:
        server.stop()
        if target.rest:
            with contextlib.suppress(OSError):
                for new in _new_jobs(target, known):
                    target.rest.cancel(new.job_id)
        raise


def _await_job(job: PortableJob, target: Target, known: set[str]) -> FlinkJobInfo:
    """The job as Flink sees it, once the job server has submitted it."""
    deadline = time.monotonic() + _APPEAR_SECONDS
    while time.monotonic() < deadline:
        new = _new_jobs(target, known)
        if new:
            return new[0]
        status = job.status()
        if status.phase is Phase.FAILED:
            mistake = find_mistake(status.message)
            raise mistake or JobFailed(f"Flink refused it: {root_cause(status.message)}")
        time.sleep(_POLL_SECONDS)
    raise JobFailed(f"{target.job_name} did not appear on the cluster in {_APPEAR_SECONDS:.0f} s")


def _new_jobs(target: Target, known: set[str]) -> list[FlinkJobInfo]:
    jobs = target.rest.jobs() if target.rest else []
    return [job for job in jobs if job.name == target.job_name and job.job_id not in known]


class FlinkJob:
    """A job of a cluster, followed and cancelled by REST.

    Args:
        portable: The same job as the job server sees it.
        rest: The cluster.
        job_id: Its id on the cluster.
    """

    def __init__(self, portable: PortableJob, rest: FlinkRest, job_id: str) -> None:
        self._rest, self._id = rest, job_id
        self.close = portable.close  # a job on a cluster goes on without its job server
        self.title = f"Flink job {job_id}"
        self.follow_hint = f"its page is {rest.url}/#/job/running/{job_id}/overview"
        self.cancel_hint = f"cancel it with: {cancel_command(rest.url, job_id)}"

    def status(self) -> JobStatus:
        """Flink's state; of a failed job, the trace that it failed with.

        A user's mistake ends the job here: Flink would start it again as often as its
        restart strategy allows, to fail for the same reason each time.
        """
        try:
            state = self._rest.job_state(self._id)
            phase = _PHASES.get(state, Phase.RUNNING)
            error = self._rest.job_error(self._id)
            if phase is Phase.RUNNING and find_mistake(error):
                self._rest.cancel(self._id)
                phase = Phase.FAILED
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            lost = "the JobManager does not know the job any more; it was restarted"
            return JobStatus(Phase.FAILED, "LOST", lost)
        return JobStatus(phase, state, error if phase is Phase.FAILED else "")

    def cancel(self) -> None:
        """Cancels by REST, as Beam's own way does not end a job on a cluster."""
        self._rest.cancel(self._id)
        deadline = time.monotonic() + _CANCEL_SECONDS
        while self.status().phase is Phase.RUNNING:
            if time.monotonic() > deadline:
                raise TimeoutError("Flink has not ended it yet")
            time.sleep(_POLL_SECONDS)


class EmbeddedJob(PortableJob):
    """A job inside the job server: it ends with it."""

    title = "the job on an embedded Flink cluster"

    def cancel(self) -> None:
        """Ends the job server."""
        self.close()
