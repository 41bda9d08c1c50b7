"""Whether a set of records is what was written: against its manifest, or by itself."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from google.protobuf.message import DecodeError

from imagenet_beam.pipeline.output import CLASSES, MANIFEST, PLAN, OutputFolder
from imagenet_beam.pipeline.progress import Progress, counted
from imagenet_beam.pipeline.reading.check_records import (
    Form,
    RecordCheck,
    form_of_record,
    form_of_schema,
)
from imagenet_beam.pipeline.reading.check_shards import (
    CheckedShard,
    check_shard,
    crc32c_of,
    walk_records,
)
from imagenet_beam.pipeline.reading.findings import Finding, Verification
from imagenet_beam.pipeline.reading.found import all_shards
from imagenet_beam.pipeline.reading.statements import (
    Statements,
    foreign_files,
    read_statements,
    unreadable,
)
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassTable, read_classes_csv
from imagenet_beam.transforms.records.index import (
    SUFFIX,
    format_index,
    parse_index,
    scan_offsets,
)
from imagenet_beam.transforms.records.schemas import find_schema
from imagenet_beam.transforms.records.shards import KEY_BYTES
from imagenet_beam.transforms.storage.files import Storage, is_local

_STORAGE, _QUIET = Storage(), Progress()
_SHOWN = 20  # of repeated names
_NUMBERED = re.compile(r"(?P<set>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>(\.\w+)*)")


def verify(
    directory: str, deep: bool = False, storage: Storage = _STORAGE, progress: Progress = _QUIET
) -> Verification:
    """Verifies an output folder, any folder of TFRecords, one file, or a pattern of files.

    With a manifest, each shard's name, size and checksum, the counts and the files beside are
    compared with what was written down. In a bucket the checksums are those that the service
    keeps, and no shard is read. Without a manifest the records' own checksums are verified.

    Args:
        directory: What to verify.
        deep: Whether to look into each record as well: features against the schema, the image
            decoded and measured, names unique in their split, labels against `classes.csv`.
        storage: How to reach files.
        progress: Is told the bytes that are read.

    Raises:
        InputError: If there are no records to verify, or they cannot be read.
    """
    folder = OutputFolder(directory, storage, frozenset())
    is_one = is_local(directory) and not storage.is_folder(directory)  # or a pattern
    sizes = {} if is_one else storage.list_sizes(directory)
    if MANIFEST not in sizes and PLAN not in sizes:
        return _verify_files(folder, sizes, deep, progress)
    statements = read_statements(folder, sizes)
    if not statements.shards:  # neither manifest nor plan can be read
        return Verification(statements.findings, False, 0, 0, 0)
    return _verify_set(folder, statements, sizes, deep, progress)


def _verify_set(
    folder: OutputFolder,
    statements: Statements,
    sizes: Mapping[str, int],
    deep: bool,
    progress: Progress,
) -> Verification:
    findings, check = list(statements.findings), None
    if deep:
        schema = find_schema(statements.schema)
        check = RecordCheck(form_of_schema(schema), _read_table(folder, findings))
    _, kept = folder.storage.list_with_checksums(folder.directory)
    names = [name for name in itertools.chain(*statements.shards.values()) if name in sizes]
    are_indexed = any(name + SUFFIX in sizes for name in names)

    def look(name: str) -> CheckedShard:
        checked = look_at_shard(name)
        reads = deep or is_local(folder.directory)
        if are_indexed:
            checked.findings += _check_index(folder, name, sizes, reads)
        return checked

    def look_at_shard(name: str) -> CheckedShard:
        path, receipt = folder.path(name), statements.receipts.get(name)
        crc = None
        if receipt is not None and sizes[name] == receipt.size_bytes:
            quiet = _QUIET if deep else progress
            crc = kept[name] if name in kept else crc32c_of(path, folder.storage, quiet.advance)
            if crc == receipt.crc32c and not deep:
                return CheckedShard(records=receipt.records)
        checked = check_shard(path, name, folder.storage, check, progress.advance)
        if receipt is not None and crc == receipt.crc32c:
            checked.findings += _miscounted(name, checked, receipt)
        elif receipt is not None and crc is not None:
            said = f"has the crc32c {crc:08x}, and its receipt says {receipt.crc32c:08x}"
            checked.findings.insert(0, Finding(name, said))
        return checked

    shards = _look_at_all(look, {name: sizes[name] for name in names}, progress)
    for split in statements.shards.values():
        findings += _findings_of({name: shards[name] for name in split if name in shards})
    findings += foreign_files(folder, statements, sizes)
    return _summed(findings, statements.has_manifest, shards, sizes)


def _check_index(
    folder: OutputFolder, shard: str, sizes: Mapping[str, int], reads_shards: bool
) -> Iterator[Finding]:
    """A shard's index, as others have theirs; where it is not read, only whether it can be one."""
    name = shard + SUFFIX
    if name not in sizes:
        yield Finding(
            name, "is missing, and other shards have theirs; imagenet-beam index writes it"
        )
        return
    data = folder.storage.read_bytes(folder.path(name))
    is_right = parse_index(data, sizes[shard]) is not None
    if is_right and reads_shards:
        try:
            offsets = scan_offsets(folder.storage.open_ranges(folder.path(shard)))
        except InputError:  # which is a finding of the shard's own
            return
        is_right = data == format_index(offsets)
    if not is_right:
        yield Finding(name, "is not the index of its shard; imagenet-beam index writes it again")


