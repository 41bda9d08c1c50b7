"""Damage to what a run keeps of itself: plan, receipts, manifest, and what stands beside shards.

A later run either gives the bytes of an undisturbed one or says, in one sentence, what to do;
and `verify` finds whatever was changed.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attack_case import Attack
from command import ended
from mutations import mutate
from true_inputs import net_folder

_STATE = ".imagenet-beam"
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 10**30, "", "0", "../../x", "\x1b[2J\u202e", [], {}, [[]],
    {"": 0}, "x" * 1000, float("nan"),
)  # fmt: skip
_TEXTS = (
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'""',
    b"9" * 5000,
    b"\xff\xfe\x00",
    b"{}" * 2,
)


def _flags(output: Path) -> list[str]:
    conversion = [f"--train_directory={net_folder() / 'images'}", "--allow_any_class_names"]
    return [*conversion, "--train_shards=2", "--resize=none", "--max_rejects=99",
            f"--output_dir={output}"]  # fmt: skip


@functools.cache
def _true() -> Path:
    output = net_folder().parent / "out"
    ended(["convert", *_flags(output)], output, (0,))
    return output


def tree(folder: Path) -> dict[str, bytes]:
    """All files but the lock, by relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in files}


def strike(rng: random.Random, folder: Path) -> str:
    output = folder / "out"
    shutil.copytree(_true(), output)
    before = tree(output)
    name = rng.choice([name for name in before if "-of-" not in name or name.startswith(_STATE)])
    data = _damaged(rng, before[name])
    (output / name).write_bytes(data)
    (folder / "damaged").write_bytes(data)
    print(name)
    if not _is_equal(name, before[name], data):
        ended(["verify", str(output)], output, (1, 2))
    done = ended(["convert", *_flags(output)], output, (0, 2))
    after = tree(output)
    if done.status == 0:
        assert after.keys() == before.keys(), f"{after.keys() ^ before.keys()}"
        assert _read(after) == _read(before), "what is read is not as it was"
        ended(["verify", str(output)], output, (0,))
        return "resumed"
    left = {**after, name: before[name]}
    assert _read(before).items() <= left.items(), "it was refused, and files have changed"
    return "refused"


def _read(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What readers of the data look at; the manifest is left to `verify`: it names the plan."""
    state = (_STATE, "manifest.json")
    return {name: data for name, data in files.items() if not name.startswith(state)}


def _is_equal(name: str, before: bytes, after: bytes) -> bool:
    """Whether nothing has changed, but for the spaces of a plan."""
    if before == after or not name.endswith("plan.json"):
        return before == after
    try:
        return bool(json.loads(before) == json.loads(after))
    except (ValueError, RecursionError):
        return False


def _damaged(rng: random.Random, data: bytes) -> bytes:
    how = rng.random()
    if how < 0.15:
        return rng.choice(_TEXTS)
    if how < 0.6:
        return mutate(rng, data).data
    try:
        content = json.loads(data)
    except ValueError:
        return mutate(rng, data).data
    places = list(_places(content))
    holder, key = rng.choice(places)
    if rng.random() < 0.2 and isinstance(holder, dict):
        del holder[key]
    elif isinstance(holder[key], int) and rng.random() < 0.5:
        holder[key] += rng.choice((-1, 1))
    else:
        holder[key] = rng.choice(_VALUES)
    return json.dumps(content).encode()


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Each value of nested lists and objects, by its holder and key."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(pairs):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


ATTACKS = (Attack("state", strike, share=4),)
