"""An argument parser that refuses in one sentence, and takes Beam's flags as they are."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from imagenet_beam.transforms.errors import InputError

_HOME = re.compile(r"(?<=[=,])~(?=/|,|$)")
_LOOKED_AT_BY = {
    "DirectOptions": ("DirectRunner", "FnApiRunner"),
    "FlinkRunnerOptions": ("FlinkRunner",),
    "JobServerOptions": ("FlinkRunner",),
    "PortableOptions": ("FlinkRunner", "PortableRunner", "PrismRunner", "DataflowRunner"),
    "PrismRunnerOptions": ("PrismRunner",),
    "S3Options": (),  # s3:// is read by boto3, which the environment sets up
    "SparkRunnerOptions": (),
    "KafkaStreamsRunnerOptions": (),
}
"""The runners that look at the flags of a class of Beam's; all do at those of other classes."""

_DATAFLOW_FLAGS = frozenset(
    f"--{name}"
    for name in [
        "num_workers",
        "max_num_workers",
        "autoscaling_algorithm",
        "machine_type",
        "worker_machine_type",
        "disk_size_gb",
        "disk_type",
        "worker_disk_type",
        "project",
        "region",
        "worker_region",
        "worker_zone",
        "zone",
        "network",
        "subnetwork",
        "use_public_ips",
        "no_use_public_ips",
        "min_cpu_platform",
        "temp_location",
        "staging_location",
        "template_location",
        "service_account_email",
        "labels",
        "flexrs_goal",
        "dataflow_endpoint",
        "dataflow_service_options",
    ]
)
"""Flags for Dataflow alone, of classes that hold others, too."""

_WHOLE_NUMBER = re.compile(r"[+-]?(?=.{1,40}$)([0-9]{1,3}(,[0-9]{3})+|[0-9]+(_[0-9]+)*)")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions, and puts more flags on the line of their help."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


class SentenceParser(argparse.ArgumentParser):
    """Raises `InputError` where argparse prints the usage and exits."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", _HelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raises `InputError` with the flag first, as it was typed."""
        raise InputError(message.removeprefix("argument "))

    def flags(self) -> list[str]:
        """All flags that the parser knows."""
        return [flag for action in self._actions for flag in action.option_strings]

    def valued_flags(self) -> dict[str, bool]:
        """The flags that take a value, and whether it is a list."""
        actions = (action for action in self._actions if isinstance(action, argparse._StoreAction))
        return {
            flag: action.type is comma_separated
            for action in actions
            for flag in action.option_strings
        }


def whole_number(text: str) -> int:
    """The type of flags that take a whole number."""
    if not _WHOLE_NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; give a whole number, such as 128"
        )
    return int(text.replace(",", ""))


def fraction(text: str) -> float:
    """The type of flags that take a part of the whole."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; give a number above 0 and up to 1, such as 0.01"
        ) from error


def comma_separated(text: str) -> tuple[str, ...]:
    """The type of flags that take a list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def with_home(argument: str) -> str:
    """Puts the home folder for `~/` in `--flag=~/a,~/b`, where most shells leave it."""
    if not argument.startswith("--"):
        return argument
    return _HOME.sub(lambda _: Path.home().as_posix(), argument)


def check_values(args: Sequence[str], parser: SentenceParser) -> None:
    """Refuses a flag without its value, as of a variable that is not set.

    A list that is given twice is refused, too: the first one would be lost in silence.
    Of other flags the last one counts, so that a script's defaults can be overruled.

    Args:
        args: The arguments as they were typed.
        parser: The parser of the command.
    """
    seen = set()
    valued = parser.valued_flags()
    for number, argument in enumerate(args):
        flag, mark, value = argument.partition("=")
        if flag not in valued:
            continue
        if not (value if mark else "".join(args[number + 1 : number + 2])):
            raise InputError(f"{flag} has no value; give one, or leave the flag out")
        if flag in seen and valued[flag]:
            raise InputError(f"{flag} is given twice; give it once, with commas between values")
        seen.add(flag)


def check_beam_flags(args: Sequence[str], own_flags: Sequence[str]) -> None:
    """Refuses what neither this program nor Beam knows; Beam itself would ignore it.

    `--streaming` is refused, too, which would turn the job into one without an end.

    Args:
        args: The arguments that are not this program's own.
        own_flags: The program's own flags, to suggest what may have been meant.
    """
    if not args:
        return
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = SentenceParser(add_help=False, conflict_handler="resolve")
    for options in PipelineOptions.__subclasses__():  # of every runner of this Beam version
        options._add_argparse_args(parser)
    known, unknown = parser.parse_known_args(list(args))
    if known.streaming:
        raise InputError("--streaming is not accepted: a set of shards has an end; leave it out")
    if not unknown:
        return
    if not unknown[0].startswith("-"):
        raise InputError(f"{unknown[0]} is not a flag; flags are given as --name=value")
    raise unknown_flag(unknown[0], [*own_flags, *parser.flags()], "imagenet-beam convert --help")


def unknown_flag(argument: str, known: Sequence[str], help_command: str) -> InputError:
    """The refusal of a flag, with the one that may have been meant."""
    name = argument.partition("=")[0]
    close = difflib.get_close_matches(name, known, n=1)
    if name in ("-v", "-V"):
        close = ["imagenet-beam --version"]
    hint = f"did you mean {close[0]}?" if close else f"see {help_command}"
    return InputError(f"unknown flag {name}; {hint}")


def check_command_first(
    args: Sequence[str], parser: SentenceParser, of_convert: Sequence[str]
) -> None:
    """Refuses a command's flag that stands before the command.

    Args:
        args: The arguments as they were typed.
        parser: That of all commands.
        of_convert: The flags of the command `convert`.
    """
    flag = args[0].partition("=")[0] if args else ""
    if not flag.startswith("-") or flag in parser.flags():
        return
    if flag not in of_convert:
        raise unknown_flag(flag, parser.flags(), "imagenet-beam --help")
    raise InputError(
        f"{flag} stands before the command; write the command first: "
        f"imagenet-beam convert {flag}=..."
    )


def flags_without_effect(args: Sequence[str], runner: str) -> list[str]:
    """The flags of Apache Beam among these that this runner does not look at.

    Only those that are for other runners, beyond doubt, are found.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    foreign = set() if runner == "DataflowRunner" else set(_DATAFLOW_FLAGS)
    for options in PipelineOptions.__subclasses__():
        if runner not in _LOOKED_AT_BY.get(options.__name__, (runner,)):
            parser = SentenceParser(add_help=False, conflict_handler="resolve")
            options._add_argparse_args(parser)
            foreign |= {*parser.flags()}
    names = (argument.partition("=")[0] for argument in args)
    return [name for name in dict.fromkeys(names) if name in foreign]
