"""Which module launches the job on which runner."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from imagenet_beam.pipeline.prepare import Prepared
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.transforms.core.errors import InputError

Launch = Callable[[Prepared, Sequence[str]], None]

DIRECT = "DirectRunner"
LAUNCHERS = {
    "DirectRunner": "imagenet_beam.runners.direct",
    "FnApiRunner": "imagenet_beam.runners.direct",
}
"""Each module has `launch(prepared, beam_args)`, which returns when the job has ended well."""


def launcher(beam_args: Sequence[str]) -> Launch:
    """The function that runs the job where `--runner` says.

    Raises:
        InputError: If there is no such runner.
    """
    parser = SentenceParser(add_help=False)
    parser.add_argument("--runner", default=DIRECT)
    name = parser.parse_known_args(list(beam_args))[0].runner
    known = {key.lower(): key for key in LAUNCHERS}
    known |= {key.removesuffix("runner"): value for key, value in known.items()}
    if name.lower() not in known:
        raise InputError(
            f"--runner={name} is not known; accepted are {', '.join(sorted(LAUNCHERS))}"
        )
    module = importlib.import_module(LAUNCHERS[known[name.lower()]])
    launch: Launch = module.launch
    return launch
