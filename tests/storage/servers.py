"""Storage emulators for the tests: fake-gcs-server, or gcp-storage-emulator without Go."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FAKE_GCS = "fake-gcs-server"
PLAIN_EMULATOR = "gcp-storage-emulator"
_START_SECONDS = 20.0


@dataclass(frozen=True)
class Emulator:
    """A running emulator.

    Attributes:
        kind: Which one; only fake-gcs-server knows preconditions and generations.
        address: Its host and port.
    """

    kind: str
    address: str

    def make_bucket(self) -> str:
        """Makes a bucket of its own for a test, behind the proxy's back."""
        name = f"test-{uuid.uuid4().hex}"
        self._post("/storage/v1/b?project=test", json.dumps({"name": name}).encode())
        return name

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """Puts an object, behind the proxy's back."""
        mark = uuid.uuid4().hex
        head = json.dumps({"name": name, "contentType": "application/octet-stream"})
        head = f"--{mark}\r\nContent-Type: application/json\r\n\r\n{head}\r\n--{mark}\r\n"
        head += "Content-Type: application/octet-stream\r\n\r\n"
        body = head.encode() + data + f"\r\n--{mark}--".encode()
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
        self._post(path, body, f'multipart/related; boundary="{mark}"')

    def get(self, bucket: str, name: str) -> bytes:
        """Reads an object, past every client library."""
        place = f"http://{self.address}/storage/v1/b/{bucket}/o"
        url = f"{place}/{urllib.parse.quote(name, safe='')}?alt=media"
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310
            data: bytes = response.read()
        return data

    def names(self, bucket: str) -> list[str]:
        """The names of its objects, of a thousand at most."""
        url = f"http://{self.address}/storage/v1/b/{bucket}/o?maxResults=1000"
        with urllib.request.urlopen(url, timeout=30) as response:
            found = json.load(response)
        return [item["name"] for item in found.get("items", ())]

    def _post(self, path: str, data: bytes, kind: str = "application/json") -> None:
        request = urllib.request.Request(f"http://{self.address}{path}", data=data)
        request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            response.read()


def fake_gcs_binary() -> str | None:
    """The binary that install_fake_gcs.sh built, or one on the PATH."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagenet-beam"
    folder = Path(os.environ.get("FAKE_GCS_CACHE") or caches)
    built = sorted(folder.glob(f"{FAKE_GCS}-*/{FAKE_GCS}"))
    return str(built[-1]) if built else shutil.which(FAKE_GCS)


def available() -> str:
    """The emulator that would be started, or ""."""
    if fake_gcs_binary():
        return FAKE_GCS
    return PLAIN_EMULATOR if importlib.util.find_spec("gcp_storage_emulator") else ""


@contextlib.contextmanager
def running(kind: str, root: Path) -> Iterator[Emulator]:
    """Starts an emulator that keeps its objects below a folder, on a free port."""
    for _ in range(5):  # another process may take the port in between
        port = free_port()
        process = _start(kind, root, port)
        try:
            if wait_for_port(port, lambda process=process: process.poll() is None):  # type: ignore[misc]
                yield Emulator(kind, f"127.0.0.1:{port}")
                return
        finally:
            process.kill()
            process.wait()
    raise RuntimeError(f"{kind} does not start")


def _start(kind: str, root: Path, port: int) -> subprocess.Popen[bytes]:
    if kind == FAKE_GCS:
        command = [fake_gcs_binary() or "", "-scheme", "http", "-host", "127.0.0.1"]
        command += ["-port", str(port), "-backend", "filesystem", "-filesystem-root", str(root)]
        command += ["-public-host", f"127.0.0.1:{port}", "-log-level", "error"]
    else:
        start = "from gcp_storage_emulator.server import create_server as c; "
        start += f"c('127.0.0.1', {port}, True).run()"
        command = [sys.executable, "-c", start]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_port(port: int, alive: Callable[[], bool] = lambda: True) -> bool:
    """Whether something listens on a port before long, as long as `alive`."""
    deadline = time.monotonic() + _START_SECONDS
    while alive() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        time.sleep(0.02)
    return False


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
