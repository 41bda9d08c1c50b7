"""The process dies in the middle of a change of its output; the same command then resumes.

The k-th rename, unlink, fsync, write, creation of a file or folder is not done any more; of a
write, a half is. By SIGKILL, or by a power cut, which also takes what was not fsynced.
"""

from __future__ import annotations

import functools
import random
import signal
from collections.abc import Callable
from pathlib import Path

import conversions
from attack_case import Attack
from calls import CHANGING, Fault, missing
from conversions import INDEXED, ONE_SPLIT, SECONDS, SMALL, TWO_SPLITS, Case, Conversion

OLDER = {ONE_SPLIT: TWO_SPLITS, TWO_SPLITS: INDEXED, INDEXED: ONE_SPLIT}
"""What `--overwrite` discards."""


def first_run(conversion: Conversion, out: Path) -> Case:
    """A conversion into an empty folder."""
    return Case(conversion, out)


def overwrite(conversion: Conversion, out: Path) -> Case:
    """A conversion that discards another, finished one."""
    case = Case(conversion, out, ("--overwrite",))
    case.put(conversions.finished(OLDER[conversion]))
    return case


def patched(conversion: Conversion, out: Path) -> Case:
    """A conversion that was finished, and has lost a shard, a receipt and its labels."""
    case = Case(conversion, out)
    case.put(conversions.finished(conversion))
    receipts = sorted((out / conversions.STATE / "receipts").iterdir())
    (shard,) = out.rglob(receipts[0].stem)
    for path in (shard, receipts[-1], out / "labels.txt"):
        path.unlink()
    return case


Scene = Callable[[Conversion, Path], Case]
SCENES: tuple[Scene, ...] = (first_run, overwrite, patched)


@functools.cache
def calls(scene: Scene, conversion: Conversion, kinds: tuple[str, ...] = CHANGING) -> int:
    """How many calls of these kinds the undisturbed command makes, almost."""
    named = f"count-{scene.__name__}-{conversion.name}-{'-'.join(kinds)}"
    out = conversions.forks().scratch / named
    case = scene(conversion, out)
    fault = Fault(str(out), kinds)
    case.check_done(case.start(fault=fault).finish())
    return len(fault.struck())


def strike(
    case: Case, at: int, effect: str, again: int = 0, kinds: tuple[str, ...] = CHANGING
) -> str:
    """Dies at a call, and resumes; with `again`, dies once more while it resumes."""
    for number in filter(None, (at, again)):
        fault = Fault(str(case.out), kinds, number, effect)
        ended = case.start(fault=fault).finish()
        case.check_whole()
        struck = fault.struck()
        print(f"died at call {number}: {struck}, status {ended.status}")
        if not struck:
            case.check_done(ended)
            return "undisturbed"
        assert ended.status == -signal.SIGKILL, ended.printed
    case.check_resumes()
    return "resumed"


def crash(rng: random.Random, folder: Path) -> str:
    """Dies once or twice."""
    scene, conversion = rng.choice(SCENES), rng.choice(SMALL)
    most = calls(scene, conversion)
    at, effect = rng.randint(1, most), rng.choice(("die", "cut"))
    again = rng.choice((0, 0, rng.randint(1, most)))
    print(f"{scene.__name__} of {conversion.name}: {effect} at {at}, then {again}, of {most}")
    return strike(scene(conversion, folder / "out"), at, effect, again)


def crash_of_overwrite(rng: random.Random, folder: Path) -> str:
    """Dies with `--overwrite`, and goes on without."""
    conversion = rng.choice(SMALL)
    case = overwrite(conversion, folder / "out")
    at = rng.randint(1, calls(overwrite, conversion))
    fault = Fault(str(case.out), CHANGING, at, rng.choice(("die", "cut")))
    ended = case.start(fault=fault).finish()
    print(f"{conversion.name}: {fault.effect} at {at}: {fault.struck()}, status {ended.status}")
    case.check_whole()
    plain = Case(conversion, case.out).start().finish()
    print(plain.printed)
    if plain.status == 0:  # the new plan was there already
        case.check_done(plain)
        return "resumed"
    conversions.check_said(plain)
    case.check_resumes()
    return "refused, then resumed"


ATTACKS: tuple[Attack, ...] = (
    Attack("crash-points", crash, share=3, seconds=SECONDS),
    Attack("crash-points-of-overwrite", crash_of_overwrite, seconds=SECONDS),
)
ATTACKS = () if missing() else ATTACKS
