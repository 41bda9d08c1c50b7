"""The command line: `imagenet-beam`."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Callable, Sequence

from imagenet_beam.pipeline.download.sources import DownloadError
from imagenet_beam.runners.arguments import (
    SentenceParser,
    check_beam_flags,
    check_values,
    with_home,
)
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
from imagenet_beam.runners.failures import JobFailed, quiet_logging
from imagenet_beam.runners.flags import with_flags
from imagenet_beam.runners.request import add_convert_parser
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import libraries
from imagenet_beam.transforms.plain_text import shown, shown_lines

JOB_FAILED, WRONG_INPUT = 1, 2
STOPPED = 128 + 2
"""As shells say it of a program that Ctrl-C (signal 2) ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status; prints a mistake as one sentence."""
    arguments = list(map(with_home, sys.argv[1:] if argv is None else argv))
    try:
        return _run(arguments)
    except InputError as error:
        print(f"imagenet-beam: {shown(with_flags(error))}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:  # before the job: a runner has its own way to stop
        print("\nimagenet-beam: stopped; the same command may be run again", file=sys.stderr)
        return STOPPED
    except (JobFailed, DownloadError) as error:
        failed = "the job failed: " if isinstance(error, JobFailed) else ""
        print(f"imagenet-beam: {failed}{shown_lines(str(error))}", file=sys.stderr)
        return JOB_FAILED


def build_parser() -> tuple[SentenceParser, SentenceParser]:
    """The parser of all commands, and that of `convert`, which takes Beam's flags too."""
    parser = SentenceParser(
        prog="imagenet-beam",
        description="Turns image archives into sharded TFRecords.",
    )
    parser.add_argument("--version", action=_ShowVersions, nargs=0, help="show the versions")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    convert = add_convert_parser(commands)
    download.add_download_parser(commands)
    inspect.add_inspect_parser(commands)
    index.add_index_parser(commands)
    verify.add_verify_parser(commands)
    show.add_show_parser(commands)
    report.add_report_parser(commands)
    bounding_boxes.add_bounding_boxes_parser(commands)
    synthesize.add_synthesize_parser(commands)
    return parser, convert


class _ShowVersions(argparse.Action):
    """Looks up and prints this program's version, and those that decide bytes and runners."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        names = ("imagenet-beam", "apache-beam")
        ours, beam = (f"{name} {importlib.metadata.version(name)}" for name in names)
        print(f"{ours} ({', '.join([beam, *map(' '.join, libraries().items())])})")
        parser.exit()


def _run(arguments: list[str]) -> int:
    parser, convert = build_parser()
    args, rest = parser.parse_known_args(arguments)
    if not args.command:
        parser.print_help()
        return WRONG_INPUT
    quiet_logging()
    if args.command == "convert":
        check_values(arguments, convert)
        check_beam_flags(rest, convert.flags())
        from imagenet_beam.runners.commands.convert import run_convert

        return run_convert(args, rest)
    if rest:
        raise InputError(f"unknown flag {rest[0]}; see imagenet-beam {args.command} --help")
    run: Callable[[argparse.Namespace], int] = {
        "download": download.run_download,
        "inspect": inspect.run_inspect,
        "index": index.run_index,
        "verify": verify.run_verify,
        "show": show.run_show,
        "report": report.run_report,
        "bounding_boxes": bounding_boxes.run_bounding_boxes,
        "synthesize": synthesize.run_synthesize,
    }[args.command]
    return run(args)
