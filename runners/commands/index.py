"""`imagenet-beam index`: index files for TFRecords that are there already."""

from __future__ import annotations

import argparse
import sys

from imagenet_beam.pipeline.progress import ShownProgress, counted
from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.flags import GCS, GCS_READ, GCS_WRITE, add_flags
from imagenet_beam.runners.request import storage_from_flags

_DESCRIPTION = """\
Writes an index for each TFRecord file, a line `offset size` for each record, as
vahidk/tfrecord and DALI read them: train-00000-of-01024.idx. With it a set in a
bucket can be read at random at once. `convert --index` writes the same files.

example:
  imagenet-beam index tfrecords
"""


def add_index_parser(commands: argparse._SubParsersAction[SentenceParser]) -> None:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "index", help="write index files for TFRecords", description=_DESCRIPTION
    )
    parser.add_argument(
        "paths",
        metavar="DIRECTORY_OR_FILE",
        nargs="+",
        help="folders of TFRecords, files, or patterns in quotes",
    )
    parser.add_argument(
        "--index_dir", metavar="DIR", default="", help="where to write; else beside each file"
    )
    add_flags(parser, GCS, (*GCS_READ, GCS_WRITE))


def run_index(args: argparse.Namespace) -> int:
    """Writes the index files and says how many there are."""
    from imagenet_beam.pipeline.reading.found import all_shards
    from imagenet_beam.pipeline.reading.index import write_indexes

    storage = storage_from_flags(args, "index_dir")
    shards = [shard for path in args.paths for shard in all_shards(path, storage)]
    with ShownProgress(sys.stderr, spell=lambda files: counted(round(files), "file")) as progress:
        progress.start("index", len(shards))
        records = write_indexes(shards, storage, args.index_dir, lambda: progress.advance(1))
    print(f"{counted(len(shards), 'index file')} for {counted(records, 'record')}", file=sys.stderr)
    return 0
