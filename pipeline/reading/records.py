"""Records of TFRecord shards by their number, without TensorFlow."""

from __future__ import annotations

import bisect
import itertools
import operator
import resource
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, SupportsIndex

from imagenet_beam.pipeline.config import MAX_READS
from imagenet_beam.pipeline.reading.found import find_shards
from imagenet_beam.pipeline.reading.index import stored_offsets
from imagenet_beam.pipeline.reading.unpacked import unpacked
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo
from imagenet_beam.transforms.records.features import ExampleParser, Values
from imagenet_beam.transforms.records.framing import (
    FOOTER_BYTES,
    HEADER_BYTES,
    check_data,
    read_length,
)
from imagenet_beam.transforms.records.index import Offsets, scan_offsets
from imagenet_beam.transforms.storage.files import RangeReader, Storage, is_local

_KEYS: Mapping[str, tuple[str, type]] = {
    "image/encoded": ("image", bytes),
    "image": ("image", bytes),
    "image/class/label": ("label", int),
    "label": ("label", int),
    "image/class/synset": ("wnid", str),
    "image/class/text": ("text", str),
    "image/filename": ("filename", str),
    "file_name": ("filename", str),
    "image/format": ("format", str),
    "image/colorspace": ("colorspace", str),
    "image/height": ("height", int),
    "image/width": ("width", int),
    "image/channels": ("channels", int),
}
"""What a feature of one value is called in the dict, and what it is there."""

_SIDES = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
_BOX_LABELS = ("image/object/bbox/label", "image/object/class/label")  # the image's own, repeated


_FRAMING_BYTES = HEADER_BYTES + FOOTER_BYTES
_LENGTH = struct.Struct("<Q")
_THREADS = 16
_LARGE_BYTES = 32 << 10


class _Shard:
    """An open shard: its reader, and where its records begin."""

    def __init__(self, path: str, reader: RangeReader, offsets: Offsets) -> None:
        self.path = path
        self.read = reader.read
        self.offsets = offsets


