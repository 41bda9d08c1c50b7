"""The one shape of a runner, and which module launches the job on which runner.

A runner is a module with two functions, named in `RUNNERS`: see `RunnerModule`. Where
the job runs in another process or on another machine, `launch` makes a `Job` of it and
hands it to `imagenet_beam.runners.follow`, which shows progress, cancels on Ctrl-C, and
turns the job's end into an exception.
"""

from __future__ import annotations

import enum
import hashlib
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from imagenet_beam.pipeline.config import ConvertConfig, Workers
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.transforms.errors import InputError

if TYPE_CHECKING:  # it imports Beam, and the names of runners stand in the help
    from imagenet_beam.pipeline.conversion import Conversion

DIRECT = "DirectRunner"
RUNNERS = {
    "DirectRunner": "imagenet_beam.runners.direct",
    "FnApiRunner": "imagenet_beam.runners.direct",
    "FlinkRunner": "imagenet_beam.runners.flink.launch",
    "DataflowRunner": "imagenet_beam.runners.dataflow.job",
    "PortableRunner": "imagenet_beam.runners.portable",
    "PrismRunner": "imagenet_beam.runners.portable",
}
"""Each module is a `RunnerModule`; a further runner is one more module and one more line."""


class LaunchOptions(NamedTuple):
    """How a job is launched.

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


def output_mark(output_dir: str) -> str:
    """What the names of all jobs for an output folder end with."""
    return hashlib.sha256(output_dir.rstrip("/").encode()).hexdigest()[:12]


def runner(beam_args: Sequence[str]) -> RunnerModule:
    """The module that runs the job where `--runner` says."""
    return cast("RunnerModule", importlib.import_module(RUNNERS[runner_name(beam_args)]))


def runner_name(beam_args: Sequence[str]) -> str:
    """The name of the runner that `--runner` means, whatever its case.

    Raises:
        InputError: If there is no such runner.
    """
    parser = SentenceParser(add_help=False)
    parser.add_argument("--runner", default=DIRECT)
    name = parser.parse_known_args(list(beam_args))[0].runner
    known = {key.lower(): key for key in RUNNERS}
    known |= {key.removesuffix("runner"): value for key, value in known.items()}
    if name.lower() not in known:
        raise InputError(f"--runner={name} is not known; accepted are {', '.join(sorted(RUNNERS))}")
    return known[name.lower()]
