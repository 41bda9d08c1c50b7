"""Where things lie in the output folder."""

from __future__ import annotations

from imagenet_beam.transforms.storage.files import join

STATE_DIR = ".imagenet-beam"
"""Holds the plan and the receipts; nothing that a reader of the data needs."""

MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
LABELS = "labels.txt"
CLASSES = "classes.csv"


LOCK = f"{STATE_DIR}/lock"
"""Held by a run on a local folder; see `Storage.exclusive`."""

STALE = f"{STATE_DIR}/stale.json"
"""Names of shards of an earlier plan, to be removed once there are new ones."""


def plan_path(output_dir: str) -> str:
    """What the folder's shards are made from and how."""
    return join(output_dir, STATE_DIR, "plan.json")


def receipts_dir(output_dir: str) -> str:
    """One receipt for each published shard."""
    return join(output_dir, STATE_DIR, "receipts")


def receipt_name(shard: str) -> str:
    """A receipt's path relative to the output folder."""
    return join(STATE_DIR, "receipts", shard.rpartition("/")[2] + ".json")
