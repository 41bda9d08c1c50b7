"""Index files: written for shards that are there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from imagenet_beam.transforms.archives.streams import is_compressed
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import HEADER_BYTES, is_header
from imagenet_beam.transforms.records.index import (
    Offsets,
    format_index,
    index_path,
    parse_index,
    scan_offsets,
)
from imagenet_beam.transforms.storage.files import RangeReader, Storage

_THREADS = 16


def stored_offsets(reader: RangeReader, storage: Storage, index_dir: str = "") -> Offsets | None:
    """What the index file of a shard says; None if it has none, or that of another shard."""
    try:
        data = storage.read_bytes(index_path(reader.name, index_dir))
    except InputError:
        return None
    return parse_index(data, reader.size_bytes)


def write_index(path: str, storage: Storage, index_dir: str = "") -> int:
    """Writes the index file of a shard.

    Returns:
        How many records it has.

    Raises:
        InputError: If the shard is compressed, damaged or no TFRecord file at all.
    """
    reader = storage.open_ranges(path)
    head = reader.read(0, min(HEADER_BYTES, reader.size_bytes))
    if is_compressed(head) and not is_header(head):
        raise InputError(f"{path} is compressed; an index is for uncompressed TFRecords only")
    offsets = scan_offsets(reader)
    storage.publish_bytes(index_path(path, index_dir), format_index(offsets))
    return len(offsets) - 1


def write_indexes(
    paths: Sequence[str], storage: Storage, index_dir: str = "", done: Callable[[], object] = int
) -> int:
    """Writes the index files of shards, several at once; `done` is called after each.

    Returns:
        How many records they have together.
    """

    def write(path: str) -> int:
        records = write_index(path, storage, index_dir)
        done()
        return records

    with ThreadPoolExecutor(_THREADS) as pool:
        return sum(pool.map(write, paths))


def add_indexes(paths: Sequence[str], storage: Storage, index_dir: str = "") -> None:
    """Writes the index files that are missing, or that are those of other shards."""

    def is_missing(path: str) -> bool:
        return stored_offsets(storage.open_ranges(path), storage, index_dir) is None

    with ThreadPoolExecutor(_THREADS) as pool:
        missing = list(pool.map(is_missing, paths))
    write_indexes(
        [path for path, lacks in zip(paths, missing, strict=True) if lacks], storage, index_dir
    )
