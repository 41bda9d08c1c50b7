"""A case: an attack's name and a number, its seed; nothing else decides what it does."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import random
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Attack:
    """One way to do harm.

    Attributes:
        name: Lower case with hyphens: it stands in the table and names folders.
        strike: Does one case in an empty folder, by what the generator draws alone; gives the
            outcome as a short word, or raises whatever it likes where a promise is broken.
        share: How much of the time it gets, beside the others.
        seconds: After how long a case counts as one that hangs; see `attack_worker`.
    """

    name: str
    strike: Callable[[random.Random, Path], str]
    share: float = 1
    seconds: float = 20


def draws(attack: Attack, seed: int) -> random.Random:
    """The generator of one case: the same on every machine."""
    return random.Random(f"{attack.name} {seed}")  # noqa: S311


def case_folder(output: Path, attack: Attack, seed: int) -> Path:
    """Where a case is done, in the folder `files`, and what of it stays if it fails."""
    return output / f"{attack.name}-{seed}"


def do_case(attack: Attack, seed: int, output: Path) -> tuple[str, str]:
    """Does one case in a process of the campaign's: its outcome, or the reason why it failed."""
    folder = case_folder(output, attack, seed)
    shutil.rmtree(folder, ignore_errors=True)
    files = folder / "files"
    files.mkdir(parents=True)
    with (folder / "log.txt").open("w", 1) as log, (folder / "traceback.txt").open("w") as trace:
        os.dup2(log.fileno(), 1)  # for the processes that it starts
        os.dup2(log.fileno(), 2)
        faulthandler.dump_traceback_later(attack.seconds, repeat=True, file=trace)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                return attack.strike(draws(attack, seed), files), ""
        except BaseException as error:
            traceback.print_exc(file=trace)
            return "", traceback.format_exception_only(error)[-1].strip() or repr(error)
        finally:
            faulthandler.cancel_dump_traceback_later()
