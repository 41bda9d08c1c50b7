"""The time, processor time and memory of a command and its descendants (Linux)."""

from __future__ import annotations

import fnmatch
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_POLL_SECONDS = 0.005
_SAMPLE_SECONDS = 0.1
_SAMPLE_SHARE = 0.02
"""Of the time: to look at the memory of a large process takes long, and holds it up."""


class Usage(NamedTuple):
    """What one run took.

    Attributes:
        status: Exit status of the command; negative if a signal ended it.
        seconds: From start to exit.
        start_seconds: From start until the first file of the output appears.
        writing_seconds: From then to the last change of a file of the output.
        cpu_seconds: User and system time of the command and the descendants it waited for.
        peak_mb: The largest sum of the proportional set sizes (PSS) of the tree, sampled up
            to ten times a second, or the largest resident set of one process where that is more.
        output_mb: Size of the files of the output.
    """

    status: int
    seconds: float
    start_seconds: float
    writing_seconds: float
    cpu_seconds: float
    peak_mb: float
    output_mb: float


def measure(
    command: Sequence[str],
    log: Path,
    output: Path | None = None,
    pattern: str = "*",
    environment: Mapping[str, str] | None = None,
) -> Usage:
    """Runs a command to its end.

    The calling process should be small: what it holds counts as the least resident set.

    Args:
        command: Program and arguments.
        log: Where its messages go.
        output: Folder that it writes to.
        pattern: Names of the files of the output that count.
        environment: Its variables; else those of this process.
    """
    started, started_at, first, peak_kb = time.monotonic(), time.time(), None, 0
    next_sample = started
    with log.open("wb") as messages:
        process = subprocess.Popen(
            command, stdout=messages, stderr=messages, env=environment, start_new_session=True
        )
    try:
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if first is None and output and next(written(output, pattern), None):
                first = time.time()
            began = time.monotonic()
            if began >= next_sample:
                peak_kb = max(peak_kb, sum(map(_pss_kb, _tree(process.pid))))
                took = time.monotonic() - began
                next_sample = began + max(_SAMPLE_SECONDS, took / _SAMPLE_SHARE)
            time.sleep(_POLL_SECONDS)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)  # keeps Popen from waiting itself
    files = [path.stat() for path in written(output, pattern)] if output else []
    last = max((file.st_mtime for file in files), default=started_at)
    return Usage(
        status=process.returncode,
        seconds=seconds,
        start_seconds=(first or last) - started_at,
        writing_seconds=max(0.0, last - (first or last)),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=max(peak_kb, usage.ru_maxrss) / 1024,
        output_mb=sum(file.st_size for file in files) / 1e6,
    )


def written(output: Path, pattern: str) -> Iterator[Path]:
    """The files below a folder whose names match; one may be gone when it is looked at."""
    for folder, _, names in os.walk(output):
        for name in fnmatch.filter(names, pattern):
            yield Path(folder, name)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _tree(int(child))
    except OSError:  # it has ended, or the kernel does not tell
        return


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
