"""`python -m tools.flink_cluster`, which `make flink-cluster` runs."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from flink_tools import free_port, wait_until

from imagenet_beam.runners.flink.rest import FlinkRest
from tools.flink_cluster import install

MAKEFILE = Path(__file__).parents[2] / "Makefile"


@pytest.fixture
def command(tmp_path):
    """`command(what)`: the command to its end, for a cluster of its own."""
    if install.missing():
        pytest.skip(f"no {', '.join(install.missing())}")
    environment = {
        **os.environ,
        "FLINK_FOLDER": str(tmp_path / "cluster"),
        "FLINK_PORT": str(free_port()),
        "FLINK_RPC_PORT": str(free_port()),
        "FLINK_TASK_MANAGERS": "1",
        "FLINK_MEMORY": "1024m",
    }

    def begin(what, **changed):
        return subprocess.Popen(
            [sys.executable, "-m", "tools.flink_cluster", what],
            cwd=MAKEFILE.parent,
            env={**environment, **changed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(what, **changed):
        with begin(what, **changed) as process:
            out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(what, process.returncode, out, err)

    vars(command).update(begin=begin, master=f"localhost:{environment['FLINK_PORT']}")
    yield command
    command("stop")


def test_stop_ends_what_start_started_and_nothing_else(command, tmp_path):
    assert command("status").stdout == "not running\n"
    started = command("start")
    assert started.returncode == 0, started.stderr
    assert f"dashboard: http://{command.master}" in started.stderr
    assert FlinkRest(command.master).overview().task_managers == 1
    assert [line.split(":")[0] for line in command("status").stdout.splitlines()] == [
        "jobmanager",
        "taskmanager-1",
    ]
    again = command("start")
    assert again.returncode == 2
    assert "is running already" in again.stderr and again.stderr.count("\n") == 1
    taken = command("start", FLINK_FOLDER=str(tmp_path / "second"))
    assert taken.returncode == 2
    assert "is taken by another Flink cluster; give another with FLINK_PORT" in taken.stderr
    # As after a reboot: the number of a process that ended belongs to another by now.
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (tmp_path / "cluster" / "taskmanager-2.pid").write_text(str(stranger.pid))
        assert command("stop").returncode == 0
        assert stranger.poll() is None, "a process of somebody else was ended"
        stranger.kill()
    assert command("status").stdout == "not running\n"
    assert not FlinkRest(command.master).answers()


def test_ctrl_c_while_it_starts_leaves_nothing(command, tmp_path):
    with command.begin("start") as starting:
        wait_until((tmp_path / "cluster" / "jobmanager.pid").exists, "the JobManager", 60)
        starting.send_signal(signal.SIGINT)
        assert starting.communicate(timeout=60)[1] == "\nflink_cluster: stopped\n"
    assert starting.returncode == 128 + signal.SIGINT
    assert command("status").stdout == "not running\n"
    assert "jobmanager" not in str(list((tmp_path / "cluster").glob("*.pid")))


def test_a_port_that_is_taken(command):
    with socket.create_server(("localhost", int(command.master.rpartition(":")[2]))):
        started = command("start")
    assert started.returncode == 2
    assert "flink_cluster: the cluster did not come up; its logs are in" in started.stderr
    assert command("status").stdout == "not running\n"


def test_what_is_refused(command):
    refused = command("start", FLINK_PORT="http")
    assert refused.returncode == 2
    assert refused.stderr == (
        "flink_cluster: FLINK_PORT=http is not accepted; give a whole number\n"
    )
    assert command("begin").returncode == 2


@pytest.mark.parametrize(("target", "what"), [("flink-cluster", "start"), ("flink-stop", "stop")])
def test_the_makefile_runs_it(target, what):
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=MAKEFILE.parent,
        env={"PATH": os.environ["PATH"]},  # without the flags of a make around the tests
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.splitlines()[-1].endswith(f"-m tools.flink_cluster {what}")
