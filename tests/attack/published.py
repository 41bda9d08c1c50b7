"""What happens to a finished set after it was published: `verify` names each file that it hit."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import conversions
import google_crc32c
from attack_case import Attack
from conversions import INDEXED, STATE, Conversion
from shard_bytes import is_shard, place_of, records_of, shard_of

from imagenet_beam.pipeline.manifest_file import manifest_json
from imagenet_beam.pipeline.output import MANIFEST
from imagenet_beam.pipeline.reading.verify import verify
from imagenet_beam.transforms.records.example import Floats, Ints, serialize_example, typed_features
from imagenet_beam.transforms.records.receipts import (
    receipt_from_json,
    receipt_name,
    receipt_to_json,
    shard_entry,
)

WITH_REJECTS = Conversion(
    "with-rejects",
    ("--train_shards=3", "--validation_shards=2", "--resize=longer:24", "--max_rejects=99"),
    {"classes": 5, "train_per_class": 6, "validation_per_class": 5, "bad_images": True},
)

Changed = Mapping[str, bytes | None]
"""New contents of files by their names; None where there is none any more."""


# ------------------------------------------------------------------ damages


def flip(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """A bit."""
    flipped = bytearray(data)
    flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return {name: bytes(flipped)}


def cut(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """The end is gone."""
    return {name: data[: rng.randrange(len(data))]}


def blank(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """Zeros from somewhere on, as a disk leaves them that lost what was written last."""
    at = rng.randrange(len(data))
    return {name: data[:at] + bytes(len(data) - at)}


def lengthen(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """Bytes too many: some of its own again, anywhere."""
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(data))
    return {name: data[:at] + data[start : start + rng.randint(1, 4096)] + data[at:]}


def delete(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """The file is gone."""
    return {name: None}


def edit(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """A record, a digit or a line changed, doubled or left out, checksums of records and all."""
    kind = rng.choice(["changed", "doubled", "left out"])
    digits = [match.start() for match in re.finditer(rb"[0-9]", data)]
    parts = records_of(data) if is_shard(name) else data.splitlines(keepends=True)
    at = rng.randrange(len(parts))
    if kind == "changed" and is_shard(name):
        parts[at] = parts[at][:-1] + bytes([parts[at][-1] ^ 1])
    elif kind == "changed" and digits:
        place = rng.choice(digits)
        other = b"%d" % ((data[place] - 48 + rng.randint(1, 9)) % 10)
        parts = [data[:place], other, data[place + 1 :]]
    elif kind == "doubled":
        parts.insert(at, parts[at])
    else:
        del parts[at]
    return {name: shard_of(parts) if is_shard(name) else b"".join(parts)}


def _other_name(rng: random.Random, name: str) -> str:
    old, new = "-of-0000", f"-of-{rng.randrange(1, 999):04d}"
    return name.replace(old, new) if old in name else f"{name}.old"


def duplicate(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """The same file under a further name, of a shard that of another number."""
    return {_other_name(rng, name): data}


def rename(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """The file has another name."""
    return {name: None, _other_name(rng, name): data}


def swap(rng: random.Random, name: str, data: bytes, files: Changed) -> Changed:
    """Two files change their contents."""
    alike = [other for other in sorted(files) if ("-of-" in other) == ("-of-" in name)]
    other = rng.choice([other for other in alike if files[other] not in (data, b"")])
    return {name: files[other], other: data}


def add(rng: random.Random, name: str, data: bytes, _: Changed) -> Changed:
    """A file of somebody's, anywhere."""
    folder = name.rpartition("/")[0]
    return {f"{folder}/notes.txt".lstrip("/"): rng.randbytes(rng.randrange(100))}


DAMAGES = (flip, cut, blank, lengthen, delete, edit, duplicate, rename, swap, add)


