"""A system call on the output fails: a sentence and no wrong bytes, then the command resumes."""

from __future__ import annotations

import errno
import random
from pathlib import Path

from attack_case import Attack
from calls import CHANGING, KINDS, Fault, missing
from conversions import SECONDS, SMALL, Case, check_quiet, check_said, unfinished
from crash_points import SCENES, calls

ROOM = ("create", "write", "fsync", "rename", "mkdir", "close")
ERRORS = {
    "ENOSPC": ROOM,
    "EDQUOT": ROOM,
    "EROFS": CHANGING,
    "EIO": KINDS,
    "ESTALE": KINDS,
}
"""Which kinds of calls give an error; once, or from the k-th on."""


def strike(case: Case, error: str, kinds: tuple[str, ...], at: int, effect: str) -> str:
    """Fails, and resumes."""
    fault = Fault(str(case.out), kinds, at, effect, getattr(errno, error))
    ended = case.start(fault=fault).finish()
    struck = fault.struck()
    print(f"struck: {struck}, status {ended.status}\n{ended.printed}")
    check_quiet(ended)
    case.check_whole()
    if ended.status == 0:
        case.check_done(ended)
        return "survived" if struck else "undisturbed"
    assert struck, f"nothing failed, and yet status {ended.status}: {ended.printed}"
    check_said(ended)
    can_remove = "unlink" not in fault.kinds or fault.effect == "fail"
    if can_remove and not struck[0].startswith("unlink"):
        assert not unfinished(case.out), "half-written files stay"
    case.check_resumes()
    return "told, then resumed"


def fail(rng: random.Random, folder: Path) -> str:
    """One error, once or for good."""
    scene, conversion = rng.choice(SCENES), rng.choice(SMALL)
    name = rng.choice(sorted(ERRORS))
    kinds = ERRORS[name]
    at = rng.randint(1, calls(scene, conversion, kinds))
    effect = rng.choice(("fail", "fail_on"))
    print(f"{scene.__name__} of {conversion.name}: {name}, {effect} at {at} of {kinds}")
    return strike(scene(conversion, folder / "out"), name, kinds, at, effect)


ATTACKS = () if missing() else (Attack("failing-calls", fail, share=3, seconds=SECONDS),)
