"""The server whose forks are the workers of a machine; started by `worker_boot`, see there.

    python -m imagenet_beam.runners.worker_forks SOCKET

It has imported Beam and the project, and does nothing else: no thread of Python's, no channel,
no client that a fork would share.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from imagenet_beam.pipeline import convert as _imported_for_the_forks  # noqa: F401
from imagenet_beam.runners.worker_boot import STARTED
from imagenet_beam.runners.worker_main import run_worker

IDLE_SECONDS = 60.0
"""Without a worker and without a request; a stage of a job starts sooner after the last."""

_REQUEST_SECONDS = 10.0
_LONGEST_REQUEST = 64 << 10


class Server:
    """Forks a worker for each connection, and tells the other end the worker's status.

    A connection asks with its process id and the worker's arguments, a list in JSON and a
    line, and with the files that are to be the worker's input, output and errors. The answers
    are `STARTED`, and the status as a byte when the worker has ended. When the other end goes,
    so does the worker.

    Args:
        listening: Where connections arrive.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._connections: dict[int, socket.socket] = {}
        self._ended, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)

    def serve(self) -> None:
        """Returns when nobody has asked for a while and no worker is left."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # what is ignored wakes nobody up
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            for waited in (self._listening, self._ended):
                selector.register(waited, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(IDLE_SECONDS)]
                if self._ended in ready:
                    self._ended.recv(4096)
                    self._tell_of_ended()
                if self._listening in ready:
                    self._answer()
                elif not ready and not self._connections:
                    return

    def _tell_of_ended(self) -> None:
        """Sends the status of each worker that has ended; a signal as shells do, with 128."""
        for process in tuple(self._connections):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                with self._connections.pop(process) as connection, contextlib.suppress(OSError):
                    connection.send(bytes([code if code >= 0 else 128 - code]))

    def _answer(self) -> None:
        """Starts a worker; where that cannot be done, closing tells the other end of it."""
        files: list[int] = []
        connection = None
        try:
            connection = self._listening.accept()[0]
            connection.settimeout(_REQUEST_SECONDS)
            asker, *arguments = _read_request(connection, files)
            connection.settimeout(None)
            process = os.fork()
        except (OSError, TypeError, ValueError) as error:
            print(f"worker_forks: a worker could not be started: {error}", file=sys.stderr)
            if connection:
                connection.close()
        else:
            if not process:
                self._become(connection, asker, arguments, files)
            self._connections[process] = connection
        for file in files:
            os.close(file)

    def _become(
        self, connection: socket.socket, asker: int, arguments: list[str], files: list[int]
    ) -> NoReturn:
        """Makes the fork a worker, which ends when the other end of its connection does."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (self._listening, self._ended, self._wakes, *self._connections.values()):
                other.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            connection.send(STARTED)
            threading.Thread(target=_end_with, args=[connection], daemon=True).start()
            with contextlib.suppress(OSError):  # what `ps -o comm` shows
                Path("/proc/self/comm").write_text(f"for {asker}")
            sys.argv[1:] = arguments
            run_worker(arguments)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)


def _end_with(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # which is an end, too
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _read_request(connection: socket.socket, files: list[int]) -> list[Any]:
    """The line, parsed; the three files are appended to what is given.

    Raises:
        OSError: If it does not come.
        ValueError: If it is something else.
    """
    data, received, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 3)
    files += received
    while not data.endswith(b"\n"):
        more = connection.recv(_LONGEST_REQUEST)
        data += more
        if not more or len(data) > _LONGEST_REQUEST:
            raise ValueError("the request has no end")
    if len(files) != 3:
        raise ValueError(f"{len(files)} files came with the request, not 3")
    request: list[Any] = json.loads(data)
    return request


def main() -> None:
    """Serves until it is not needed, and takes its socket away with it."""
    address = Path(sys.argv[1])
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(address))
    own = address.stat().st_ino
    listening.listen(socket.SOMAXCONN)
    gc.collect()
    gc.freeze()  # what is never collected is never written to: forks share its memory
    server = Server(listening)
    while True:
        server.serve()
        with (
            address.with_suffix(".lock").open("w") as lock,
            contextlib.suppress(BlockingIOError),  # somebody waits for a server
        ):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if address.stat().st_ino == own:
                    address.unlink()
                    address.with_suffix(".log").unlink()
            return


if __name__ == "__main__":
    main()
