"""Everything that happens before the job: inputs, plan, resuming."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from imagenet_beam.pipeline import layout
from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.inputs import resolve_inputs, stat_inputs
from imagenet_beam.pipeline.plan import Plan, differences, make_plan, read_plan
from imagenet_beam.pipeline.preflight import check_archives
from imagenet_beam.pipeline.space import check_space
from imagenet_beam.transforms.box_sources import stat_boxes
from imagenet_beam.transforms.core.errors import InputError
from imagenet_beam.transforms.core.receipts import ShardReceipt, receipt_from_json
from imagenet_beam.transforms.files import TEMPORARY_SUFFIX, join, unpinned

_RECEIPT_THREADS = 16
_SHARD_NAME = re.compile(r"(?P<prefix>.+)-\d{5}-of-\d{5}")


class Prepared(NamedTuple):
    """A conversion that may start.

    Attributes:
        config: What was asked for, with archives pinned to their present version.
        plan: What decides the bytes.
        done: By split, the numbers of the shards that are there already.
        images_done: How many images these shards were made from.
        complete: Whether the manifest of this plan is there too: nothing to do.
        stale: Names of shards of an earlier plan, to be removed at the end.
    """

    config: ConvertConfig
    plan: Plan
    done: Mapping[str, frozenset[int]]
    images_done: int
    complete: bool
    stale: tuple[str, ...]

    @property
    def shards_done(self) -> int:
        """How many shards are there already."""
        return sum(map(len, self.done.values()))


def prepare(config: ConvertConfig) -> Prepared:
    """Checks inputs and output, and finds out what is left to do.

    Writes the plan into the output folder, and nothing else.

    Raises:
        InputError: If something is missing or wrong, or if the folder belongs to
            another plan and `overwrite` is not set.
    """
    labels = config.labels.load(config.storage)
    pinned, archives = resolve_inputs(config)
    check_archives(pinned, labels)
    archives |= {path: stat_boxes(path, config.storage) for path in config.bounding_boxes}
    plan = make_plan(config, archives, _file_checksums(config))
    config.storage.check_writable(config.output_dir)
    sizes = config.storage.list_sizes(config.output_dir)
    _check_output(config, plan, sizes)
    stale = _stale_shards(config, sizes)
    _remove_leftovers(config, sizes)
    if config.overwrite and stale:
        config.storage.publish_bytes(
            join(config.output_dir, layout.STALE), json.dumps(stale).encode()
        )
    config.storage.publish_bytes(layout.plan_path(config.output_dir), plan.to_json())
    receipts = {
        split.name: _done_shards(config, split, plan.fingerprint, sizes) for split in config.splits
    }
    shards = sum(split.num_shards for split in config.splits)
    left = 1 - sum(map(len, receipts.values())) / shards
    if left:
        sizes_bytes = {stat.pinned: stat.size_bytes for stat in archives.values()}
        check_space(pinned, sizes_bytes, left)
    done = {name: frozenset(found) for name, found in receipts.items()}
    images_done = sum(sum(found.values()) for found in receipts.values())
    complete = sum(map(len, done.values())) == shards and _has_manifest(config, plan, sizes)
    return Prepared(pinned, plan, done, images_done, complete, stale)


def _file_checksums(config: ConvertConfig) -> dict[str, str]:
    """SHA-256 of all small files that decide the records, by path."""
    lists = {split.selection.only_files for split in config.splits} - {""}
    checksums = config.labels.checksums(config.storage)
    for path in sorted(lists):
        checksums[path] = hashlib.sha256(config.storage.read_bytes(path)).hexdigest()
    return checksums


def check_unchanged(prepared: Prepared) -> None:
    """Looks at the archives again, after the job.

    Raises:
        InputError: If one has changed since the plan was made: the shards may then
            be a mixture.
    """
    planned = prepared.plan.content["archives"]
    for path, stat in stat_inputs(prepared.config).items():
        entry = planned.get(path) or planned.get(unpinned(path))  # the plan has it as given
        if entry and (stat.size_bytes, stat.version) != (entry["size_bytes"], entry["version"]):
            raise InputError(
                f"{path} was changed while it was being read; run again with --overwrite"
            )


def _check_output(config: ConvertConfig, plan: Plan, sizes: Mapping[str, int]) -> None:
    """Compares with the plan in the folder, unless it is to be overwritten."""
    if config.overwrite:
        return
    path = layout.plan_path(config.output_dir)
    if join(layout.STATE_DIR, "plan.json") not in sizes:
        _check_no_foreign_shards(config, sizes)
        return
    old = read_plan(config.storage.read_bytes(path), path)
    different = differences(old, plan)
    if different and _shards(_prefixes(config) | _planned_prefixes(old), sizes):
        more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
        raise InputError(
            f"--output_dir={config.output_dir} holds another conversion: "
            f"{'; '.join(different[:3])}{more}; give another folder, or --overwrite to begin anew"
        )


def _stale_shards(config: ConvertConfig, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The shards that this plan leaves behind.

    A run that overwrites finds them by their names; one that goes on where such a run
    was interrupted is told by it.
    """
    if config.overwrite:
        prefixes = _prefixes(config)
        with contextlib.suppress(InputError):  # no plan, or a damaged one
            path = layout.plan_path(config.output_dir)
            prefixes |= _planned_prefixes(read_plan(config.storage.read_bytes(path), path))
        found = _shards(prefixes, sizes)
    elif layout.STALE in sizes:
        found = json.loads(config.storage.read_bytes(join(config.output_dir, layout.STALE)))
    else:
        return ()
    mine = {name for split in config.splits for name in config.shard_names(split)}
    return tuple(name for name in found if name in sizes and name not in mine)


