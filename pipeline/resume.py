"""What an earlier run of the same plan has left: the shards that are done, and how many there are.

Where the number of shards follows from that of the images, it is not known before these are
listed. But the same inputs give the same number, so a shard that is done tells it by its name.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import NamedTuple

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.inputs import ResolvedSplit
from imagenet_beam.pipeline.output import OutputFolder
from imagenet_beam.pipeline.plan import Plan
from imagenet_beam.pipeline.shard_files import foreign_shard, shards_present


class Done(NamedTuple):
    """What is done of a split.

    Attributes:
        num_shards: How many shards it becomes; 0 while that is not known.
        images: The number of images of each shard that is there already.
    """

    num_shards: int
    images: Mapping[int, int] = {}

    @property
    def left(self) -> float:
        """How much of the split is still to be done, from 0 to 1."""
        return 1 - len(self.images) / self.num_shards if self.images else 1.0


def possible_names(config: ConvertConfig, sizes: Mapping[str, int]) -> set[str]:
    """The names of all shards; of a split whose number is not known, those that are there."""
    names: set[str] = set()
    for split in config.splits:
        if split.images_per_shard:
            present = shards_present(config.prefix(split), sizes)
            names.update(itertools.chain.from_iterable(present.values()))
        else:
            names.update(config.shard_names(split, split.num_shards))
    return names


def find_done(
    config: ConvertConfig,
    output: OutputFolder,
    plan: Plan,
    sizes: Mapping[str, int],
    checksums: Mapping[str, int],
) -> dict[str, Done]:
    """What is done of each split.

    Args:
        config: What is asked for.
        output: The folder.
        plan: The plan that the shards must belong to.
        sizes: The files in the folder, as `list_files` gives them.
        checksums: Their checksums.
    """
    found = {}
    for split in config.splits:
        numbers = [split.num_shards]
        if split.images_per_shard:
            numbers = sorted(shards_present(config.prefix(split), sizes))
        found[split.name] = Done(0 if split.images_per_shard else split.num_shards)
        for number in [] if config.overwrite else numbers:
            names = config.shard_names(split, number)
            images = output.done(names, plan.fingerprint, sizes, checksums)
            if images:
                found[split.name] = Done(number, images)
    return found


def with_unexplained(
    splits: tuple[ResolvedSplit, ...],
    config: ConvertConfig,
    output: OutputFolder,
    done: Mapping[str, Done],
    sizes: Mapping[str, int],
) -> tuple[ResolvedSplit, ...]:
    """The splits with what is in the folder and may turn out to be none of their shards.

    Raises:
        InputError: If that is known already.
    """
    found = []
    for split in splits:
        number = done[split.name].num_shards
        own = frozenset(config.shard_names(split, number))
        foreign = output.foreign({config.prefix(split)}, own, sizes)
        if foreign and number:
            raise foreign_shard(foreign[0], output.directory)
        found.append(dataclasses.replace(split, unexplained=foreign))
    return tuple(found)
