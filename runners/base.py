"""The one shape of a runner: options in, checks, launch, follow, exit status.

A runner is a module with two functions, named in `imagenet_beam.runners.registry`:
see `RunnerModule`. Where the job runs in another process or on another machine,
`launch` makes a `Job` of it and hands it to `imagenet_beam.runners.follow`, which
shows progress, cancels on Ctrl-C, and turns the job's end into an exception.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

from imagenet_beam.pipeline.config import ConvertConfig, Workers
from imagenet_beam.pipeline.conversion import Conversion


class LaunchOptions(NamedTuple):
    """How a job is to be launched.

    Attributes:
        beam_args: The flags of Apache Beam, as they were typed.
        detach: Whether to return once the job has been submitted.
        workers: How many threads workers have; where it does not say, the runner knows.
    """

    beam_args: tuple[str, ...] = ()
    detach: bool = False
    workers: Workers = Workers()


class RunnerModule(Protocol):
    """What a runner's module offers."""

    def check(self, config: ConvertConfig, options: LaunchOptions) -> None:
        """Refuses, before anything is written, what cannot work on this runner.

        Raises:
            InputError: Naming the flag, what is wrong, and what is accepted.
        """

    def launch(self, conversion: Conversion, options: LaunchOptions) -> bool:
        """Runs the job.

        Returns:
            True when the job has ended well; False when it was left to itself
            (`detach`), or only a template was written: there is no manifest yet.

        Raises:
            InputError: If the inputs turn out to be wrong.
            JobFailed: If the job fails for another reason.
            SystemExit: If the user stopped it; with status 128 + the signal's number.
        """


class Phase(enum.Enum):
    """What matters of a job's state, whatever the runner calls it."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobStatus(NamedTuple):
    """How a job is.

    Attributes:
        phase: Whether it goes on, and if not, how it ended.
        state: The runner's own word, shown to the user: `RESTARTING`.
        message: Of a failed job, all that the runner says of the cause.
    """

    phase: Phase
    state: str
    message: str = ""


class Job(Protocol):
    """A job that was submitted.

    Attributes:
        title: What messages call it: `Flink job 3f2a...`.
        follow_hint: A sentence on where to look at it, for `detach`.
        cancel_hint: A sentence on how to cancel it, for `detach`.
    """

    title: str
    follow_hint: str
    cancel_hint: str

    def status(self) -> JobStatus:
        """Asks the runner; called every few seconds.

        Raises:
            OSError: If the runner does not answer at present; asked again later.
        """

    def cancel(self) -> None:
        """Ends the job, and returns when it has ended or will.

        Raises:
            OSError: If the runner does not answer.
        """

    def close(self) -> None:
        """Ends what this process holds for the job, such as a job server."""
