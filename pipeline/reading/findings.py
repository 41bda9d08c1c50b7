"""What verification finds, and the result of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """Something in a set of records that is not as it was written.

    Attributes:
        file: The file's name in the set.
        what: What is wrong with it.
        record: The number of a record in the shard, from 0; -1 if it is about the file.
        offset_bytes: Where that record begins; -1 likewise.
    """

    file: str
    what: str
    record: int = -1
    offset_bytes: int = -1

    def __str__(self) -> str:
        place = f" record {self.record:,} at byte {self.offset_bytes:,}" if self.record >= 0 else ""
        return f"{self.file}:{place} {self.what}"


class Verification(NamedTuple):
    """The result of `verify`.

    Attributes:
        findings: All that is wrong, in the order of the files.
        has_manifest: Whether there was a manifest to compare with.
        shards: Shards looked at.
        records: Their records: as the receipts say it, or counted.
        size_bytes: Their length.
    """

    findings: Sequence[Finding]
    has_manifest: bool
    shards: int
    records: int
    size_bytes: int
