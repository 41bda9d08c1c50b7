"""The command line: `imagenet-beam`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from collections.abc import Callable, Iterator, Sequence

from imagenet_beam.runners.arguments import (
    SentenceParser,
    check_beam_flags,
    check_command_first,
    check_values,
    unknown_flag,
    with_home,
)
from imagenet_beam.runners.failures import JOB_FAILED, JobFailed, hang_ups, quiet_logging
from imagenet_beam.runners.runner_help import asks_for_runner, runner_help
from imagenet_beam.runners.steps import say_prose, say_stopped, step
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import shown

WRONG_INPUT = 2
STOPPED = 128 + 2
"""As shells say it of a program that Ctrl-C (signal 2) ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status; prints a mistake as one sentence."""
    arguments = list(map(with_home, sys.argv[1:] if argv is None else argv))
    try:
        return _run(arguments)
    except InputError as error:
        from imagenet_beam.runners.flags import with_flags

        say_prose(f"imagenet-beam: {shown(with_flags(error))}")
        return WRONG_INPUT
    except KeyboardInterrupt as stop:  # before the job: a runner has its own way to stop
        say_stopped("imagenet-beam: stopped; the same command may be run again")
        return 128 + int(stop.args[0]) if stop.args else STOPPED
    except JobFailed as error:
        say_prose(f"imagenet-beam: the job failed: {error}")
        return JOB_FAILED


def build_parser() -> tuple[SentenceParser, SentenceParser]:
    """The parser of all commands, and that of `convert`, which takes Beam's flags too."""
    from imagenet_beam.runners.request import add_convert_parser

    parser = SentenceParser(
        prog="imagenet-beam",
        description="Turns image archives into sharded TFRecords.",
    )
    parser.add_argument("--version", action=_ShowVersions, nargs=0, help="show the versions")
    parsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    convert = add_convert_parser(parsers)
    for add_parser, _ in _commands().values():
        add_parser(parsers)
    return parser, convert


def _commands() -> dict[str, tuple[Callable[..., object], Callable[[argparse.Namespace], int]]]:
    """Of each command but `convert`, what adds its parser and what runs it.

    Imported here, not above: something is seen before these are, which takes a while.
    """
    from imagenet_beam.runners.commands import (
        bounding_boxes,
        download,
        index,
        inspect,
        report,
        show,
        synthesize,
        verify,
    )

    return {
        "download": (download.add_download_parser, download.run_download),
        "inspect": (inspect.add_inspect_parser, inspect.run_inspect),
        "index": (index.add_index_parser, index.run_index),
        "verify": (verify.add_verify_parser, verify.run_verify),
        "show": (show.add_show_parser, show.run_show),
        "report": (report.add_report_parser, report.run_report),
        "bounding_boxes": (
            bounding_boxes.add_bounding_boxes_parser,
            bounding_boxes.run_bounding_boxes,
        ),
        "synthesize": (synthesize.add_synthesize_parser, synthesize.run_synthesize),
    }


class _ShowVersions(argparse.Action):
    """Looks up and prints this program's version, and those that decide bytes and runners."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import importlib.metadata

        from imagenet_beam.transforms.images.options import libraries

        names = ("imagenet-beam", "apache-beam")
        ours, beam = (f"{name} {importlib.metadata.version(name)}" for name in names)
        print(f"{ours} ({', '.join([beam, *map(' '.join, libraries().items())])})")
        parser.exit()


def _run(arguments: list[str]) -> int:
    hang_ups.reset()  # where one process runs several commands
    if asks_for_runner(arguments):
        quiet_logging()
        print(runner_help(arguments), end="")
        return 0
    with step("starting", is_logged=False), _uncollected():
        from imagenet_beam.pipeline.download.sources import DownloadError

        parser, convert = build_parser()
        check_command_first(arguments, parser, convert.flags())
        args, rest = parser.parse_known_args(arguments)
    if not args.command:
        parser.print_help()
        return WRONG_INPUT
    quiet_logging()
    try:
        if args.command == "convert":
            return _convert(args, rest, arguments, convert)
        if rest:
            raise unknown_flag(rest[0], [], f"imagenet-beam {args.command} --help")
        _, run = _commands()[args.command]
        return run(args)
    except DownloadError as error:
        say_prose(f"imagenet-beam: {error}")
        return JOB_FAILED


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Around imports: of what they make nothing is garbage, and to look takes a tenth of them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _convert(
    args: argparse.Namespace, rest: list[str], arguments: list[str], parser: SentenceParser
) -> int:
    check_values(arguments, parser)
    with step("starting Apache Beam", is_logged=False), _uncollected():
        check_beam_flags(rest, parser.flags())
        from imagenet_beam.runners.commands.convert import run_convert
    return run_convert(args, rest)
