"""Workers that are forks: how they start, what they end with, and when the server ends."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]
SECONDS = 60


@pytest.fixture
def folder():
    """Where sockets are made: their paths are short ones."""
    path = tempfile.mkdtemp(prefix="boot")
    yield Path(path)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(path) in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def silent():
    """The address of a runner that never answers."""
    with socket.create_server(("localhost", 0)) as server:
        yield f"localhost:{server.getsockname()[1]}"


@pytest.fixture
def boot(folder):
    """`boot(address)`: a worker of the runner at that address."""
    started = []

    def start(address):
        command = [sys.executable, "-m", "imagenet_beam.runners.worker_boot", "--id=1"]
        process = subprocess.Popen(
            [*command, f"--provision_endpoint={address}"],
            env={**os.environ, "TMPDIR": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=SECONDS)


def refused():
    """An address where nothing listens."""
    with socket.create_server(("localhost", 0)) as server:
        return f"localhost:{server.getsockname()[1]}"


def fork_of(boot):
    """The process that works for it, once there is one."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for comm in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                if comm.read_bytes() == b"for %d\n" % boot.pid:
                    return comm.parent
        time.sleep(0.05)
    raise AssertionError("no worker")


def parent(process):
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])


def wait_for_end(process):
    deadline = time.monotonic() + SECONDS
    while process.exists():
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.05)


def test_workers_are_forks_of_one_server_and_end_with_what_stands_for_them(boot, silent):
    killed, ended = boot(silent), boot(silent)
    forks = [fork_of(killed), fork_of(ended)]
    assert parent(forks[0]) == parent(forks[1])
    assert b"worker_forks" in Path(f"/proc/{parent(forks[0])}/cmdline").read_bytes()
    killed.kill()
    wait_for_end(forks[0])
    ended.terminate()
    assert ended.wait() == -signal.SIGTERM
    wait_for_end(forks[1])


def test_a_worker_that_fails_says_why_and_its_status_is_passed_on(boot):
    process = boot(refused())
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 1
    assert "StatusCode.UNAVAILABLE" in said
    assert "imports Beam itself" not in said


def test_the_end_of_a_killed_worker_is_seen_without_the_server(boot, silent):
    process = boot(silent)
    fork = fork_of(process)
    os.kill(parent(fork), signal.SIGKILL)
    os.kill(int(fork.name), signal.SIGKILL)
    assert process.wait(SECONDS) == 1


def test_a_worker_killed_by_a_signal_has_the_status_that_shells_give(boot, silent):
    process = boot(silent)
    os.kill(int(fork_of(process).name), signal.SIGTERM)
    assert process.wait(SECONDS) == 128 + signal.SIGTERM


def test_sockets_are_not_looked_for_where_others_could_put_theirs(boot, folder):
    place = folder / f"imagenet-beam-workers-{os.getuid()}"
    place.mkdir()
    place.chmod(0o777)
    process = boot(refused())
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 1
    assert f"imports Beam itself: {place} is not a folder of this user alone" in said
    assert "StatusCode.UNAVAILABLE" in said, "it is a worker all the same"
    assert not list(place.iterdir())


def test_a_server_that_nobody_asks_ends_and_takes_its_socket_away(folder):
    program = (
        "import sys; from imagenet_beam.runners import worker_forks as forks; "
        "forks.IDLE_SECONDS = 0.1; forks.main()"
    )
    address = folder / "address"
    done = subprocess.run([sys.executable, "-c", program, address], timeout=SECONDS)
    assert done.returncode == 0
    assert not address.exists()


@pytest.mark.parametrize("request_", [b"", b"[1", b"{]\n", b"[1]\n"])
def test_a_request_that_makes_no_sense_does_not_end_the_server(boot, folder, silent, request_):
    server = parent(fork_of(boot(silent)))
    (address,) = (path for path in folder.glob("*/*") if path.suffix == "" and path.is_socket())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(address))
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(1)
    assert parent(fork_of(boot(silent))) == server
