"""The output folder: what lies where in it, and in which order it appears.

No other module knows the names. Shards appear while the job runs, each with a receipt;
then labels, classes and rejects; the manifest is last, so that where it is, all is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import google_crc32c

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.differences import differences
from imagenet_beam.pipeline.manifest_file import manifest_json, parse_manifest
from imagenet_beam.pipeline.plan import Plan, read_plan
from imagenet_beam.pipeline.shard_files import foreign_shard, shards_among
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.index import SUFFIX, index_path
from imagenet_beam.transforms.records.receipts import receipt_from_json, receipt_name
from imagenet_beam.transforms.records.state import check_form
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX, Storage, join

STATE_DIR = ".imagenet-beam"
"""Holds the plan and the receipts; nothing that a reader of the data needs."""

MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
LABELS = "labels.txt"
CLASSES = "classes.csv"
REPORT = "report.html"

PLAN = f"{STATE_DIR}/plan.json"
_RECEIPTS = f"{STATE_DIR}/receipts"
_LOCK = f"{STATE_DIR}/lock"  # held by a run on a local folder; see `Storage.exclusive`
_STALE = f"{STATE_DIR}/stale.json"  # names of an earlier plan's files, to be removed at the end
_THREADS = 16  # requests at once, where each receipt is one
_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class OutputFolder:
    """The folder that one conversion writes.

    Attributes:
        directory: Its path.
        storage: How to reach it.
        prefixes: What the names of the conversion's shards start with.
        beside: Files that its schema needs beside the shards.
        index_dir: The folder of the shards' indexes; "" is beside the shards.
    """

    directory: str
    storage: Storage
    prefixes: frozenset[str]
    beside: tuple[str, ...] = ()
    index_dir: str = ""

    @property
    def receipts_dir(self) -> str:
        """Where a receipt of each shard is kept."""
        return self.path(_RECEIPTS)

    def path(self, name: str) -> str:
        """The path of a file of the folder."""
        return join(self.directory, name)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps a second run out of a local folder, from `prepare` to the job's end.

        Raises:
            InputError: If one is at it, or the folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.storage.exclusive(self.directory, _LOCK))
            except InputError as error:
                raise InputError(f"`output_dir`: {error}") from error
            yield

    def list_files(self, writes: bool = True) -> tuple[dict[str, int], dict[str, int]]:
        """The size in bytes and the crc32c, where the storage keeps it, of each file in it.

        By name; folders of other jobs included.

        Args:
            writes: Whether files will be written, which is tried.
        """
        if writes:
            self.storage.check_writable(self.directory)
        return self.storage.list_with_checksums(self.directory)

    def take_up(
        self, plan: Plan, config: ConvertConfig, own: Set[str], sizes: Mapping[str, int]
    ) -> Plan:
        """The plan that the folder holds, where it is that of a conversion; else that one.

        Args:
            plan: The conversion's.
            config: What was asked for.
            own: Names of its shards.
            sizes: The files that are there, as `list_files` gives them.

        Raises:
            InputError: If the folder holds shards of another plan, with the first differences;
                of no plan, or of no number, with the name of one.
        """
        interrupted = _STALE in sizes
        if PLAN not in sizes:
            for name in shards_among(self.prefixes, sizes):
                said = (
                    "a run with `overwrite` was to replace when it was interrupted; run the same "
                    "command with `overwrite` again, which goes on"
                    if interrupted
                    else "no run of this program left unfinished there; give another folder, or "
                    "`overwrite` to replace it"
                )
                raise InputError(f"`output_dir`={self.directory} holds {name}, which {said}")
            return plan
        old = self.read_plan()
        different = differences(old, plan, config)
        if different and shards_among(self.prefixes | old.prefixes, sizes):
            left = len(different) - _SHOWN_DIFFERENCES
            more = f"; and {left} more" if left > 0 else ""
            begun = ", and a run with `overwrite` was interrupted there" if interrupted else ""
            raise InputError(
                f"`output_dir`={self.directory} holds another conversion{begun}: "
                f"{'; '.join(different[:_SHOWN_DIFFERENCES])}{more}; give another folder, or "
                "`overwrite` to start over, discarding it"
            )
        for name in self.foreign(self.prefixes, own, sizes):
            raise foreign_shard(name, self.directory)
        return plan if different else old

    def foreign(
        self, prefixes: Set[str], own: Set[str], sizes: Mapping[str, int]
    ) -> tuple[str, ...]:
        """The shards of these prefixes that are neither a conversion's own nor stale."""
        return tuple(
            sorted(set(shards_among(prefixes, sizes)) - own - set(self._told_stale(sizes)))
        )

    def done(
        self,
        shards: Sequence[str],
        fingerprint: str,
        sizes: Mapping[str, int],
        checksums: Mapping[str, int],
    ) -> dict[int, int]:
        """Maps each shard that is there, with a receipt that agrees, to its number of images."""
        candidates = [
            number
            for number, name in enumerate(shards)
            if name in sizes and self.receipt(name) in sizes
        ]
        receipts = self.read_receipts([shards[number] for number in candidates], counts=False)
        return {
            number: receipt.images
            for number, receipt in zip(candidates, receipts, strict=True)
            if receipt.plan == fingerprint
            and receipt.name == shards[number].rpartition("/")[2]
            and receipt.size_bytes == sizes[shards[number]]
            and receipt.crc32c == checksums.get(shards[number], receipt.crc32c)
        }

    def read_receipts(self, shards: Sequence[str], counts: bool = True) -> list[ShardReceipt]:
        """The receipts of shards, in their order; with class counts, which are most of them.

        Raises:
            InputError: If one is missing or damaged.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            receipts = pool.map(self.read_receipt, shards)
            return [one if counts else one._replace(class_counts=()) for one in receipts]

    def read_receipt(self, shard: str) -> ShardReceipt:
        """The receipt of one shard; raises as `read_receipts` does."""
        path = self.path(self.receipt(shard))
        return receipt_from_json(self.storage.read_bytes(path), path)

    def receipts_present(self) -> set[str]:
        """The names of the receipts that are there, without folders."""
        return set(self.storage.list_sizes(self.receipts_dir))

    def stale(self, overwrite: bool, own: Set[str], sizes: Mapping[str, int]) -> tuple[str, ...]:
        """The shards, and what stands beside them, that an earlier plan leaves behind.

        A run that overwrites finds them by their names; one that goes on where such a run
        was interrupted is told by it.

        Args:
            overwrite: Whether this run overwrites.
            own: Names of this conversion's shards.
            sizes: The files that are there, as `list_files` gives them.
        """
        found = set(self._told_stale(sizes))
        if overwrite:
            prefixes = set(self.prefixes)
            with contextlib.suppress(InputError):  # no plan, or a damaged one
                old = self.read_plan()
                prefixes |= old.prefixes
                found |= set(old.files_beside())
            found |= set(shards_among(prefixes, sizes))
        own = own | set(self.beside)
        return tuple(sorted(name for name in found if name in sizes and name not in own))

    def begin(
        self,
        plan: Plan,
        overwrite: bool,
        stale: Sequence[str],
        sizes: Mapping[str, int],
        is_complete: bool = False,
    ) -> None:
        """Makes the folder that of this plan; what comes before leaves it as it was.

        Where it is complete, the plan stays, whose time is that of the run that wrote the rest.

        What is stale is written down before the earlier plan, which tells it, is removed: a run
        that goes on after a kill in between knows it, and that it was one that overwrites.
        """
        if overwrite:
            removed = self._to_discard(stale, sizes)
            if removed or stale or shards_among(self.prefixes, sizes):
                self.storage.publish_bytes(self.path(_STALE), json.dumps(stale).encode())
            self._remove(removed)
        elif is_complete and _STALE in sizes:  # a run that overwrites has not begun after all
            self._remove([_STALE])
        self.remove_unfinished(sizes)
        if not is_complete:
            self.storage.publish_bytes(self.path(PLAN), plan.to_json())

    def _to_discard(self, stale: Iterable[str], sizes: Mapping[str, int]) -> list[str]:
        """What would be taken for done, or for that of new shards; first what says "complete"."""
        state = join(STATE_DIR, "")
        receipts = {name for name in sizes if name.startswith(state)} - {PLAN, _LOCK, _STALE}
        shards = {*shards_among(self.prefixes, sizes), *stale}
        indexes = {index_path(name) for name in shards} & sizes.keys()
        first = [name for name in (MANIFEST, PLAN) if name in sizes]
        return [*first, *sorted(receipts), *sorted(indexes)]

    def is_complete(self, plan: Plan, sizes: Mapping[str, int]) -> bool:
        """Whether the manifest of this plan, and all that is written with it, is there."""
        if not all(name in sizes for name in (LABELS, CLASSES, REJECTS, MANIFEST, *self.beside)):
            return False
        manifest = self.storage.read_bytes(self.path(MANIFEST))
        return f'"plan": "{plan.fingerprint}"'.encode() in manifest

    def publish(
        self,
        beside: Mapping[str, bytes],
        manifest: Mapping[str, Any],
        receipts: Mapping[str, ShardReceipt],
        stale: Sequence[str],
    ) -> str:
        """Writes what stands beside the shards, removes what is stale, writes the manifest.

        Args:
            beside: These files, by name.
            manifest: What it says but of them.
            receipts: Those of all shards, by the shard's name.
            stale: Names of files of an earlier plan.

        Returns:
            The path of the manifest.

        Raises:
            InputError: If a shard is not there as its receipt says.
        """
        for name, data in beside.items():
            self.storage.publish_bytes(self.path(name), data)
        sizes, checksums = self.storage.list_with_checksums(self.directory)
        self._check_there(receipts, sizes, checksums)
        # Those of a killed overwrite may have kept their receipts and indexes.
        beside_stale = (one for name in stale for one in (self.receipt(name), index_path(name)))
        self._remove((*stale, *(one for one in beside_stale if one in sizes), _STALE))
        self.remove_unfinished(sizes)  # of lost workers
        path = self.path(MANIFEST)
        files = {  # but the rejects, which the receipts tell
            name: {"bytes": len(data), "crc32c": f"{google_crc32c.value(data):08x}"}
            for name, data in beside.items()
            if name != REJECTS
        }
        self.storage.publish_bytes(path, manifest_json({**manifest, "files": files}))
        return path

    def _check_there(
        self,
        receipts: Mapping[str, ShardReceipt],
        sizes: Mapping[str, int],
        checksums: Mapping[str, int],
    ) -> None:
        """Refuses to call a set whole that somebody has removed shards of, or altered them."""
        wrong = []
        for name, receipt in receipts.items():
            gone = next((one for one in (name, self.receipt(name)) if one not in sizes), "")
            if gone:
                wrong.append(f"{self.path(gone)} is not there any more")
            elif sizes[name] != receipt.size_bytes:
                what = f"has {sizes[name]:,} bytes, of {receipt.size_bytes:,} that were written"
                wrong.append(f"{self.path(name)} {what}")
            elif checksums.get(name, receipt.crc32c) != receipt.crc32c:
                wrong.append(f"{self.path(name)} has other bytes than were written")
        if wrong:
            more = f", and {len(wrong) - 1} more are not right" if len(wrong) > 1 else ""
            raise InputError(
                f"{wrong[0]}{more}; run the same command again, which writes what is missing"
            )

    def remove_unfinished(self, names: Iterable[str] | None = None) -> None:
        """Removes what runs of this conversion had begun to write and no longer do.

        Args:
            names: The files of the folder; None lists them.
        """
        if names is None:
            names = self.storage.unfinished(self.directory)
        self._remove(sorted(self._unfinished(names)))
        for name in self.storage.unfinished(self.index_dir) if self.index_dir else ():
            index = name.removeprefix(".").partition(f"{SUFFIX}.")[0]  # others may be there, too
            if shards_among({prefix.rpartition("/")[2] for prefix in self.prefixes}, {index: 0}):
                self.storage.remove(join(self.index_dir, name))

    def read_manifest(self) -> dict[str, Any]:
        """The manifest as written; raises `InputError` if it is damaged or missing."""
        path = self.path(MANIFEST)
        data = self.storage.read_bytes(path)
        try:
            return parse_manifest(data)
        except ValueError as error:
            raise InputError(
                f"{path} is not a manifest of this program ({error}); remove it and run again"
            ) from error

    def plan_file(self, plan: Plan) -> tuple[str, str]:
        """The path and the SHA-256 of the stored plan."""
        return self.path(PLAN), hashlib.sha256(plan.to_json()).hexdigest()

    def forget(self) -> None:
        """Removes receipts and manifest: the next run finds none of the shards done."""
        names = [MANIFEST, *(f"{_RECEIPTS}/{name}" for name in self.receipts_present())]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda name: self.storage.remove(self.path(name)), names))

    def receipt(self, shard: str) -> str:
        """The name of a shard's receipt."""
        return f"{_RECEIPTS}/{receipt_name(shard)}"

    def names(self, shards: Iterable[str], beside: Iterable[str]) -> set[str]:
        """The names that files of a set may have: its shards, theirs, and those beside them."""
        usual = {MANIFEST, LABELS, CLASSES, REJECTS, REPORT, PLAN, _LOCK, *beside}
        for shard in shards:
            usual |= {shard, index_path(shard), self.receipt(shard)}
        return usual

    def read_plan(self) -> Plan:
        """The stored plan; raises `InputError` if it is damaged or missing."""
        path = self.path(PLAN)
        return read_plan(self.storage.read_bytes(path), path)

    def _told_stale(self, sizes: Mapping[str, int]) -> list[str]:
        """What a run that overwrote, and was interrupted, has written down."""
        if _STALE not in sizes:
            return []
        path = self.path(_STALE)
        try:
            stale = json.loads(self.storage.read_bytes(path))
            check_form(stale, [str])
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path} is not a list of this program ({error}); remove it and run again"
            ) from error
        return list(stale)

    def _unfinished(self, names: Iterable[str]) -> set[str]:
        """Those of the names that are files which a run of this conversion had begun.

        Not all that lie below the output folder: another job may write in a folder there.
        """
        folders = {"", STATE_DIR, _RECEIPTS}
        folders |= {prefix.rpartition("/")[0] for prefix in self.prefixes}
        return {
            name
            for name in names
            if name.endswith(TEMPORARY_SUFFIX) and name.rpartition("/")[0] in folders
        }

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.storage.remove(self.path(name))