def _verify_files(
    folder: OutputFolder, sizes: Mapping[str, int], deep: bool, progress: Progress
) -> Verification:
    """What can be told of any TFRecords: their checksums, missing shards, and with `deep` more."""
    storage, is_whole = folder.storage, bool(sizes)
    start = folder.path("") if is_whole else ""
    paths = {path.removeprefix(start): path for path in all_shards(folder.directory, storage)}
    sizes = sizes or {path: storage.stat(path).size_bytes for path in paths}
    sets: dict[str, list[str]] = {}
    for name in paths:
        numbered = _NUMBERED.fullmatch(name)
        sets.setdefault(numbered["set"] if numbered else "", []).append(name)
    findings: list[Finding] = []
    checks: dict[str, RecordCheck | None] = dict.fromkeys(paths)
    if deep:
        table = _read_table(folder, findings) if CLASSES in sizes else None
        for those in sets.values():
            form = _first_form([paths[name] for name in those], storage)
            checks |= dict.fromkeys(those, RecordCheck(form, table))

    def look(name: str) -> CheckedShard:
        return check_shard(paths[name], name, storage, checks[name], progress.advance)

    shards = _look_at_all(look, {name: sizes[name] for name in paths}, progress)
    for those in sets.values():
        findings += _missing(those) if is_whole else ()
        findings += _findings_of({name: shards[name] for name in those})
    return _summed(findings, False, shards, sizes)


def _look_at_all(
    look: Callable[[str], CheckedShard], sizes: Mapping[str, int], progress: Progress
) -> dict[str, CheckedShard]:
    """Threads do: files are read, checksums taken and images decoded without the lock."""

    def look_at(name: str) -> CheckedShard:
        try:
            return look(name)
        except InputError as error:
            return CheckedShard([Finding(name, f"cannot be read: {error}")])

    progress.start(f"verifying {counted(len(sizes), 'shard')}", sum(sizes.values()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(sizes, pool.map(look_at, sizes), strict=True))


def _summed(
    findings: Sequence[Finding],
    has_manifest: bool,
    shards: Mapping[str, CheckedShard],
    sizes: Mapping[str, int],
) -> Verification:
    records = sum(shard.records for shard in shards.values())
    size_bytes = sum(sizes[name] for name in shards)
    return Verification(findings, has_manifest, len(shards), records, size_bytes)


def _read_table(folder: OutputFolder, findings: list[Finding]) -> ClassTable | None:
    path = folder.path(CLASSES)
    try:
        return read_classes_csv(folder.storage.read_bytes(path).decode("utf-8", "replace"), path)
    except InputError as error:
        findings.append(unreadable(folder, CLASSES, error))
        return None


def _first_form(paths: Iterable[str], storage: Storage) -> Form:
    """What the first record looks like that can be read."""
    for path in paths:
        for record in walk_records(path, storage):
            with contextlib.suppress(DecodeError):
                if not record.fault:
                    return form_of_record(record.data)
    return {}


def _miscounted(name: str, checked: CheckedShard, receipt: ShardReceipt) -> Iterator[Finding]:
    """A receipt that was written anew for other records, or with other numbers."""
    if checked.records != receipt.records:
        said = f"its receipt says {receipt.records:,}"
        yield Finding(name, f"has {counted(checked.records, 'record')}, and {said}")
    told = dict(receipt.class_counts)
    for wnid in sorted(checked.classes.keys() | told.keys()):
        if checked.classes and checked.classes[wnid] != told.get(wnid, 0):
            said = f"its receipt says {told.get(wnid, 0):,}"
            records = counted(checked.classes[wnid], "record")
            yield Finding(name, f"has {records} of {wnid}, and {said}")


def _missing(names: Sequence[str]) -> Iterator[Finding]:
    """Shards that the names of the others tell of."""
    found = list(filter(None, map(_NUMBERED.fullmatch, names)))
    counts = sorted({match["count"] for match in found})
    for match in found:
        if len(counts) > 1:
            others = ", ".join(count for count in counts if count != match["count"])
            yield Finding(match.string, f"stands beside shards of other numbers: of {others}")
    if len(counts) == 1:
        start, end = found[0]["set"], f"-of-{counts[0]}{found[0]['suffix']}"
        numbers = {int(match["number"]) for match in found}
        for number in sorted(set(range(int(counts[0]))) - numbers):
            yield Finding(f"{start}-{number:05d}{end}", "is missing")


def _findings_of(shards: Mapping[str, CheckedShard]) -> Iterator[Finding]:
    """Those of the shards of a split, and the names that occur twice in them."""
    for shard in shards.values():
        yield from shard.findings
    keys = np.frombuffer(b"".join(shard.keys for shard in shards.values()), f"S{KEY_BYTES}")
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    if not len(same):
        return
    names, ends = list(shards), np.cumsum([len(shard.numbers) for shard in shards.values()])

    def place(key: int) -> tuple[str, int, int]:
        name = names[int(np.searchsorted(ends, key, "right"))]
        shard, before = shards[name], int(ends[names.index(name)]) - len(shards[name].numbers)
        return name, shard.numbers[key - before], shard.offsets[key - before]

    for position in same[:_SHOWN]:
        first, number, _ = place(int(order[position]))
        name, *where = place(int(order[position + 1]))
        yield Finding(name, f"has the file name of record {number:,} of {first}", *where)
    if len(same) > _SHOWN:
        yield Finding(name, f"and others: {len(same):,} file names occur twice")
