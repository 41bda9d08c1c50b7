"""Following a job that runs elsewhere: progress, Ctrl-C, how it ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.runners.base import Job, JobStatus, LaunchOptions, Phase
from imagenet_beam.runners.failures import JobFailed, Stopped, find_mistake, hang_ups, root_cause
from imagenet_beam.runners.progress import ProgressDisplay, ReceiptProgress
from imagenet_beam.runners.steps import say_prose, say_stopped, step

STOPS = (signal.SIGINT, signal.SIGTERM)
POLL_SECONDS = 2.0
SILENCE_SECONDS = 300.0
"""How long a runner may fail to answer before its job is given up for lost."""


@contextmanager
def on_stop(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Calls the handler on SIGINT and SIGTERM; puts the earlier handlers back afterwards."""
    before = [signal.signal(number, handler) for number in STOPS]
    try:
        yield
    finally:
        for number, earlier in zip(STOPS, before, strict=True):
            signal.signal(number, earlier)


def run_job(submit: Callable[[], Job], conversion: Conversion, options: LaunchOptions) -> bool:
    """Submits a job and follows it to its end.

    Args:
        submit: Submits the job; interrupted by an exception, it ends what it has begun.
        conversion: What the job converts.
        options: Whether to stay with the job.

    Returns:
        Whether the job has ended; False with `options.detach`.

    Raises:
        InputError: If the job failed for a mistake in the inputs.
        JobFailed: If it failed for another reason, or was cancelled by somebody else.
        SystemExit: If the user stopped it.
    """
    try:
        with on_stop(_raise_stopped), hang_ups.holding():
            try:
                job = submit()
            except Stopped:
                hang_ups.stopped()
                say_stopped("stopped while the job was being submitted")
                raise
            except OSError as error:
                raise JobFailed(f"it could not be submitted: {error}") from error
            # Once more, since Beam's job servers put a handler of theirs before ours: it ends
            # the server first, which could then not be asked to cancel.
            with on_stop(_raise_stopped):
                return _follow(job, conversion, options)
    except Stopped as stopped:
        raise SystemExit(128 + stopped.number) from None


def _follow(job: Job, conversion: Conversion, options: LaunchOptions) -> bool:
    """A stop while the job is closed ends this process at once, and with it all it holds."""
    try:
        if options.detach:
            say_prose(f"submitted {job.title}; {job.follow_hint}; {job.cancel_hint}")
            return False
        _raise_unless_done(job, _wait(job, conversion))
        return True
    except Stopped:
        hang_ups.stopped()
        _cancel(job)
        raise
    finally:
        job.close()


def _wait(job: Job, conversion: Conversion) -> JobStatus:
    """Asks for the job's state until it has ended."""
    say_prose(f"submitted {job.title}; {job.follow_hint}")
    progress = ReceiptProgress(conversion)
    answered = time.monotonic()
    with ProgressDisplay(progress.snapshot):
        while True:
            try:
                status = job.status()
                answered = time.monotonic()
            except OSError as error:
                status = JobStatus(Phase.RUNNING, "NOT ANSWERING")
                if time.monotonic() - answered > SILENCE_SECONDS:
                    raise JobFailed(
                        f"{job.title} cannot be followed: {error}; it may still be running: "
                        f"{job.cancel_hint}"
                    ) from error
            if status.phase is not Phase.RUNNING:
                return status
            progress.state = status.state
            time.sleep(POLL_SECONDS)


def _raise_unless_done(job: Job, status: JobStatus) -> None:
    if status.phase is Phase.CANCELLED:
        raise JobFailed(f"{job.title} was cancelled")
    if status.phase is Phase.FAILED:
        failed = JobFailed(f"{job.title}: {root_cause(status.message)}")
        raise find_mistake(status.message) or failed


def _cancel(job: Job) -> None:
    """Cancels; a second Ctrl-C ends the program at once, as the display is gone."""
    try:
        with step(f"cancelling {job.title}"):
            job.cancel()
    except (OSError, Stopped) as error:
        say_stopped(f"{job.title} may still be running: {error}; {job.cancel_hint}")
        return
    say_stopped(f"cancelled {job.title}; what is published is whole, the same command resumes")


def _raise_stopped(number: int, _: FrameType | None) -> None:
    raise Stopped(number)
