"""A web server on this machine that can misbehave in the ways of real ones."""

import base64
import hashlib
import http.server
import re
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from imagenet_beam.pipeline.download.client import TransferOptions
from imagenet_beam.pipeline.download.sources import SourceFile


@dataclass
class Fault:
    """How one answer goes wrong; requests without one are answered rightly.

    Attributes:
        status: Answer this instead.
        headers: Send these too.
        drop_after: Close the connection after so many bytes of the body.
        ignore_range: Send the whole file although a part was asked for.
        length_by: Announce so many bytes more, or fewer.
        hang_after: Send so many bytes of the body, then nothing until the server ends.
        before: Is called with the site before the answer.
    """

    status: int = 0
    headers: dict = field(default_factory=dict)
    drop_after: int | None = None
    ignore_range: bool = False
    length_by: int = 0
    hang_after: int | None = None
    before: Callable[["Site"], None] | None = None


@dataclass
class Request:
    """What was asked."""

    path: str
    range: str
    if_range: str
    accept_encoding: str


class Site:
    """The server's files, the faults to come and the requests so far."""

    def __init__(self):
        self.files = {}
        self.faults: deque[Fault] = deque()
        self.requests = []
        self.has_ranges = True
        self.has_validators = True
        self.has_length = True
        self.knows_if_range = True
        self.login = ""
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.url = ""

    def put(self, name, data):
        """Offers a file and describes it truly."""
        self.files[f"/{name}"] = data
        return SourceFile(
            name.rpartition("/")[2],
            (self.url + name,),
            len(data),
            hashlib.md5(data, usedforsecurity=False).hexdigest(),
            hashlib.sha256(data).hexdigest(),
        )

    def answer(self, **fault):
        """Adds how the next request that is not spoken for yet is answered; see `Fault`."""
        self.faults.append(Fault(**fault))

    @property
    def ranges(self):
        """The ranges that were asked for."""
        return [request.range for request in self.requests]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    site: Site


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        site = self.server.site
        with site.lock:
            names = ("Range", "If-Range", "Accept-Encoding")
            site.requests.append(Request(self.path, *(self.headers.get(n, "") for n in names)))
            fault = (site.faults.popleft() if site.faults else None) or Fault()
        if fault.before:
            fault.before(site)
        expected = "Basic " + base64.b64encode(site.login.encode()).decode()
        if site.login and self.headers.get("Authorization") != expected:
            fault = Fault(status=401, headers={"WWW-Authenticate": "Basic"})
        data = site.files.get(self.path.partition("?")[0])
        if data is None and not fault.status:
            fault = Fault(status=404)
        if fault.status:
            self._answer(fault.status, fault.headers, b"", fault)
        else:
            self._send_file(site, data, fault)

    def _send_file(self, site, data, fault):
        etag = f'"{hashlib.sha256(data).hexdigest()[:12]}"'
        headers = {"ETag": etag} if site.has_validators else {}
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        ranged = site.has_ranges and found and not fault.ignore_range
        is_changed = site.knows_if_range and self.headers.get("If-Range", etag) != etag
        if not ranged or is_changed:
            return self._answer(200, headers, data, fault, site.has_length)
        first, last = int(found[1]), min(int(found[2]), len(data) - 1)
        if first >= len(data):
            return self._answer(416, {"Content-Range": f"bytes */{len(data)}"}, b"", fault)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self._answer(206, headers, data[first : last + 1], fault)

    def _answer(self, status, headers, body, fault, has_length=True):
        self.send_response(status)
        for name, value in {**headers, **fault.headers}.items():
            self.send_header(name, value)
        if has_length:
            self.send_header("Content-Length", str(len(body) + fault.length_by))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if fault.drop_after is not None:
            body = body[: fault.drop_after]
        if fault.hang_after is not None:
            self.wfile.write(body[: fault.hang_after])
            self.wfile.flush()
            self.server.site.ended.wait(30)
            return
        self.wfile.write(body)


@pytest.fixture
def site():
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site()
    server.site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.site
    server.site.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy_or_netrc_of_this_machine(monkeypatch, tmp_path):
    for name in (
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("IMAGENET_BEAM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def options():
    """Small pieces on one connection, and no waiting."""
    return TransferOptions(connections=1, attempts=3, piece_bytes=1000, backoff_seconds=0.0)
