"""Signals at random moments, to the command and to its workers; the same command then resumes."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import conversions
from attack_case import Attack
from conversions import LONG, SECONDS, STATE, Case
from forks import Ended, Run

from imagenet_beam.runners.failures import JOB_FAILED
from imagenet_beam.runners.flink.rest import FlinkRest

STOPS = (signal.SIGINT, signal.SIGTERM)
"""After these nothing half written stays."""

DEATHS = (*STOPS, signal.SIGHUP, signal.SIGKILL)
SIGNALS = (*DEATHS, signal.SIGSTOP)

PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
IN_MEMORY: tuple[str, ...] = ()
SHARDS = 12
RUNNERS_OWN = ("Stream is already completed",)
"""On a busy machine Beam may take a worker away from a stage that has just begun, at each of
Flink's restarts."""

_GONE_SECONDS = 150.0
"""A worker that starts when its master is killed looks for it for a minute."""


def receipts(out: Path) -> int:
    """How many shards are published."""
    folder = out / STATE / "receipts"
    return len(list(folder.glob("*.json"))) if folder.exists() else 0


@functools.cache
def seconds_of(flags: tuple[str, ...]) -> float:
    """How long the undisturbed command takes."""
    began = time.monotonic()
    case = Case(LONG, conversions.forks().scratch / f"timed-{len(flags)}", flags)
    case.check_resumes()
    return time.monotonic() - began


def started(rng: random.Random, case: Case) -> Run:
    """The command, after some time, or with a number of shards published and a little later."""
    if rng.random() < 0.5:
        seconds = rng.uniform(0, seconds_of(case.more))
        run, end = case.start(), time.monotonic() + seconds
        run.wait_for(lambda: time.monotonic() > end)
        return run
    shards = rng.randint(1, SHARDS)
    run = case.start()
    run.wait_for(lambda: receipts(case.out) >= shards)
    time.sleep(rng.uniform(0, 0.03))
    return run


def wait_until_gone(run: Run) -> None:
    """Nothing that the command has started stays."""
    end = time.monotonic() + _GONE_SECONDS
    while left := run.session():
        assert time.monotonic() < end, f"processes stay: {left}"
        time.sleep(0.05)


def check_runners_own(ended: Ended) -> None:
    """The job failed of what the runner does by itself, and that is told."""
    conversions.check_said(ended, quiet=False)
    assert any(words in ended.sentence for words in RUNNERS_OWN), ended.printed


def resume(case: Case, before: Callable[[], object], may_fail: bool) -> None:
    """The same command again, and once more where its job failed and that is told."""
    before()
    ended = case.start().finish()
    if may_fail and ended.status == JOB_FAILED:
        check_runners_own(ended)
        before()
        ended = case.start().finish()
    case.check_done(ended)


def strike(
    rng: random.Random,
    run: Run,
    case: Case,
    number: int,
    to_all: bool = False,
    before_resuming: Callable[[], object] = lambda: None,
    may_fail: bool = False,
) -> str:
    """Sends one signal to the command, or as a terminal does to all that it has started.

    `may_fail`: where a job may fail of something else at the same time, and that is told.
    """
    running = run.poll() is None
    print(f"{signal.Signals(number).name} {case.more} at {receipts(case.out)} shards: {running}")
    run.send(number, to_all)
    if number == signal.SIGSTOP:
        time.sleep(rng.uniform(0, 1))
        run.send(signal.SIGCONT, to_all)
    ended = run.finish()
    print(f"status {ended.status}\n{ended.printed}")
    wait_until_gone(run)
    case.check_whole()
    if may_fail and ended.status == JOB_FAILED:
        check_runners_own(ended)
        resume(case, before_resuming, may_fail)
        return "told, then resumed"
    # Workers whose command is killed say so at length, or it of them, whoever dies first.
    if number != signal.SIGKILL or case.more != PROCESSES:
        conversions.check_quiet(ended)
    if ended.status == 0:
        case.check_done(ended)
        return "went on" if running else "undisturbed"
    assert ended.status in (-number, 128 + number), f"status {ended.status}: {ended.printed}"
    if number in STOPS:
        assert not conversions.unfinished(case.out), "half-written files stay"
    resume(case, before_resuming, may_fail)
    return f"{signal.Signals(number).name}, then resumed"


def killer(flags: tuple[str, ...]) -> Callable[[random.Random, Path], str]:
    """Cases with these flags."""

    def kill(rng: random.Random, folder: Path) -> str:
        case, number = Case(LONG, folder / "out", flags), rng.choice(SIGNALS)
        run = started(rng, case)
        return strike(rng, run, case, number, to_all=rng.random() < 0.5)

    return kill


def workers(run: Run) -> list[int]:
    """The workers of the direct runner that are processes; each is a shell first."""
    shown = run.session().items()
    return [pid for pid, line in shown if "sdk_worker_main" in line and "sh -c" not in line]


def strike_worker(rng: random.Random, run: Run, case: Case) -> str:
    """Kills a worker as soon as there is one, as a system does that is out of memory."""
    run.wait_for(lambda: workers(run))
    there = workers(run)
    print(f"workers at {receipts(case.out)} shards: {there}")
    if there:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(there), signal.SIGKILL)
    ended = run.finish()
    print(f"status {ended.status}\n{ended.printed}")
    wait_until_gone(run)
    case.check_whole()
    if ended.status == 0:
        case.check_done(ended)
        return "went on" if there else "undisturbed"
    conversions.check_said(ended, quiet=False)
    case.check_resumes()
    return "told, then resumed"


def kill_worker(rng: random.Random, folder: Path) -> str:
    """Kills a worker at any moment."""
    case = Case(LONG, folder / "out", PROCESSES)
    return strike_worker(rng, started(rng, case), case)


def on_flink(master: str) -> Callable[[random.Random, Path], str]:
    """Cases on a cluster of its own, on which nothing else runs."""
    rest = FlinkRest(master)
    flags = ("--runner=FlinkRunner", f"--flink_master={master}", "--parallelism=2")

    def kill(rng: random.Random, folder: Path) -> str:
        case = Case(LONG, folder / "out", flags)
        number = rng.choice((*STOPS, signal.SIGKILL, signal.SIGSTOP))
        run = started(rng, case)
        try:
            return strike(rng, run, case, number, before_resuming=cancel_all, may_fail=True)
        finally:
            cancel_all()

    def cancel_all() -> None:
        """Ends the job that a killed command has left."""
        end = time.monotonic() + _GONE_SECONDS
        while running := [job for job in rest.jobs() if not job.ended]:
            assert time.monotonic() < end, f"jobs stay: {running}"
            for job in running:
                rest.cancel(job.job_id)
            time.sleep(0.5)

    return kill


MASTER = os.environ.get("FLINK_MASTER", "")
"""The address of a Flink cluster on this machine; without, it is not attacked."""

ATTACKS: tuple[Attack, ...] = (
    Attack("kill-in-memory", killer(IN_MEMORY), share=3, seconds=SECONDS),
    Attack("kill-processes", killer(PROCESSES), share=2, seconds=2 * SECONDS),
    Attack("kill-worker", kill_worker, seconds=2 * SECONDS),
    *([Attack("kill-on-flink", on_flink(MASTER), seconds=2 * SECONDS)] if MASTER else []),
)
