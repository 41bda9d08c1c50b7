"""Starts a Beam worker the way a runner asks for it, with addresses as flags.

What `--environment_type=PROCESS` runs, and Beam's worker pool with `--container_executable`.
Flink starts workers anew for each stage, and Beam takes seconds to import: so on Linux the
workers of a machine are forks of one process that has imported it, `worker_forks`, which ends
by itself when it is not asked for a while. This program stands for the worker: it ends with
the worker's status, and the worker ends with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

STARTED = b"\0"
"""What the server answers when the worker has started."""

_PACKAGE = Path(__file__).parents[1]
_START_SECONDS = 120.0
_POLL_SECONDS = 0.05
_LONGEST_ADDRESS = 107
"""Of a Unix socket, in bytes (unix(7))."""


def main() -> None:
    """Ends with the status of the worker."""
    try:
        connection = _connect(_address())
        _ask(connection)
    except OSError as error:
        print(f"worker_boot: this worker imports Beam itself: {error}", file=sys.stderr)
        from imagenet_beam.runners.worker_main import run_worker

        run_worker(sys.argv[1:])
    else:
        status = connection.recv(1)
        sys.exit(status[0] if status else 1)  # without a word: server and worker were killed


def _ask(connection: socket.socket) -> None:
    """Asks for a worker; `OSError` unless it has started, and then it will not."""
    request = json.dumps([os.getpid(), *sys.argv[1:]]).encode() + b"\n"
    try:
        connection.settimeout(_START_SECONDS)
        socket.send_fds(connection, [request], [0, 1, 2])
        if connection.recv(1) != STARTED:
            raise OSError("the server of workers could not start it")
        connection.settimeout(None)
    except OSError:
        connection.close()
        raise


def _address() -> Path:
    """The socket of the server for what this process is: another one has workers of its own.

    Raises:
        OSError: If there can be none: its folder is not this user's alone, or the path is
            too long.
    """
    if sys.platform != "linux":  # elsewhere system libraries do not bear to be forked
        raise OSError("workers are forks on Linux only")
    folder = Path(tempfile.gettempdir()) / f"imagenet-beam-workers-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError(f"{folder} is not a folder of this user alone")
    what = "\0".join((*_surroundings(), *_code()))
    address = folder / hashlib.sha256(what.encode(errors="surrogateescape")).hexdigest()[:16]
    if len(os.fsencode(address)) > _LONGEST_ADDRESS:
        raise OSError(f"{address} is too long for a socket")
    return address


def _surroundings() -> Iterator[str]:
    """What a worker inherits: variables, folder, limits, group, and what it can see."""
    yield sys.executable
    yield os.getcwd()
    yield from sorted(f"{name}={value}" for name, value in os.environ.items())
    mask = os.umask(0o077)
    os.umask(mask)
    yield str(mask)
    for file in ("limits", "cgroup"):
        yield Path(f"/proc/self/{file}").read_text()
    for namespace in ("mnt", "net", "pid"):
        yield os.readlink(f"/proc/self/ns/{namespace}")


def _code() -> Iterator[str]:
    """The state of this package, and of what is installed beside it: forks run what was there."""
    for folder, _, names in sorted(os.walk(_PACKAGE, followlinks=True)):
        for path in sorted(os.path.join(folder, name) for name in names if name.endswith(".py")):
            found = os.stat(path)
            yield f"{path} {found.st_mtime_ns} {found.st_size}"
    for folder in sys.path[1:]:  # the first is the current one, where anything may change
        with contextlib.suppress(OSError):
            yield f"{folder} {os.stat(folder).st_mtime_ns}"


def _connect(address: Path) -> socket.socket:
    """Connects to the server, and starts it where there is none; the others wait for that."""
    deadline = time.monotonic() + _START_SECONDS
    with contextlib.suppress(OSError):
        return _connected(address)
    with address.with_suffix(".lock").open("w") as lock:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise OSError("another worker waits for the server of workers")
            time.sleep(_POLL_SECONDS)
        with contextlib.suppress(OSError):
            return _connected(address)
        address.unlink(missing_ok=True)
        return _connected_to_new(address)


def _connected_to_new(address: Path) -> socket.socket:
    # What it says goes into a file: it outlives those who read what this program says.
    with address.with_suffix(".log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - a program of this environment
            [sys.executable, "-m", "imagenet_beam.runners.worker_forks", str(address)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            return _connected(address)
        time.sleep(_POLL_SECONDS)
    server.kill()
    raise OSError(f"the server of workers did not start, see {log.name}")


def _connected(address: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection


if __name__ == "__main__":
    main()
