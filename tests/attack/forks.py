"""The command in forks of one process that has imported everything, to save three seconds each.

It reads a request a line and forks, and the child goes on as the command: a process of its
own, with its own session, signals and exit status, which may be killed at will. When its
standard input ends, which it does however the process that started it ends, all are ended.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

sys.path.insert(0, str(Path(__file__).parent))

import calls

HANG_SECONDS = 180.0
"""No run takes a tenth of it, unless the machine is busy with others."""


class Ended(NamedTuple):
    """How a run ended: status as Popen gives it, and all that it printed."""

    status: int
    printed: str

    @property
    def sentence(self) -> str:
        """The line that the command says of a mistake or failure."""
        said = [line for line in self.printed.splitlines() if line.startswith("imagenet-beam: ")]
        return said[-1] if said else ""


@dataclass
class Run:
    """A command that runs in a fork."""

    pid: int
    printing: Path
    forks: Forks
    ended: Ended | None = None

    def send(self, number: int, to_all: bool = False) -> None:
        """Sends a signal, unless it has ended; to all that it started too, as a terminal does."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if to_all else os.kill)(self.pid, number)

    def poll(self) -> Ended | None:
        """How it ended, or None."""
        if self.ended is None and (status := self.forks.status(self.pid)) is not None:
            self.ended = Ended(status, self.printing.read_text(errors="replace"))
        return self.ended

    def finish(self, seconds: float = HANG_SECONDS) -> Ended:
        """Waits for the end.

        Raises:
            AssertionError: If it hangs; then it has printed where each thread was.
        """
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                self.send(signal.SIGABRT)  # tells where each thread is
                self.send(signal.SIGCONT)
                time.sleep(1)
                _end_session(self.pid)
                raise AssertionError(f"hangs:\n{self.printing.read_text(errors='replace')}")
            time.sleep(0.005)
        return self.ended

    def wait_for(self, condition: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
        """Waits until something is seen, or it has ended."""
        end = time.monotonic() + seconds
        while self.poll() is None and not condition():
            assert time.monotonic() < end, "the command does not get on"
            time.sleep(0.002)

    def session(self) -> dict[int, str]:
        """The processes of it, and of what it started, that are there."""
        return _session(self.pid)


class Forks:
    """The process that forks.

    Attributes:
        scratch: A folder that lives as long as it does.
    """

    def __init__(self, **environment: str) -> None:
        preload = {} if calls.missing() else {"LD_PRELOAD": calls.library()}
        settings = {"OPENBLAS_NUM_THREADS": "1"}  # a process with threads should not fork
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **preload, **settings, **environment},
            start_new_session=True,
        )
        self.scratch = Path(self._ask({})["scratch"])

    def start(
        self,
        args: Sequence[object],
        printing: Path,
        fault: calls.Fault | None = None,
        **environment: str,
    ) -> Run:
        """Starts the command; what it prints goes to a file."""
        printing.unlink(missing_ok=True)
        shown = {
            "args": list(map(str, args)),
            "printing": str(printing),
            "fault": asdict(fault) if fault else None,
            "environment": environment,
        }
        return Run(self._ask(shown)["pid"], printing, self)

    def run(self, args: Sequence[object], printing: Path, **how: Any) -> Ended:
        """Runs the command to its end."""
        return self.start(args, printing, **how).finish()

    def status(self, pid: int) -> int | None:
        """The exit status of a child that has ended, as Popen gives it."""
        status: int | None = self._ask({"ended": pid})["status"]
        return status

    def close(self) -> None:
        """Ends the process, and what it has started."""
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the process that forks has ended"
        answered: dict[str, Any] = json.loads(answer)
        return answered


def _session(leader: int) -> dict[int, str]:
    """The processes of a session, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == leader and stat[0] != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = command.decode(errors="replace")
    return found


def _end_session(leader: int) -> None:
    for pid in _session(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _serve(scratch: str) -> dict[str, Any] | None:
    """Answers until standard input ends; in a child, gives the request that it was made for."""
    started = []
    answer: dict[str, Any]
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "ended" in request:
            pid, status = os.waitpid(request["ended"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if pid else None}
        elif "args" in request:
            pid = os.fork()
            if not pid:
                return cast("dict[str, Any]", request)
            started.append(pid)
            answer = {"pid": pid}
        else:
            answer = {"scratch": scratch}
        print(json.dumps(answer), flush=True)
    for pid in started:
        _end_session(pid)
    return None


def _become(request: dict[str, Any]) -> int:
    """What a child does."""
    os.setsid()
    printing = os.open(request["printing"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (printing, 1), (printing, 2)):
        os.dup2(source, target)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    faulthandler.enable()  # SIGABRT then tells where each thread is
    os.environ.update(request["environment"])
    if fault := request["fault"]:
        calls.Fault(**{**fault, "kinds": tuple(fault["kinds"])}).apply()
    from imagenet_beam.runners.cli import main

    return main(request["args"])


if __name__ == "__main__":
    gc.freeze()  # so that no fork looks through, and thereby copies, what all share
    scratch = tempfile.mkdtemp(prefix="attack-")
    if (request := _serve(scratch)) is not None:
        sys.exit(_become(request))
    shutil.rmtree(scratch)
