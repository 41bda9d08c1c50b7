"""`imagenet-beam convert`: flags in, TFRecords out, exit status back."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from imagenet_beam.pipeline.config import Workers, check_range
from imagenet_beam.pipeline.conversion import Conversion, output_folder, prepare
from imagenet_beam.pipeline.datasets.registry import DATASETS
from imagenet_beam.pipeline.label_notes import notes_after
from imagenet_beam.pipeline.output import REJECTS
from imagenet_beam.pipeline.preflight import archive_notes
from imagenet_beam.pipeline.progress import columns_of, counted
from imagenet_beam.runners import base
from imagenet_beam.runners.arguments import flags_without_effect
from imagenet_beam.runners.commands.report import write_report
from imagenet_beam.runners.commands.verify import FOUND, verify_and_say
from imagenet_beam.runners.flags import given_fields, with_flags
from imagenet_beam.runners.follow import on_stop
from imagenet_beam.runners.request import config_from_flags, download_if_asked
from imagenet_beam.runners.steps import say, say_prose, step
from imagenet_beam.runners.summary import speed, summary
from imagenet_beam.transforms.errors import InputError

DONE, TOO_MANY_REJECTS = 0, 3
MAX_REJECTS = 2**63 - 1


def run_convert(args: argparse.Namespace, beam_args: Sequence[str]) -> int:
    """Runs a conversion.

    Returns:
        The exit status: 0, or 3 with more rejects than allowed.

    Raises:
        InputError: If flags or inputs are wrong.
        JobFailed: If the job fails.
    """
    started = time.monotonic()
    config = config_from_flags(args)
    with step("starting Apache Beam", is_logged=False):
        runner = base.runner(beam_args)
    for flag in ("verify", "report"):
        if args.detach and getattr(args, flag):
            raise InputError(f"--{flag} waits for the end, --detach does not; leave one out")
    check_range("max_rejects", args.max_rejects, 0, MAX_REJECTS)
    workers = Workers(**given_fields(args, "workers"))
    options = base.LaunchOptions(tuple(beam_args), args.detach, workers)
    with step("checking the runner", is_logged=False):
        runner.check(config, options)
    name = base.runner_name(beam_args)
    for flag in flags_without_effect(beam_args, name):
        say_prose(f"warning: {flag} has no effect with --runner={name}")
    download_if_asked(args)
    if args.dry_run:
        from imagenet_beam.runners.commands.dry_run import run_dry

        run_dry(config, workers)
        return DONE
    with on_stop(_interrupt), output_folder(config).exclusive():
        with step("checking the inputs", is_logged=False):
            conversion = prepare(config)
        if conversion.is_complete:
            conversion.add_indexes()
            say(f"{config.output_dir} is complete already: nothing to do")
        else:
            for finding in conversion.findings:
                say(f"{finding}; it is written again")
            if conversion.shards_done:
                say(f"resuming: {_done_already(conversion)} in {config.output_dir} already")
            for note in (
                *conversion.notes,
                *archive_notes(conversion.splits, conversion.storage),
            ):
                say_prose(with_flags(note))
            if not DATASETS[args.dataset].fits_in_memory:
                for line in streaming_notes(conversion):
                    say(line)
            if not runner.launch(conversion, options):
                return DONE
    manifest = conversion.output.read_manifest()
    if not conversion.is_complete:
        images = sum(entry["images"] for entry in manifest["splits"].values())
        say(speed(images - conversion.images_done, time.monotonic() - started) + "\n")
    report = ""
    if args.report:
        with step("writing the report", is_logged=False):
            report = write_report(config.output_dir, config.storage)
    columns = columns_of(sys.stderr) if sys.stderr.isatty() else sys.maxsize
    labels = map(with_flags, notes_after(config, manifest))
    say(summary(manifest, config.output_dir, report, columns, labels))
    if args.verify and verify_and_say(config.output_dir, config.storage):
        return FOUND
    rejects = sum(entry["rejects"] for entry in manifest["splits"].values())
    if rejects <= args.max_rejects:
        return DONE
    say(
        f"\n{counted(rejects, 'image')} rejected, {args.max_rejects:,} allowed: see "
        f"{conversion.output.path(REJECTS)}; if that is right, run again with "
        f"--max_rejects={rejects}"
    )
    return TOO_MANY_REJECTS


def _done_already(conversion: Conversion) -> str:
    """`2 of 7 shards`, or without the sum while that is not known."""
    numbers = conversion.num_shards.values()
    if not all(numbers):
        return counted(conversion.shards_done, "shard")
    return f"{conversion.shards_done:,} of {counted(sum(numbers), 'shard')}"


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    """Ends by SIGTERM as by Ctrl-C: with all that `finally` has to do."""
    raise KeyboardInterrupt(number)


def streaming_notes(conversion: Conversion) -> Iterator[str]:
    """Says of each split that is read as a stream what that needs."""
    for split in conversion.splits:
        if split.is_streamed:
            shown = split.archives[0] + (", …" if len(split.archives) > 1 else "")
            yield (
                f"{shown} is compressed and cannot be read in place: the {split.name} images go "
                "through the shuffle (--shuffle=images) and it is decompressed twice; the direct "
                "runner holds the records that are left to write in memory, six bytes for each "
                "byte of them, so decompress it first if they do not fit"
            )
