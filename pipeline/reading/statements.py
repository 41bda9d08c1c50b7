"""What an output folder says of itself: manifest, plan, receipts and the files beside, compared.

No shard is read, so this is what `convert` can afford before it says that a folder is complete.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple

import google_crc32c

from imagenet_beam.pipeline.manifest_file import manifest_json, parse_manifest
from imagenet_beam.pipeline.output import (
    CLASSES,
    LABELS,
    MANIFEST,
    PLAN,
    REJECTS,
    OutputFolder,
)
from imagenet_beam.pipeline.plan import Plan, with_first
from imagenet_beam.pipeline.reading.findings import Finding
from imagenet_beam.pipeline.shard_files import shards_present
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import labels_txt, read_classes_csv
from imagenet_beam.transforms.records.receipts import (
    class_totals,
    reject_lines,
    shard_entry,
    sum_counts,
    totals,
)
from imagenet_beam.transforms.records.schemas import SCHEMAS, find_schema
from imagenet_beam.transforms.records.shards import shard_name
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX, join

_DAMAGED = (ValueError, KeyError, TypeError, AttributeError)
_SHOWN = 5
_THREADS = 16


class Statements(NamedTuple):
    """What a folder says of itself.

    Attributes:
        findings: Where that is not of one piece.
        has_manifest: Whether the manifest can be read; else the plan tells what it can.
        shards: The names of each split's shards; empty where nothing tells them.
        receipts: The receipts that can be read, by the shard's name.
        beside: The names of the files beside the shards.
        schema: The name of the schema.
    """

    findings: list[Finding]
    has_manifest: bool = False
    shards: Mapping[str, list[str]] = MappingProxyType({})
    receipts: Mapping[str, ShardReceipt] = MappingProxyType({})
    beside: frozenset[str] = frozenset()
    schema: str = ""


def read_statements(folder: OutputFolder, sizes: Mapping[str, int]) -> Statements:
    """Reads and compares all but the shards themselves.

    Args:
        folder: Where there is a manifest.
        sizes: The files in it.
    """
    try:
        plan, findings = folder.read_plan(), list[Finding]()
    except InputError as error:
        plan, findings = None, [unreadable(folder, PLAN, error)]
    data, manifest = b"", {}
    beside: dict[str, tuple[Any, Any]] = {}
    try:
        data = folder.storage.read_bytes(folder.path(MANIFEST))
        manifest = parse_manifest(data)
        fingerprint, schema = str(manifest["plan"]), str(manifest["options"]["schema"])
        beside = {name: (file["bytes"], file["crc32c"]) for name, file in _files(manifest)}
        shards = {
            split: [str(shard["name"]) for shard in entry["shards"]]
            for split, entry in manifest["splits"].items()
        }
    except _DAMAGED as error:
        findings.insert(0, _no_manifest(folder, error))
        manifest = {}
        try:
            shards, schema, fingerprint = _planned(plan, sizes)
        except _DAMAGED:
            return Statements([*findings, Finding(PLAN, "is not the plan of a conversion")])
        place = next(itertools.chain.from_iterable(shards.values()), "").rpartition("/")[0]
        beside = {join(place, name).lstrip("/"): ("", "") for name in SCHEMAS[schema].files}
    receipts: dict[str, ShardReceipt] = {}
    names = list(itertools.chain.from_iterable(shards.values()))
    with ThreadPoolExecutor(_THREADS) as pool:
        read = pool.map(lambda name: _receipt(folder, name, fingerprint), names)
        for name, found in zip(names, read, strict=True):
            if isinstance(found, Finding):
                findings.append(found)
            else:
                receipts[name] = found
    findings += _check_sizes(names, receipts, sizes)
    if len(receipts) == len(names):
        rejects = {split: [receipts[name] for name in those] for split, those in shards.items()}
        findings += _check_rejects(folder, rejects, has_splits=bool(manifest))
        findings += _check_counts(manifest, shards, receipts) if manifest else ()
    if manifest:
        findings += _check_plan(folder, plan, manifest)
        for name, expected in sorted(beside.items()):
            findings += _check_file(folder, name, *expected)
        if manifest_json(manifest) != data:
            findings.append(Finding(MANIFEST, "was altered: its own checksum does not agree"))
    else:
        findings += _check_classes(folder)
    return Statements(findings, bool(manifest), shards, receipts, frozenset(beside), schema)


def foreign_files(
    folder: OutputFolder, statements: Statements, sizes: Iterable[str]
) -> Iterator[Finding]:
    """The files that do not belong to the set."""
    shards = itertools.chain.from_iterable(statements.shards.values())
    for name in sorted(set(sizes) - folder.names(shards, statements.beside)):
        if name.endswith(TEMPORARY_SUFFIX):
            yield Finding(name, "was left by a run that was killed; the same command removes it")
        else:
            yield Finding(name, "does not belong to the set")


def _no_manifest(folder: OutputFolder, error: Exception) -> Finding:
    if isinstance(error, InputError):
        said = unreadable(folder, MANIFEST, error).what
        return Finding(MANIFEST, f"{said}: unfinished; the same convert command resumes it")
    return Finding(MANIFEST, f"is not a manifest of this program ({error})")


def _planned(plan: Plan | None, sizes: Mapping[str, int]) -> tuple[dict[str, list[str]], str, str]:
    """The shards of each prefix, the schema, and the fingerprint, as the plan has them.

    A number that the plan leaves to that of the images is told by a shard that is there.
    """
    if plan is None:
        raise ValueError("there is none")
    shards = {}
    for prefix, split in plan.content["splits"].items():
        total = split["shards"]
        if isinstance(total, str):
            total = max(shards_present(prefix, sizes), default=0)
        shards[prefix] = [shard_name(prefix, number, total) for number in range(total)]
    return shards, find_schema(plan.content["options"]["schema"]).name, plan.fingerprint


def unreadable(folder: OutputFolder, name: str, error: InputError) -> Finding:
    """What is said of a file that is missing, or that nothing can be made of."""
    return Finding(name, str(error).removeprefix(f"{folder.path(name)} "))


def _files(manifest: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    files: Mapping[str, Any] = manifest.get("files", {})
    return files.items()


def _receipt(folder: OutputFolder, shard: str, plan: str) -> ShardReceipt | Finding:
    name = folder.receipt(shard)
    try:
        receipt = folder.read_receipt(shard)
    except InputError as error:
        return unreadable(folder, name, error)
    if receipt.name != shard.rpartition("/")[2] or receipt.plan != plan:
        return Finding(name, "is the receipt of another shard, or of another plan's")
    return receipt


def _check_sizes(
    names: Iterable[str], receipts: Mapping[str, ShardReceipt], sizes: Mapping[str, int]
) -> Iterator[Finding]:
    for name in names:
        if name not in sizes:
            yield Finding(name, "is missing")
        elif name in receipts and sizes[name] != receipts[name].size_bytes:
            expected = f"its receipt says {receipts[name].size_bytes:,}"
            yield Finding(name, f"has {sizes[name]:,} bytes, and {expected}")


def _check_counts(
    manifest: Mapping[str, Any],
    shards: Mapping[str, list[str]],
    receipts: Mapping[str, ShardReceipt],
) -> Iterator[Finding]:
    for split, names in shards.items():
        those = [receipts[name] for name in names]
        expected = {
            **totals(those),
            "classes": class_totals(sum_counts(one.class_counts for one in those), those),
            "shards": list(map(shard_entry, those, names)),
        }
        entry = {name: manifest["splits"][split].get(name) for name in expected}
        for where, said, told in itertools.islice(_differing(entry, expected, split), _SHOWN):
            yield Finding(MANIFEST, f"says {where} = {said}, and the receipts say {told}")


def _check_rejects(
    folder: OutputFolder, receipts: Mapping[str, list[ShardReceipt]], has_splits: bool
) -> Iterator[Finding]:
    """The lines follow from the receipts, but for the order of the splits."""
    try:
        text = folder.storage.read_bytes(folder.path(REJECTS)).decode("utf-8", "replace")
    except InputError as error:
        yield unreadable(folder, REJECTS, error)
        return
    blocks = [reject_lines(split, those) for split, those in receipts.items()]
    if not has_splits:  # known by prefixes only
        text, *blocks = (re.sub('{"split": "[^"]*"', "{", part) for part in (text, *blocks))
    if text not in map("".join, itertools.permutations(filter(None, blocks))):
        yield Finding(REJECTS, "was altered: its lines are not the rejects of the receipts")


def _check_classes(folder: OutputFolder) -> Iterator[Finding]:
    """Without a manifest: one of the two follows from the other."""
    for name in (CLASSES, LABELS):
        try:
            text = folder.storage.read_bytes(folder.path(name)).decode("utf-8", "replace")
            if name == CLASSES:
                table = read_classes_csv(text, folder.path(name))
            elif text != labels_txt(table):
                yield Finding(LABELS, "was altered: its names are not those of classes.csv")
        except InputError as error:
            yield unreadable(folder, name, error)
            return


def _check_plan(
    folder: OutputFolder, plan: Plan | None, manifest: Mapping[str, Any]
) -> Iterator[Finding]:
    if plan is None:
        return
    data = folder.storage.read_bytes(folder.path(PLAN))
    if plan.fingerprint != manifest["plan"] or plan.to_json() != data:
        yield Finding(PLAN, "is not the plan that the manifest names")
        return
    for part in ("options", "libraries"):
        parts = (manifest.get(part), plan.content.get(part))
        if part == "options":  # some of which may not have existed then
            parts = with_first(manifest["options"]), with_first(plan.content["options"])
        for where, said, told in _differing(*parts, part):
            yield Finding(MANIFEST, f"says {where} = {said}, and the plan says {told}")


def _check_file(folder: OutputFolder, name: str, size_bytes: Any, crc32c: Any) -> Iterator[Finding]:
    try:
        data = folder.storage.read_bytes(folder.path(name))
    except InputError as error:
        yield unreadable(folder, name, error)
        return
    found = f"{google_crc32c.value(data):08x}"
    if (len(data), found) != (size_bytes, crc32c):
        yield Finding(
            name,
            f"was altered: it has {len(data):,} bytes and the crc32c {found}, and the manifest "
            f"says {size_bytes} and {crc32c}",
        )


def _differing(said: Any, told: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places in which two trees of JSON differ, with what stands there."""
    if isinstance(said, dict) and isinstance(told, dict):
        for key in sorted(said.keys() | told.keys()):
            yield from _differing(said.get(key), told.get(key), f"{where}.{key}")
    elif isinstance(said, list) and isinstance(told, list) and len(said) == len(told):
        for number, pair in enumerate(zip(said, told, strict=True)):
            yield from _differing(*pair, f"{where}[{number}]")
    elif said != told or type(said) is not type(told):
        yield where, json.dumps(said), json.dumps(told)
