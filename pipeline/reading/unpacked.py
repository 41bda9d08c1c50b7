"""Compressed shards, which allow no random access: decompressed once, into a cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imagenet_beam.pipeline.download import sources
from imagenet_beam.transforms.archives.streams import is_compressed, open_stream, read_forward
from imagenet_beam.transforms.records.framing import HEADER_BYTES, is_header
from imagenet_beam.transforms.storage.files import Storage

_FOLDER = "decompressed"
_COPY_BYTES = 1 << 20


def unpacked(path: str, storage: Storage, cache_dir: str = "") -> str:
    """The path of an uncompressed shard: itself, or its copy in the cache.

    A copy belongs to one version of the shard. It appears when it is whole, and is there for
    every later process.

    Raises:
        InputError: If the shard is damaged, or the cache cannot be written.
    """
    reader = storage.open_ranges(path)
    head = reader.read(0, min(HEADER_BYTES, reader.size_bytes))
    if not is_compressed(head) or is_header(head):  # a length may look like a gzip file's mark
        return path
    stat = storage.stat(path)
    version = hashlib.sha256(f"{path}\n{stat.size_bytes}\n{stat.version}".encode()).hexdigest()
    cache = Path(cache_dir) if cache_dir else sources.cache_dir()
    copy = cache / _FOLDER / f"{version[:16]}-{path.rpartition('/')[2].removesuffix('.gz')}"
    if not copy.exists():
        _decompress(path, str(copy), storage)
    return str(copy)


def _decompress(path: str, copy: str, storage: Storage) -> None:
    stream = open_stream(read_forward(storage, path), path)
    file = storage.create(copy)
    try:
        while block := stream.read(file.size_bytes, _COPY_BYTES):
            file.write(block)
        file.publish()
    finally:
        file.discard()
