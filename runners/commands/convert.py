"""`imagenet-beam convert`: flags in, TFRecords out, exit status back."""

from __future__ import annotations

import argparse
import resource
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imagenet_beam.pipeline.config import Workers, check_range
from imagenet_beam.pipeline.conversion import Conversion, output_folder, prepare
from imagenet_beam.pipeline.datasets.registry import DATASETS
from imagenet_beam.pipeline.notes import split_notes
from imagenet_beam.pipeline.output import REJECTS
from imagenet_beam.pipeline.preflight import archive_notes
from imagenet_beam.pipeline.progress import counted, duration
from imagenet_beam.runners import base
from imagenet_beam.runners.commands.report import write_report
from imagenet_beam.runners.commands.verify import FOUND, verify_and_say
from imagenet_beam.runners.flags import given_fields
from imagenet_beam.runners.progress import say
from imagenet_beam.runners.request import config_from_flags, download_if_asked
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
    runner = base.runner(beam_args)
    for flag in ("verify", "report"):
        if args.detach and getattr(args, flag):
            raise InputError(f"--{flag} waits for the end, --detach does not; leave one out")
    check_range("max_rejects", args.max_rejects, 0, MAX_REJECTS)
    workers = Workers(**given_fields(args, "workers"))
    options = base.LaunchOptions(tuple(beam_args), args.detach, workers)
    runner.check(config, options)
    download_if_asked(args)
    with output_folder(config).exclusive():
        conversion = prepare(config)
        if conversion.is_complete:
            conversion.add_indexes()
            say(f"{config.output_dir} is complete already: nothing to do")
        else:
            for finding in conversion.findings:
                say(f"{finding}; it is written again")
            shards = counted(sum(split.num_shards for split in config.splits), "shard")
            done = f"{conversion.shards_done:,} of {shards} in {config.output_dir} already"
            writing = f"writing {shards} to {config.output_dir}"
            say(f"resuming: {done}" if conversion.shards_done else writing)
            for note in archive_notes(conversion.splits, conversion.storage):
                say(note)
            if not DATASETS[args.dataset].fits_in_memory:
                for line in streaming_notes(conversion):
                    say(line)
            if not runner.launch(conversion, options):
                return DONE
    manifest = conversion.output.read_manifest()
    say(summary(manifest, conversion, time.monotonic() - started))
    if args.report:
        say(f"report: {write_report(config.output_dir, config.storage)}")
    else:
        say(f"to look at it: imagenet-beam report {shlex.quote(config.output_dir)}")
    if args.verify and verify_and_say(config.output_dir, config.storage):
        return FOUND
    rejects = sum(entry["rejects"] for entry in manifest["splits"].values())
    if rejects <= args.max_rejects:
        return DONE
    say(
        f"{counted(rejects, 'image')} rejected, {args.max_rejects:,} allowed: see "
        f"{conversion.output.path(REJECTS)}; if that is right, run again with "
        f"--max_rejects={rejects}"
    )
    return TOO_MANY_REJECTS


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


def summary(manifest: Mapping[str, Any], conversion: Conversion, seconds: float) -> str:
    """What came out, a line for each split and one for the run."""
    lines = []
    for name, entry in manifest["splits"].items():
        lines.append(_split_line(name, entry))
        lines += [f"{name}: {note.text}" for note in split_notes(entry)]
    if "bounding_boxes" in manifest:
        boxes = manifest["bounding_boxes"]
        fates = ", ".join(f"{boxes[fate]:,} {fate}" for fate in ("clamped", "swapped", "dropped"))
        lines.append(
            f"bounding boxes: {boxes['boxes']:,} in {counted(boxes['files'], 'file')}, {fates}, "
            f"{boxes['without_image']:,} for images that are not there"
        )
    images = sum(entry["images"] for entry in manifest["splits"].values())
    if not conversion.is_complete:
        done = images - conversion.images_done
        lines.append(
            f"{counted(done, 'image')} in {duration(seconds)}, "
            f"{done / max(seconds, 1e-3):,.0f} images/s, peak memory {_peak_memory_mb():,.0f} MB"
        )
    return "\n".join(lines)


def _split_line(name: str, entry: Mapping[str, Any]) -> str:
    official = ""
    if "is_official_count" in entry:
        official = (
            " (the official count)"
            if entry["is_official_count"]
            else f" (the official archive has {entry['official_images']:,})"
        )
    return (
        f"{name}: {counted(entry['images'], 'image')}{official} = "
        f"{counted(entry['records'], 'record')} + {counted(entry['rejects'], 'reject')}, "
        f"{counted(len(entry['shards']), 'shard')}, "
        f"{entry['bytes'] / 1e6:,.1f} MB"
    )


def _peak_memory_mb() -> float:
    """Of this process and of its largest child; ru_maxrss is in KiB on Linux, bytes on macOS."""
    unit = 1 if sys.platform == "darwin" else 1024
    usage = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in usage) * unit / 1e6
