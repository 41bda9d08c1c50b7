"""A process that does one case after the other, within limits.

It leads a process group: a case that hangs or eats memory is ended with all that it started,
which is a failure, and another process takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from attack_case import Attack, case_folder, do_case

MAX_MEMORY_BYTES = 1 << 30
"""How much more memory than at its start may be resident in the process that does a case."""

_KEPT_BYTES = 1 << 26
"""With more than that kept from cases before, the next one has a new process."""

_PAGE_BYTES = resource.getpagesize()
_PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
_GRACE_SECONDS = 2  # for the traceback of a case that hangs
_PATIENCE = 6
"""How many times its seconds a case has by the clock: other work may fill the machine."""

_TICKS = os.sysconf("SC_CLK_TCK")
_FORK = multiprocessing.get_context("fork")


class Done(NamedTuple):
    """A case that is over: its outcome, or the reason why it failed; and how long it took."""

    attack: Attack
    seed: int
    outcome: str
    reason: str
    seconds: float


class Worker:
    """The process, seen from the campaign.

    Attributes:
        answers: Has something to read when a case is over.
    """

    def __init__(self, attacks: Sequence[Attack], output: Path) -> None:
        self._attacks = attacks
        self._output = output
        self._case: tuple[Attack, int] | None = None
        self._start()

    def _start(self) -> None:
        self.answers, other = _FORK.Pipe()
        self._process = _FORK.Process(target=_work, args=(other, self._attacks, self._output))
        self._process.start()
        other.close()
        self._start_bytes = _resident_bytes(self._process.pid)

    @property
    def is_idle(self) -> bool:
        """Whether it may begin a case."""
        return self._case is None

    def begin(self, attack: Attack, seed: int) -> None:
        """Has it do a case."""
        self._case, self._began = (attack, seed), time.monotonic()
        self._began_busy = _busy_seconds(self._process.pid)
        self.answers.send((attack.name, seed))

    def look(self) -> Done | None:
        """What came of the case, if it is over, or beyond its limits and was ended."""
        if self._case is None:
            return None
        attack, seed = self._case
        seconds = time.monotonic() - self._began
        outcome, reason = "", ""
        if self.answers.poll():
            try:
                outcome, reason = self.answers.recv()
            except EOFError:
                self._process.join()
                reason = f"the process ended with status {self._process.exitcode}"
        elif _resident_bytes(self._process.pid) - self._start_bytes > MAX_MEMORY_BYTES:
            reason = f"memory: more than {MAX_MEMORY_BYTES:,} bytes"
        elif self._hangs(attack, seconds):
            reason = f"hang: more than {attack.seconds:g} seconds"
        else:
            return None
        self._case = None
        if reason or _resident_bytes(self._process.pid) - self._start_bytes > _KEPT_BYTES:
            self.end()
            self._start()
        return Done(attack, seed, outcome, reason, seconds)

    def _hangs(self, attack: Attack, seconds: float) -> bool:
        busy = _busy_seconds(self._process.pid) - self._began_busy
        is_over = busy > attack.seconds + _GRACE_SECONDS
        return is_over or seconds > _PATIENCE * attack.seconds + _GRACE_SECONDS

    def end(self) -> None:
        """Ends the process with all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # where it leads no group yet
        self._process.join()
        self.answers.close()


def _resident_bytes(pid: int) -> int:
    """What a process has in memory now; 0 where that cannot be seen."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _busy_seconds(pid: int) -> float:
    """How long a process has computed, in all its threads; 0 where that cannot be seen."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / _TICKS
    except (OSError, IndexError):
        return 0


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT_BYTES


def _work(cases: Connection, attacks: Sequence[Attack], output: Path) -> None:
    """Does cases until there are no more."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the campaign, which ends this
    start_bytes = _peak_bytes()
    by_name = {attack.name: attack for attack in attacks}
    with contextlib.suppress(EOFError):
        while True:
            name, seed = cases.recv()
            outcome, reason = do_case(by_name[name], seed, output)
            used_bytes = _peak_bytes() - start_bytes
            if not reason and used_bytes > MAX_MEMORY_BYTES:
                reason = f"memory: more than {MAX_MEMORY_BYTES:,} bytes"
            if not reason:
                shutil.rmtree(case_folder(output, by_name[name], seed))
            cases.send((outcome, reason))
