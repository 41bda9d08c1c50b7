r"""The Flex Template: its entry point, and the description of its parameters.

The launcher of Dataflow runs this file with the user's parameters and its own, all
as `--name=value`. `metadata` is made from the flags of the command, so that it
cannot fall behind them; the file beside this one is what it gave last:

    python -m imagenet_beam.runners.dataflow.flex_template \
      > runners/dataflow/flex_template_metadata.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from imagenet_beam.runners.cli import main as command_line
from imagenet_beam.runners.flags import FLAGS, Flag

_NOT_FOR_TEMPLATES = ("detach", "download_dir", "dry_run", "verify", "report")
"""The launcher leaves the job to itself, sees no end, and has no disk to download to."""

_ONE_REMOTE = r"gs://[a-z0-9][-_.a-z0-9]{1,220}[a-z0-9](/[^,]*)?"
_REMOTE = f"^{_ONE_REMOTE}$"
_REMOTES = f"^{_ONE_REMOTE}(,{_ONE_REMOTE})*$"
_LOCAL = ("scratch_dir",)
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
    switches = {f"--{flag.name}" for flag in FLAGS if not flag.value}
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
    offered = [flag for flag in FLAGS if flag.name not in _NOT_FOR_TEMPLATES]
    return {
        "name": "imagenet-beam convert",
        "description": "Turns image archives into sharded TFRecords.",
        "streaming": False,
        "parameters": [*map(_parameter, offered), _IMAGE],
    }


def _parameter(flag: Flag) -> dict[str, Any]:
    value = flag.value if isinstance(flag.value, str) else "|".join(flag.value)
    text = flag.description % {"choices": value.replace("|", ", ")}
    return {
        "name": flag.name,
        "label": flag.name.replace("_", " ").capitalize(),
        "helpText": f"{text}; --{flag.name}={value or 'true'}",
        "isOptional": flag.name != "output_dir",
        "regexes": [_pattern(flag)],
    }


def _pattern(flag: Flag) -> str:
    """What a flag's value looks like."""
    if not flag.value:
        return _SWITCH
    if not isinstance(flag.value, str):
        return f"^({'|'.join(flag.value)})$"
    if flag.value == "N":
        return "^-?[0-9]+$"
    if "|" in flag.value:  # the forms of a size
        return f"^({re.sub('[NWH]', '[0-9]+', flag.value)})$"
    if flag.value == "PATHS":
        return _REMOTES
    is_remote = flag.value in ("PATH", "DIR") and flag.name not in _LOCAL
    return _REMOTE if is_remote else "^.+$"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main())
    print(json.dumps(metadata(), indent=2))
