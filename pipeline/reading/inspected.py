"""What `imagenet-beam inspect` says of records: an output folder, or any TFRecords."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError

from imagenet_beam.pipeline.output import MANIFEST, PLAN, OutputFolder
from imagenet_beam.pipeline.progress import counted, in_units
from imagenet_beam.pipeline.reading.check_records import form_of_record, form_of_schema
from imagenet_beam.pipeline.reading.check_shards import walk_records
from imagenet_beam.pipeline.reading.found import all_shards, read_manifest
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.schemas import SCHEMAS
from imagenet_beam.transforms.storage.files import Storage


class Inspected(NamedTuple):
    """What was found: a title and further lines."""

    title: str
    facts: list[str]


def inspect_output(path: str, storage: Storage) -> Inspected | None:
    """An output folder, finished or not; None if it is none."""
    folder = OutputFolder(path, storage, frozenset())
    if not _exists(folder.path(MANIFEST), storage):
        if not _exists(folder.path(PLAN), storage):
            return None
        wanted = sum(split["shards"] for split in folder.read_plan().content["splits"].values())
        done = f"{len(folder.receipts_present()):,} of {counted(wanted, 'shard')} written"
        return Inspected("an unfinished conversion", [f"{done}; the same command resumes it"])
    manifest = read_manifest(folder.path(MANIFEST), storage)
    facts = []
    for split, entry in sorted(manifest["splits"].items()):
        size = in_units(entry["bytes"])
        rejects = f", {counted(entry['rejects'], 'reject')}" if entry["rejects"] else ""
        shards, records = (
            counted(len(entry["shards"]), "shard"),
            counted(entry["records"], "record"),
        )
        facts.append(f"{split}: {records} in {shards}, {size}{rejects}")
    classes, schema = manifest["classes"], manifest["options"]["schema"]
    labels = f"labels from {classes['label_base']}"
    facts.append(f"classes: {classes['count']:,}, {labels}, keys of {schema}")
    splits = " and ".join(sorted(manifest["splits"]))
    return Inspected(f"TFRecords of this program: {splits}", facts)


def inspect_shards(path: str, storage: Storage) -> Inspected | None:
    """A TFRecord file or a folder of such, compressed or not; None if the first one is none."""
    try:
        found = all_shards(path, storage)
        first = next(walk_records(found[0], storage))
        form = form_of_record(first.data) if not first.fault else None
    except (InputError, StopIteration):
        return None
    except DecodeError:
        form = {}
    if form is None:
        return None
    known = [name for name in SCHEMAS if form_of_schema(SCHEMAS[name]).keys() == form.keys()]
    keys = f"keys of {known[0]}" if known else f"keys: {', '.join(sorted(form))}"
    size_bytes = sum(storage.stat(path).size_bytes for path in found)
    size = f"{counted(len(found), 'file')}, {in_units(size_bytes)}"
    return Inspected("TFRecords", [size, keys if form else "the records are no tf.train.Example"])


def _exists(path: str, storage: Storage) -> bool:
    try:
        storage.stat(path)
    except InputError:
        return False
    return True
