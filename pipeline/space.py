"""Whether the TFRecords will fit on the disk, estimated from a few images."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.progress import in_units
from imagenet_beam.transforms.archives.fetch import read_span
from imagenet_beam.transforms.archives.forms import Images
from imagenet_beam.transforms.elements import LabeledImage, Record
from imagenet_beam.transforms.encode_images import ImageEncoder
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.list_images import split_source
from imagenet_beam.transforms.records.framing import framed_size_bytes

_SAMPLED_IMAGES = 8
_TOLERANCE = 0.9
"""A few images tell the sum to some per cent: only what is clearly too little is refused."""


def check_space(
    config: ConvertConfig,
    splits: Sequence[SplitConfig],
    sizes_bytes: Mapping[str, int],
    left: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Compares the room on the disk of the output with an estimate of what will be written.

    Args:
        config: What was asked for.
        splits: Its splits, their sources found.
        sizes_bytes: The size of each source by its path.
        left: How much of a split is still to be done, from 0 to 1, where it is not all.

    Raises:
        InputError: If there is clearly too little room.
    """
    free_bytes = config.storage.free_bytes(config.output_dir)
    if free_bytes is None or config.expect == "any":
        return
    shared = Counter(  # held-out images are counted with the split that they are taken from
        path for split in splits if not split.selection.is_holdout for path in split.archives
    )
    shares = {path: size_bytes / max(1, shared[path]) for path, size_bytes in sizes_bytes.items()}
    needed_bytes = sum(
        share * estimate_bytes(config, split, shares)
        for split in splits
        if (share := left.get(split.name, 1.0))
    )
    check_free(config.output_dir, free_bytes, needed_bytes)


def check_free(output_dir: str, free_bytes: int, needed_bytes: float) -> None:
    """Raises `InputError` where there is clearly too little room."""
    if free_bytes < _TOLERANCE * needed_bytes:
        raise InputError(
            f"`output_dir`={output_dir} has {in_units(free_bytes)} free, and the TFRecords will "
            f"take about {in_units(needed_bytes)}; give a folder with more room or a smaller "
            "`image.resize`, or `expect`=any to try all the same"
        )


def estimate_bytes(
    config: ConvertConfig, split: SplitConfig, sizes_bytes: Mapping[str, float]
) -> float:
    """About how many bytes a split becomes; 0 where it is not known.

    The first images are encoded as the job will do it: their records' sizes
    stand to theirs as the output to the archives.
    """
    selection = split.selection
    if selection.classes or selection.only_files or selection.max_per_class or selection.is_holdout:
        return 0
    images = itertools.islice(first_images(config, split), _SAMPLED_IMAGES)
    encoder = ImageEncoder(config.image, config.schema, config.storage)
    taken = made = 0
    for ref, data in images:
        outcome = encoder.finish(LabeledImage(ref, 0, ref.wnid, ""), data)
        if isinstance(outcome, Record):
            taken += len(data)
            made += framed_size_bytes(len(outcome.data))
    total = sum(sizes_bytes.get(path, 0) for path in split.archives)
    return selection.fraction * total * made / taken if taken else 0


def first_images(config: ConvertConfig, split: SplitConfig) -> Images:
    """The images of a split in the order of its sources, with their bytes."""
    for archive in split.archives:
        for span in split_source(archive, config.storage, split.kind):
            yield from read_span(config.storage, span, split.listed_split)