def strike(kind: Callable[..., Changed], rng: random.Random, out: Path, deep: bool) -> str:
    """Does one damage to a finished set, and verifies it."""
    lock = f"{STATE}/lock"
    files = {name: data for name, data in conversions.tree(out).items() if name != lock}
    is_gone = kind in (delete, rename)  # an index need not be there
    names = [name for name in sorted(files) if files[name] and not (is_gone and ".idx" in name)]
    name = rng.choice(names)
    changed = kind(rng, name, files[name], files)
    changed = {one: data for one, data in changed.items() if files.get(one) != data}
    if not changed:
        return "no change"
    for one, data in changed.items():
        (out / one).unlink(missing_ok=True)
        if data is not None:
            (out / one).write_bytes(data)
    findings = verify(str(out), deep).findings
    told = f"{kind.__name__} of {name}: {list(map(str, findings))}"
    print(told)
    expected = set(changed)
    if MANIFEST in changed:  # without it nothing tells of the files that only it has checksums of
        expected = {one for one in changed if one == MANIFEST or is_shard(one) or STATE in one}
    assert expected <= {finding.file for finding in findings}, told
    if kind is flip and is_shard(name):
        position = next(at for at, byte in enumerate(files[name]) if byte != changed[name][at])
        place = place_of(files[name], position)
        assert place in {(one.record, one.offset_bytes) for one in findings}, told
    return "found by --deep" if deep else "found"


# ------------------------------------------------------------------ forgeries


def _typed(record: bytes) -> dict[str, Any]:
    kinds = {"float_list": Floats, "int64_list": Ints, "bytes_list": tuple}
    return {key: kinds[kind](value) for key, (kind, value) in typed_features(record).items()}


def forge(rng: random.Random, out: Path) -> None:
    """Puts a wrong record into a shard, and all checksums and sizes right again."""
    manifest = json.loads((out / "manifest.json").read_text())
    entry = rng.choice(sorted(manifest["splits"].values(), key=str))
    stated = rng.choice(entry["shards"])
    path, receipt_path = out / stated["name"], out / STATE / "receipts"
    receipt_path /= receipt_name(path.name)
    records = records_of(path.read_bytes())
    at = rng.randrange(len(records))
    features = _typed(records[at])
    about_boxes = {name for name in features if "/object/" in name}  # there are none
    name = rng.choice(sorted(set(features) - about_boxes - {"image/filename"}))
    if name == "image/encoded":
        features[name] = (b"no image",)
    elif isinstance(features[name], Ints):
        features[name] = Ints(value + 1 for value in features[name])
    else:
        features[name] = tuple(value + b"x" for value in features[name])
    if name == "image/colorspace" or rng.random() < 0.2:
        del features[name]
    print(f"record {at} of {path.name}: {name}")
    records[at] = serialize_example(features)
    data = shard_of(records)
    path.write_bytes(data)
    old = receipt_from_json(receipt_path.read_bytes(), path.name)
    new = old._replace(size_bytes=len(data), crc32c=google_crc32c.value(data))
    receipt_path.write_bytes(receipt_to_json(new))
    entry["bytes"] += new.size_bytes - old.size_bytes
    stated |= shard_entry(new, stated["name"])
    (out / "manifest.json").write_bytes(manifest_json(manifest))


def damage(rng: random.Random, folder: Path) -> str:
    """Any damage to a set of either schema, or none."""
    conversion = rng.choice((WITH_REJECTS, INDEXED))
    out = shutil.copytree(conversions.finished(conversion), folder / "out")
    return strike(rng.choice(DAMAGES), rng, out, deep=rng.random() < 0.2)


def forgery(rng: random.Random, folder: Path) -> str:
    """A wrong record under right checksums, which only a deep look finds."""
    out = shutil.copytree(conversions.finished(WITH_REJECTS), folder / "out")
    assert verify(str(out), deep=True).findings == []
    forge(rng, out)
    assert verify(str(out)).findings == []
    assert [one for one in verify(str(out), deep=True).findings if one.record >= 0]
    return "found by --deep only"


ATTACKS = (
    Attack("published-files", damage, share=0.5, seconds=conversions.SECONDS),
    Attack("published-records", forgery, share=0.5, seconds=conversions.SECONDS),
)
