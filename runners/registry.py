"""Which module launches the job on which runner."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.transforms.errors import InputError

if TYPE_CHECKING:  # it imports Beam, and the names of runners stand in the help
    from imagenet_beam.runners.base import RunnerModule

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


def runner(beam_args: Sequence[str]) -> RunnerModule:
    """The module that runs the job where `--runner` says.

    Raises:
        InputError: If there is no such runner.
    """
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