def _prefixes(config: ConvertConfig) -> set[str]:
    return {config.prefix(split) for split in config.splits}


def _planned_prefixes(plan: Plan) -> set[str]:
    return set(plan.content.get("splits", ()))


def _shards(prefixes: Set[str], sizes: Mapping[str, int]) -> list[str]:
    """The files whose names are those of shards, of whatever number."""
    matches = map(_SHARD_NAME.fullmatch, sorted(sizes))
    return [match.string for match in matches if match and match["prefix"] in prefixes]


def _check_no_foreign_shards(config: ConvertConfig, sizes: Mapping[str, int]) -> None:
    for name in _shards(_prefixes(config), sizes):
        raise InputError(
            f"--output_dir={config.output_dir} holds {name}, which no run of this program "
            "left unfinished there; give another folder, or --overwrite to replace it"
        )


def _remove_leftovers(config: ConvertConfig, sizes: Mapping[str, int]) -> None:
    """Removes what a killed run was writing; on --overwrite, what would be taken for done."""
    state = join(layout.STATE_DIR, "")
    for name in sizes:
        is_state = name.startswith(state) and name != layout.LOCK  # this run holds the lock
        is_overwritten = config.overwrite and (is_state or name == layout.MANIFEST)
        if name.endswith(TEMPORARY_SUFFIX) or is_overwritten:
            config.storage.remove(join(config.output_dir, name))


def _done_shards(
    config: ConvertConfig, split: SplitConfig, fingerprint: str, sizes: Mapping[str, int]
) -> dict[int, int]:
    """Maps each shard that is there, with a receipt that agrees, to its number of images."""
    if config.overwrite:
        return {}
    candidates = [
        (shard, name)
        for shard, name in enumerate(config.shard_names(split))
        if name in sizes and layout.receipt_name(name) in sizes
    ]

    def read(candidate: tuple[int, str]) -> ShardReceipt:
        path = join(config.output_dir, layout.receipt_name(candidate[1]))
        return receipt_from_json(config.storage.read_bytes(path), path)

    with ThreadPoolExecutor(_RECEIPT_THREADS) as pool:
        receipts = pool.map(read, candidates)
        return {
            shard: receipt.images
            for (shard, name), receipt in zip(candidates, receipts, strict=True)
            if receipt.plan == fingerprint and receipt.size_bytes == sizes[name]
        }


def _has_manifest(config: ConvertConfig, plan: Plan, sizes: Mapping[str, int]) -> bool:
    """Whether the manifest of this plan, and all that is written with it, is there."""
    written = (layout.LABELS, layout.CLASSES, layout.REJECTS, layout.MANIFEST)
    if config.overwrite or not all(name in sizes for name in written):
        return False
    manifest = config.storage.read_bytes(join(config.output_dir, layout.MANIFEST))
    return f'"plan": "{plan.fingerprint}"'.encode() in manifest
