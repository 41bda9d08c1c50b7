r"""The Flex Template: its entry point, and the description of its parameters.

The launcher of Dataflow runs this file with the user's parameters and its own, all
as `--name=value`. `metadata` is made from the flags of the command, so that it
cannot fall behind them; the file beside this one is what it gave last:

    python -m imagenet_beam.runners.dataflow.flex_template \
      > runners/dataflow/flex_template_metadata.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.runners.cli import main as command_line
from imagenet_beam.runners.convert_flags import add_convert_parser
from imagenet_beam.transforms.images.resize import RESIZE_PATTERN

_NOT_FOR_TEMPLATES = ("help", "detach", "download_dir")
"""The launcher always leaves the job to itself, and has no disk to download to."""

_ONE_REMOTE = r"gs://[a-z0-9][-_.a-z0-9]{1,220}[a-z0-9](/[^,]*)?"
_REMOTE = f"^{_ONE_REMOTE}$"
_REMOTES = f"^{_ONE_REMOTE}(,{_ONE_REMOTE})*$"
_LOCAL = ("scratch_dir",)
_SIZES = f"^({RESIZE_PATTERN})$"
_SWITCH = "^(true|false)$"

_IMAGE = {
    "name": "sdk_container_image",
    "label": "Worker image",
    "helpText": "the image of docs/image.md; without it Beam's own, into which the program is "
    "installed; --sdk_container_image=REGISTRY/imagenet-beam:TAG",
    "isOptional": True,
    "regexes": [r"^[^/]+/[^ ]+$"],
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a conversion as the template's parameters ask for it; returns the exit status."""
    given = sys.argv[1:] if argv is None else argv
    switches = {f"--{name}" for name, action in _flags().items() if action.nargs == 0}
    return command_line(["convert", "--runner=DataflowRunner", *switched(given, switches)])


def switched(argv: Sequence[str], switches: set[str]) -> list[str]:
    """Templates have no flags without a value: `--overwrite=true` becomes `--overwrite`."""
    arguments = []
    for argument in argv:
        name, _, value = argument.partition("=")
        if name not in switches:
            arguments.append(argument)
        elif value.lower() != "false":
            arguments.append(name)
    return arguments


def metadata() -> dict[str, Any]:
    """What a console shows and checks: every parameter, with its pattern."""
    return {
        "name": "imagenet-beam convert",
        "description": "Turns image archives into sharded TFRecords.",
        "streaming": False,
        "parameters": [*(_parameter(*flag) for flag in _flags().items()), _IMAGE],
    }


def _flags() -> Mapping[str, argparse.Action]:
    commands = SentenceParser().add_subparsers()
    parser = add_convert_parser(commands)
    return {
        action.dest: action for action in parser._actions if action.dest not in _NOT_FOR_TEMPLATES
    }


def _parameter(name: str, action: argparse.Action) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "helpText": action.help,
        "isOptional": name != "output_dir",
        "regexes": [_pattern(action)],
    }


def _pattern(action: argparse.Action) -> str:
    """What a flag's value looks like."""
    if action.nargs == 0:
        return _SWITCH
    if action.choices:
        return f"^({'|'.join(map(str, action.choices))})$"
    if action.type is whole_number:
        return "^-?[0-9]+$"
    if action.dest == "resize":
        return _SIZES
    if action.metavar == "PATHS":
        return _REMOTES
    is_remote = action.metavar in ("PATH", "DIR") and action.dest not in _LOCAL
    return _REMOTE if is_remote else "^.+$"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main())
    print(json.dumps(metadata(), indent=2))