class Records:
    """The records of a split, a map-style data set for PyTorch, grain and others.

    `records[i]` is a dict:

    * `image`: the image file's bytes;
    * `label`: the class as an int from 0, whatever the first label in the file is; -1 without;
    * `wnid`, `text`, `filename`: texts, "" where nothing says them;
    * `boxes`: a tuple of (xmin, ymin, xmax, ymax) in fractions of the image;
    * where the schema has them `height`, `width`, `channels`: ints; `format`, `colorspace`;
    * any other feature by its own name, as a tuple of bytes, ints or floats.

    Pickled, it takes only names along; each process opens the files for itself, and reads of
    several threads do not wait for each other.

    Args:
        directory: An output folder, local or in a bucket; any folder of TFRecords; one file; or
            a pattern of paths, `old/train-*`.
        split: `train`, `validation`, `test`; may be left out where there is one only.
        storage: How to reach files.
        checksums: Whether both checksums of each record are verified as it is read.
        index_dir: A folder of index files; "" takes those beside the shards. Where there is
            none, a shard is looked through once, the first time one of its records is asked for.
        label_base: What is stored as the label of the first class; None takes what the
            manifest or `classes.csv` says, and 0 where there is none.
        cache_dir: Where compressed shards are decompressed, once each; "" is
            `$IMAGENET_BEAM_CACHE` or `~/.cache/imagenet-beam`.

    Raises:
        InputError: If there are no such records, and later if they are damaged.
    """

    def __init__(
        self,
        directory: str,
        split: str = "",
        *,
        storage: Storage | None = None,
        checksums: bool = False,
        index_dir: str = "",
        label_base: int | None = None,
        cache_dir: str = "",
    ) -> None:
        self._name = f"{directory!r}, {split!r}" if split else f"{directory!r}"
        self._storage = storage or Storage()
        self._checksums = checksums
        self._index_dir = index_dir
        self._cache_dir = cache_dir
        found = find_shards(str(directory), split, self._storage)
        self.paths: tuple[str, ...] = found.paths
        self.classes: tuple[ClassInfo, ...] = found.classes
        base = found.label_base if label_base is None else label_base
        self.label_base: int = base or 0
        three_reads = is_local(self.paths[0]) and not checksums if self.paths else False
        self._large_bytes = _LARGE_BYTES if three_reads else sys.maxsize
        self._reset()
        counts = found.records or self._count()
        self._starts = list(itertools.accumulate(counts, initial=0))

    def _reset(self) -> None:
        self._open: dict[int, _Shard] = {}
        self._offsets: dict[int, Offsets] = {}
        self._parser = ExampleParser(self._convert)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._max_open = max(8, min(limit, 1 << 16) // 4)

    def __getstate__(self) -> dict[str, Any]:
        left = ("_open", "_offsets", "_parser", "_max_open")
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()

    def __repr__(self) -> str:
        return f"Records({self._name}: {len(self):,} records)"

    @property
    def shard_lengths(self) -> tuple[int, ...]:
        """How many records each of `paths` has."""
        return tuple(map(operator.sub, self._starts[1:], self._starts))

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        shard, start, end = self._find(operator.index(index))
        begin, size = start + HEADER_BYTES, end - start - _FRAMING_BYTES
        if size > self._large_bytes:  # three reads take less time than a copy of the image
            item = self._parser.parse(shard.read, begin, size)
        else:
            framed = self._framed(shard, start, end)
            item = self._parser.parse(lambda at, n: framed[at : at + n], HEADER_BYTES, size)
        if item is None:
            item = self._parse_any(shard, start, end)
        if _SIDES[0] in item:
            item["boxes"] = tuple(zip(*(item.pop(side, ()) for side in _SIDES), strict=False))
        if "text" not in item or "wnid" not in item or "label" not in item:
            self._name_class(item)
        item.setdefault("filename", "")
        item.setdefault("boxes", ())
        return item

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[dict[str, Any]]:
        """Several records, as PyTorch's loader asks for a batch; from a bucket at the same time."""
        if is_local(self.paths[0]):
            return [self[index] for index in indices]
        with ThreadPoolExecutor(min(MAX_READS, max(1, len(indices)))) as pool:
            return list(pool.map(self.__getitem__, indices))

    def raw(self, index: SupportsIndex) -> bytes:
        """The serialised Example of a record."""
        return self._framed(*self._find(operator.index(index)))[HEADER_BYTES:-FOOTER_BYTES]

    def _find(self, index: int) -> tuple[_Shard, int, int]:
        """The shard of a record, and where the record begins and ends in it."""
        starts = self._starts
        if index < 0:
            index += starts[-1]
        if not 0 <= index < starts[-1]:
            raise IndexError(f"record {index:,} of {starts[-1]:,}")
        number = bisect.bisect_right(starts, index) - 1
        shard = self._open.get(number) or self._opened(number)
        position = index - starts[number]
        return shard, shard.offsets[position], shard.offsets[position + 1]

    def _parse_any(self, shard: _Shard, start: int, end: int) -> dict[str, Any]:
        data = self._framed(shard, start, end)[HEADER_BYTES:-FOOTER_BYTES]
        try:
            return self._parser.parse_any(data)
        except ValueError as error:
            raise InputError(f"{_what(shard, start)} is {error}") from error

    def _framed(self, shard: _Shard, start: int, end: int) -> bytes:
        framed = shard.read(start, end - start)
        if self._checksums:
            length = read_length(framed[:HEADER_BYTES], _what(shard, start))
            data, footer = framed[HEADER_BYTES:-FOOTER_BYTES], framed[-FOOTER_BYTES:]
            check_data(data, length, footer, _what(shard, start))
        if _LENGTH.unpack_from(framed)[0] != end - start - _FRAMING_BYTES:
            raise InputError(f"{_what(shard, start)} has another length than its index says")
        return framed

    def _opened(self, number: int) -> _Shard:
        path = self.paths[number]
        if is_local(path):  # as it is now: what the process holds open may have been replaced
            self._storage.stat(path)
        reader = self._storage.open_ranges(path)
        offsets = self._offsets.get(number) or self._find_records(reader)
        records, expected = len(offsets) - 1, self._starts[number + 1] - self._starts[number]
        if records != expected:
            raise InputError(f"{path} has {records:,} records, and the manifest says {expected:,}")
        self._offsets[number] = offsets
        for oldest in list(self._open)[: len(self._open) + 1 - self._max_open]:
            self._open.pop(oldest, None)
        shard = self._open[number] = _Shard(path, reader, offsets)
        return shard

    def _find_records(self, reader: RangeReader) -> Offsets:
        return stored_offsets(reader, self._storage, self._index_dir) or scan_offsets(reader)

    def _count(self) -> list[int]:
        """How many records each shard has, where no manifest says it."""

        def look(path: str) -> tuple[str, Offsets]:
            path = unpacked(path, self._storage, self._cache_dir)
            return path, self._find_records(self._storage.open_ranges(path))

        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(look, self.paths))
        self.paths = tuple(path for path, _ in found)
        self._offsets = {number: offsets for number, (_, offsets) in enumerate(found)}
        return [len(offsets) - 1 for offsets in self._offsets.values()]

    def _convert(self, name: str, values: Values) -> tuple[str, Any]:
        """The key and the value in the dict of a feature."""
        key, kind = _KEYS.get(name, (name, None))
        if name in _BOX_LABELS or (name in _SIDES and not values):
            return "boxes", ()
        if kind is None or len(values) != 1:
            return name, values
        value = values[0]
        if kind is str and isinstance(value, bytes):
            return key, value.decode("utf-8", "replace")
        if key == "label" and isinstance(value, int):
            return key, max(-1, value - self.label_base)
        return (key, value) if isinstance(value, kind) else (name, values)

    def _name_class(self, item: dict[str, Any]) -> None:
        """Adds what the schema does not store of the class."""
        label = item.setdefault("label", -1)
        info = self.classes[label] if 0 <= label < len(self.classes) else ClassInfo("")
        item.setdefault("wnid", info.wnid)
        item.setdefault("text", info.text)


def _what(shard: _Shard, start: int) -> str:
    return f"{shard.path}: the record at byte {start:,}"
