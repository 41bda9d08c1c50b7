"""Which record lands in which shard: a pure function of keys.

Every record has a key, a fingerprint of its name and of a seed. Sorted by key,
the records are cut into shards of equal length. So the order is a shuffle that
any machine computes alike, and neither the runner nor the number of workers
shows in the output.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

KEY_BYTES = 16
"""128 bits: equal keys mean equal names (chance of a clash among 14 M names: 3e-25)."""

_KEY_DTYPE = np.dtype(f"S{KEY_BYTES}")
SHUFFLES = ("references", "images")
"""What may travel through the shuffle; see `WriteToTFRecord`."""

_TEMPLATE = "-{:05d}-of-{:05d}"


class ShardPlan(NamedTuple):
    """How the sorted keys are cut into shards.

    Attributes:
        num_shards: How many shards there are.
        first_keys: The first key of each shard but shard 0, ascending.
        counts: How many keys each shard has; they differ by at most one, unless
            equal keys stand at a cut.
        duplicates: Up to ten keys that occur more than once.
    """

    num_shards: int
    first_keys: tuple[bytes, ...]
    counts: tuple[int, ...]
    duplicates: tuple[bytes, ...]

    def shard_of(self, key: bytes) -> int:
        """The shard that a key belongs to."""
        return bisect.bisect_right(self.first_keys, key)


def fingerprint(name: str, seed: int) -> bytes:
    """The key of a record: BLAKE2b of its name, keyed with the seed.

    A different seed gives an unrelated order of the same records.
    """
    salt = seed.to_bytes(16, "little", signed=True)
    return hashlib.blake2b(name.encode(), digest_size=KEY_BYTES, salt=salt).digest()


def plan_shards(packed_keys: bytes, num_shards: int) -> ShardPlan:
    """Cuts keys into shards.

    Args:
        packed_keys: All keys in any order, one after the other.
        num_shards: How many shards to make; at least 1.
    """
    keys = np.frombuffer(packed_keys, dtype=_KEY_DTYPE)
    keys = np.sort(keys)
    starts = [len(keys) * shard // num_shards for shard in range(num_shards)]
    first_keys = tuple(_key(keys, start) for start in starts[1:])
    equal = keys[1:] == keys[:-1]
    duplicates = tuple(_pad(key) for key in np.unique(keys[1:][equal])[:10])
    return ShardPlan(num_shards, first_keys, _counts(keys, first_keys), duplicates)


def _key(keys: np.ndarray, index: int) -> bytes:
    return _pad(keys[index]) if index < len(keys) else b"\xff" * KEY_BYTES


def _pad(key: bytes) -> bytes:
    """Gives back the trailing zero bytes that numpy's fixed-width strings lose."""
    return bytes(key).ljust(KEY_BYTES, b"\0")


def _counts(keys: np.ndarray, first_keys: Sequence[bytes]) -> tuple[int, ...]:
    cuts = np.searchsorted(keys, np.array(first_keys, dtype=_KEY_DTYPE))
    return tuple(np.diff([0, *cuts.tolist(), len(keys)]).tolist())


def shard_name(prefix: str, shard: int, num_shards: int, suffix: str = "") -> str:
    """`train-00000-of-01024`: the naming of Beam's and TensorFlow's writers."""
    return prefix + _TEMPLATE.format(shard, num_shards) + suffix
