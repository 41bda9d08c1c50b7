"""Which files of an output folder are shards, as their names tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from imagenet_beam.transforms.errors import InputError

_SHARD_NAME = re.compile(r"(?P<prefix>.+)-\d{5}-of-\d{5}")


def foreign_shard(name: str, directory: str = "") -> InputError:
    """The refusal of a shard that is none of a conversion's own."""
    where = f"={directory}" if directory else ""
    return InputError(
        f"`output_dir`{where} holds {name}, which is none of the shards of this conversion, and "
        "readers would take it for one; remove it"
    )


def shards_present(prefix: str, names: Iterable[str]) -> dict[int, list[str]]:
    """Those of the names that are a split's shards, by the number of all that they tell."""
    found: dict[int, list[str]] = {}
    for name in shards_among({prefix}, names):
        found.setdefault(int(name.rpartition("-")[2]), []).append(name)
    return found


def shards_among(prefixes: Set[str], names: Iterable[str]) -> list[str]:
    """The files whose names are those of shards, of whatever number."""
    matches = map(_SHARD_NAME.fullmatch, sorted(names))
    return [match.string for match in matches if match and match["prefix"] in prefixes]
