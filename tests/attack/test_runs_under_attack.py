"""A few cases of each attack on a running conversion; `make attack` does many."""

import os
import random
import signal

import calls
import crash_points
import failing_calls
import kills
import network
import pytest
from attack_case import draws
from calls import CHANGING
from conversions import INDEXED, ONE_SPLIT, TWO_SPLITS
from crash_points import first_run, overwrite, patched
from failing_calls import ROOM

pytestmark = pytest.mark.xdist_group("forks")  # the process that forks is made once

needs_library = pytest.mark.skipif(bool(calls.missing()), reason=calls.missing())
needs_emulator = pytest.mark.skipif(bool(network.missing()), reason=network.missing())


def at_part(scene, conversion, kinds, part: float) -> int:
    """The number of a call, by how much of the command is done before it."""
    return max(1, round(part * crash_points.calls(scene, conversion, kinds)))


# A scene, a conversion, how it dies, and after which part of it.
CRASHES = [
    (first_run, ONE_SPLIT, "cut", 0.5),
    pytest.param(overwrite, INDEXED, "cut", 0.3, marks=pytest.mark.slow),
    pytest.param(patched, TWO_SPLITS, "die", 0.9, marks=pytest.mark.slow),
]


@needs_library
@pytest.mark.parametrize(("scene", "conversion", "effect", "part"), CRASHES)
def test_a_crash_is_resumed_to_the_same_bytes(tmp_path, scene, conversion, effect, part):
    at = at_part(scene, conversion, CHANGING, part)
    outcome = crash_points.strike(scene(conversion, tmp_path / "out"), at, effect)
    assert outcome == "resumed"


FAILURES = [
    ("ENOSPC", ROOM, first_run, "fail_on", 0.6),
    ("ESTALE", ("close",), first_run, "fail_on", 0.9),  # that of the lock, too
    pytest.param("EIO", ("write",), overwrite, "fail", 0.4, marks=pytest.mark.slow),
    pytest.param("EROFS", CHANGING, patched, "fail_on", 0.5, marks=pytest.mark.slow),
]


@needs_library
@pytest.mark.parametrize(("error", "kinds", "scene", "effect", "part"), FAILURES)
def test_a_failing_call_is_told_and_resumed(tmp_path, error, kinds, scene, effect, part):
    case = scene(ONE_SPLIT, tmp_path / "out")
    at = at_part(scene, ONE_SPLIT, kinds, part)
    assert failing_calls.strike(case, error, kinds, at, effect) == "told, then resumed"


@pytest.mark.slow
@pytest.mark.parametrize("attack", kills.ATTACKS, ids=lambda attack: attack.name)
def test_a_killed_run_is_resumed_to_the_same_bytes(tmp_path, attack):
    assert attack.strike(draws(attack, 2), tmp_path)


@pytest.mark.parametrize("number", kills.STOPS)
def test_a_stopped_run_leaves_nothing_half_written(tmp_path, number):
    case = kills.Case(kills.LONG, tmp_path / "out")
    run = case.start()
    run.wait_for(lambda: kills.receipts(case.out) >= 2)
    rng = random.Random(1)  # noqa: S311
    assert kills.strike(rng, run, case, number).endswith("then resumed")


@pytest.mark.slow
def test_a_lost_worker_is_told_and_the_run_resumed(tmp_path):
    case = kills.Case(kills.LONG, tmp_path / "out", kills.PROCESSES)
    run = case.start()
    outcome = kills.strike_worker(random.Random(1), run, case)  # noqa: S311
    assert outcome == "told, then resumed"
    assert "a worker process was lost" in run.finish().sentence


@pytest.mark.slow
def test_ctrl_c_that_the_workers_get_too_is_no_failure(tmp_path):
    case = kills.Case(kills.LONG, tmp_path / "out", kills.PROCESSES)
    run = case.start()
    run.wait_for(lambda: kills.workers(run))
    run.send(signal.SIGINT, to_all=True)
    ended = run.finish()
    assert ended.status == 130, ended.printed
    assert "job failed" not in ended.printed
    assert "Traceback" not in ended.printed
    kills.wait_until_gone(run)
    case.check_resumes()


def signalled(case, number):
    """A run of which only the workers get a signal."""
    run = case.start()
    run.wait_for(lambda: kills.workers(run))
    for worker in kills.workers(run):
        os.kill(worker, number)
    return run


@pytest.mark.slow
def test_workers_leave_ctrl_c_to_the_command(tmp_path):
    case = kills.Case(kills.LONG, tmp_path / "out", kills.PROCESSES)
    case.check_done(signalled(case, signal.SIGINT).finish())


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_stops_the_command(tmp_path):
    case = kills.Case(kills.LONG, tmp_path / "out", kills.PROCESSES)
    run = signalled(case, signal.SIGTERM)
    ended = run.finish()
    assert (ended.status, ended.printed.count("stopped after")) == (143, 1)
    kills.wait_until_gone(run)
    case.check_resumes()


@pytest.mark.slow
@pytest.mark.parametrize("more", [kills.IN_MEMORY, kills.PROCESSES], ids=["memory", "processes"])
def test_a_second_stop_does_not_stop_again(tmp_path, more):
    run = kills.Case(kills.LONG, tmp_path / "out", more).start()
    run.wait_for(lambda: kills.receipts(tmp_path / "out") >= 1)
    run.send(signal.SIGINT)
    run.wait_for(lambda: "stopped after" in run.printing.read_text())
    run.send(signal.SIGTERM)
    ended = run.finish()
    assert (ended.status, ended.printed.count("stopped after")) == (130, 1)


@needs_emulator
@pytest.mark.parametrize("verify_reads", [False, True])
def test_many_faults_of_a_network_leave_no_trace(tmp_path, verify_reads):
    proxy = network.BadNetwork(network.emulator().address, 1, 0.3, verify_reads)
    remote = network.Remote(ONE_SPLIT, tmp_path / "scratch")
    more = ("--verify_reads",) if verify_reads else ()
    assert network.strike(remote, proxy, *more) == "survived many faults"
    done = {fault.split(" ")[0] for fault in proxy.struck}
    assert {"status", "reset", "lost_ack", "truncate"} <= done
    assert ("corrupt" in done) == verify_reads
