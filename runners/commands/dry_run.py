"""`imagenet-beam convert --dry_run`: what would be written, and in how long."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.pipeline.config import ConvertConfig, Workers
from imagenet_beam.pipeline.conversion import Conversion, prepare
from imagenet_beam.pipeline.dry_run import Estimate, estimate
from imagenet_beam.pipeline.progress import columns_of, counted, duration, folded, in_units
from imagenet_beam.runners.beam_options import JobOptions
from imagenet_beam.runners.failures import explained
from imagenet_beam.runners.flags import with_flags
from imagenet_beam.runners.steps import say_prose, step
from imagenet_beam.runners.summary import table
from imagenet_beam.transforms.storage.files import is_local

_HEAD = ("split", "images", "classes", "shards", "about")


def run_dry(config: ConvertConfig, workers: Workers) -> None:
    """Prints what a conversion would write; writes nothing.

    Raises:
        InputError: Where the conversion would end with it.
        JobFailed: If the images cannot be listed for another reason.
    """
    with step("checking the inputs", is_logged=False):
        conversion = prepare(config, writes=False)
    for note in conversion.notes:
        say_prose(with_flags(note))
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=JobOptions([]))
    with step("listing the images and encoding a sample"):
        try:
            found = estimate(conversion, workers, pipeline)
        except Exception as error:
            raise explained(error) from error
    columns = columns_of(sys.stdout) if sys.stdout.isatty() else sys.maxsize
    notes = (folded(note, columns) for note in _notes(conversion, found))
    print("\n".join([*table(list(_rows(found)), columns), "", *notes]))


def _rows(found: Estimate) -> Iterator[tuple[str, ...]]:
    yield _HEAD
    for split in found.splits:
        numbers = (f"{number:,}" for number in (split.images, split.classes, split.shards))
        yield (split.name, *numbers, in_units(split.size_bytes))


def _notes(conversion: Conversion, found: Estimate) -> Iterator[str]:
    config = conversion.config
    yield f"output: {config.output_dir}, about {in_units(found.size_bytes)}" + (
        f" of {in_units(found.free_bytes)} free" if found.free_bytes is not None else ""
    )
    yield f"time on this machine: about {duration(found.seconds)}"
    gets = sum(split.gets for split in found.splits)
    read_bytes = sum(split.read_bytes for split in found.splits)
    if gets or not is_local(config.output_dir):
        yield (
            f"requests: about {gets:,} reads of {in_units(read_bytes)} (to list the "
            f"archives, then to write), {found.puts:,} uploads and as many lookups"
        )
    yield "nothing was written; the same command without --dry_run does it"
    if conversion.shards_done:
        total = sum(split.shards for split in found.splits)
        there = f"{conversion.shards_done:,} of the {counted(total, 'shard')} there already"
        yield f"in the folder: {there}; all of this is for the whole set"
