"""Which record lands in which shard: a pure function of keys.

Every record has a key, a fingerprint of its name and of a seed. Sorted by key,
the records are cut into shards of equal length. So the order is a shuffle that
any machine computes alike, and neither the runner nor the number of workers
shows in the output.
"""

from __future__ import annotations

import bisect
import hashlib
from typing import NamedTuple

import numpy as np

KEY_BYTES = 16
"""128 bits: equal keys mean equal names (chance of a clash among 14 M names: 3e-25)."""

SHUFFLES = ("references", "images")
"""What may travel through the shuffle; see `WriteToTFRecord`."""

_TEMPLATE = "-%(shard_num)05d-of-%(num_shards)05d"
_KEY_DTYPE = np.dtype(f"S{KEY_BYTES}")


class ShardLayout(NamedTuple):
    """Which key belongs to which shard.

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


def shard_count(keys: int, most: int, keys_each: int = 0) -> int:
    """How many shards some keys are cut into.

    Args:
        keys: How many there are.
        most: How many shards there are if enough keys are there.
        keys_each: How many are enough for a shard; with 0 there are always `most` shards.
    """
    return max(1, min(most, keys // keys_each)) if keys_each else most


def cut_shards(packed_keys: bytes, num_shards: int) -> ShardLayout:
    """Cuts keys, packed one after the other in any order, into at least one shard."""
    keys = np.sort(np.frombuffer(packed_keys, dtype=_KEY_DTYPE))
    starts = [len(keys) * shard // num_shards for shard in range(1, num_shards)]
    first_keys = tuple(
        _padded(keys[start]) if start < len(keys) else b"\xff" * KEY_BYTES for start in starts
    )
    cuts = np.searchsorted(keys, np.array(first_keys, dtype=_KEY_DTYPE))
    counts = np.diff([0, *cuts.tolist(), len(keys)])
    repeated = np.unique(keys[1:][keys[1:] == keys[:-1]])
    duplicates = tuple(map(_padded, repeated[:10]))
    return ShardLayout(num_shards, first_keys, tuple(counts.tolist()), duplicates)


def _padded(key: bytes) -> bytes:
    """Gives back the trailing zero bytes that numpy's fixed-width strings lose."""
    return bytes(key).ljust(KEY_BYTES, b"\0")


def shard_path_format(prefix: str, suffix: str = "", template: str = _TEMPLATE) -> str:
    """The shards' paths, with `%(shard_num)` and `%(num_shards)` to be filled in."""
    return prefix.replace("%", "%%") + template + suffix.replace("%", "%%")


def shard_name(prefix: str, shard: int, num_shards: int, suffix: str = "") -> str:
    """`train-00000-of-01024`: the naming of Beam's and TensorFlow's writers."""
    return shard_path_format(prefix, suffix) % {"shard_num": shard, "num_shards": num_shards}
