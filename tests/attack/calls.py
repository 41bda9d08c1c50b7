"""System calls that fail: the Python side of faulty_calls.c."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

KINDS = (
    "create", "write", "fsync", "rename", "unlink", "mkdir", "rmdir", "truncate", "close",
    "open", "read", "stat", "list", "lock",
)  # fmt: skip
"""In the order of the library."""

CHANGING = KINDS[:8]
"""Those that change a folder: between two of them a process may die."""

EFFECTS = ("count", "die", "cut", "fail", "fail_on")
"""Count only; die before the call (of a write: in it), with or without losing what was not
fsynced; an error once; an error from then on."""

_SOURCE = Path(__file__).with_name("faulty_calls.c")


@dataclass(frozen=True)
class Fault:
    """What becomes of the calls on files below a folder.

    Attributes:
        folder: The folder.
        kinds: Which kinds of calls count.
        at: Which of them is struck, from 1.
        effect: One of `EFFECTS`.
        error: The error number that a failing call gives.
    """

    folder: str
    kinds: tuple[str, ...] = CHANGING
    at: int = 0
    effect: str = "count"
    error: int = 0

    @property
    def log(self) -> str:
        """The file that tells which call was struck, or with `count` all of them."""
        return f"{self.folder}.calls"

    @property
    def said(self) -> str:
        """What the environment variable FAULTY_CALLS tells a new process."""
        kinds = sum(1 << KINDS.index(kind) for kind in self.kinds)
        effect = EFFECTS.index(self.effect)
        return f"{kinds} {self.at} {effect} {self.error} {self.folder} {self.log}"

    def apply(self) -> None:
        """Begins in this process, which has the library loaded, and in those that it starts."""
        os.environ["FAULTY_CALLS"] = self.said
        ctypes.CDLL(os.environ["LD_PRELOAD"]).faulty_begin()

    def struck(self) -> list[str]:
        """The calls that the log tells of, such as `rename /out/labels.txt`; forgets them."""
        log = Path(self.log)
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        told = (line.split(" ", 1) for line in lines)
        return [f"{KINDS[int(kind)]} {path}" for kind, path in told]


def missing() -> str:
    """Why there can be no library; "" if there can."""
    if sys.platform != "linux":
        return "failing system calls are preloaded with glibc, on Linux"
    return "" if shutil.which("cc") else "no C compiler: failing system calls need cc"


def library() -> str:
    """The path of the library, compiled where this version of it is not there yet."""
    version = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    built = Path(tempfile.gettempdir()) / f"faulty-calls-{os.getuid()}-{version}.so"
    if not built.exists():
        aside = f"{built}.{os.getpid()}"
        how = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC"]
        command = ["cc", *how, "-o", aside, str(_SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
        os.replace(aside, built)
    return str(built)
