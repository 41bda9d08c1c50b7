"""Which element goes to which shard, decided by the names of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import apache_beam as beam

from imagenet_beam.transforms.encode_images import RecordEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.shards import (
    KEY_BYTES,
    ShardLayout,
    cut_shards,
    fingerprint,
    shard_count,
)

V = TypeVar("V")


@dataclass(eq=False)
class PlanShards(beam.PTransform):
    """Decides which element goes to which shard: one `ShardLayout`, none without elements.

    `encode` knows the elements' names; another seed gives another order.
    """

    num_shards: int
    encode: RecordEncoder[Any]
    seed: int = 0

    def expand(self, pcoll: beam.PCollection[V]) -> beam.PCollection[ShardLayout]:
        """Gathers 16 bytes an element in one place and sorts them."""
        keys = pcoll | "Fingerprint" >> beam.Map(key_of, self.encode, self.seed).with_output_types(
            bytes
        )
        return keys | "CutShards" >> CutShards(self.num_shards)


def CutShards(num_shards: int, keys_each: int = 0) -> beam.PTransform:
    """From keys, one or more an element, to the shards that they are cut into; none without.

    How many there are, `shard_count` says.
    """
    combine = beam.CombineGlobally(_CutShardsFn(num_shards, keys_each)).without_defaults()
    return combine.with_output_types(ShardLayout)


class _CutShardsFn(beam.CombineFn):
    """Gathers all keys, 16 bytes each, and cuts them into shards."""

    def __init__(self, num_shards: int, keys_each: int) -> None:
        self._most = num_shards
        self._keys_each = keys_each

    def create_accumulator(self) -> bytes | bytearray:
        return bytearray()

    def add_input(self, packed: bytes | bytearray, key: bytes) -> bytes | bytearray:
        if isinstance(packed, bytes):
            packed = bytearray(packed)
        packed += key
        return packed

    def merge_accumulators(self, parts: Iterable[bytes | bytearray]) -> bytes | bytearray:
        return b"".join(parts)

    def compact(self, packed: bytes | bytearray) -> bytes:
        return bytes(packed)

    def extract_output(self, packed: bytes | bytearray) -> ShardLayout:
        num_shards = shard_count(len(packed) // KEY_BYTES, self._most, self._keys_each)
        return cut_shards(bytes(packed), num_shards)


def key_of(value: Any, encoder: RecordEncoder[Any], seed: int) -> bytes:
    """A value's place: by its name, or by its content where it has none."""
    name = encoder.name(value)
    if name:
        return fingerprint(name, seed)
    outcome = encoder.finish(value, encoder.load(value))
    return fingerprint(repr(outcome), seed)


def check_unique(value: Any, key: bytes, layout: ShardLayout, encoder: RecordEncoder[Any]) -> None:
    """Refuses a value with the name of another one.

    Raises:
        InputError: If its key is one of the layout's duplicates; values without names may be.
    """
    if key in layout.duplicates and (name := encoder.name(value)):
        raise InputError(
            f"two {encoder.noun} are called {name}: names must be unique in a split; "
            "remove one of them"
        )
