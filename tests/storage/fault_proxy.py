"""An HTTP proxy before a storage emulator: it records, and fails where a test says.

It also holds the sessions of resumable uploads, as the real service documents
them: a session keeps what has arrived (in multiples of 256 KiB), answers how
much that is, ignores bytes that are sent twice, and repeats its last answer.
The emulators append whatever comes, so they see each upload as one request.

Can run by itself, for benchmarks:
    fault_proxy.py --upstream 127.0.0.1:9023 --listen 9024 --delay_ms 30
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import http.client
import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

GRANULE_BYTES = 256 << 10
_BLOCK_BYTES = 64 << 10
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}


@dataclasses.dataclass
class Fault:
    """What happens to the requests that match, after `skip` of them, `times` times.

    Actions: status (answer `code` with `headers` and `message`), reset (before any
    byte), lost_ack (the emulator does it, the answer is lost), break_upload (take
    `after_bytes` of the body), and on the answer's body: truncate, stall, corrupt
    at `after_bytes`, throttle to `bytes_per_second`; delay before the request.
    """

    action: str
    method: str = ""
    path: str = ""
    byte_range: str = ""
    skip: int = 0
    times: int = 1
    code: int = 503
    message: str = "injected"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    after_bytes: int = 0
    seconds: float = 0.0
    bytes_per_second: int = 0
    fin: bool = False

    def takes(self, method: str, path: str, byte_range: str) -> bool:
        """Whether the fault falls on this request; counts it if it matches."""
        fits = self.method in ("", method) and re.search(self.path, path)
        if self.times <= 0 or not fits or not re.search(self.byte_range, byte_range):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclasses.dataclass
class Recorded:
    """One request as it came, and what became of it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    connection: int
    body_bytes: int = 0
    status: int = 0
    fault: str = ""


@dataclasses.dataclass
class _Session:
    """A resumable upload: what has arrived, and the answer once it is complete."""

    data: bytearray = dataclasses.field(default_factory=bytearray)
    answer: tuple[int, list[tuple[str, str]], bytes] | None = None


class FaultProxy(ThreadingHTTPServer):
    """Listens on a free port of this machine until it is closed."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, port: int = 0, delay_seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream = upstream
        self.delay_seconds = delay_seconds
        self.requests: list[Recorded] = []
        self.sessions: dict[str, _Session] = {}
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def inject(self, action: str, **settings: Any) -> None:
        """Adds a fault; see `Fault`."""
        with self._lock:
            self._faults.append(Fault(action, **settings))

    def pick(self, *request: str) -> Fault | None:
        """The fault that falls on a request of this method, path and range."""
        with self._lock:
            return next((fault for fault in self._faults if fault.takes(*request)), None)

    def seen(self, method: str = "", path: str = "") -> list[Recorded]:
        """The recorded requests that match."""
        return [
            request
            for request in self.requests
            if method in ("", request.method) and re.search(path, request.path)
        ]

    def forget(self) -> None:
        """Drops the record and the faults."""
        self.requests.clear()
        with self._lock:
            self._faults.clear()

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are no news here."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One client connection, with one connection to the emulator behind it."""

    server: FaultProxy
    protocol_version = "HTTP/1.1"
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, *_: Any) -> None:
        pass

    def _any(self) -> None:
        parts = urlsplit(self.path)
        fault = self.server.pick(self.command, self.path, self.headers.get("range", ""))
        record = Recorded(
            self.command,
            self.path,
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.client_address[1],
            fault=fault.action if fault else "",
        )
        self.server.requests.append(record)
        time.sleep(self.server.delay_seconds)
        self._serve(record, fault or Fault(""))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _any

    def _serve(self, record: Recorded, fault: Fault) -> None:
        length = int(self.headers.get("content-length") or 0)
        broken = fault.action == "break_upload"
        body = self.rfile.read(min(length, fault.after_bytes) if broken else length)
        record.body_bytes = len(body)
        if fault.action == "delay":
            time.sleep(fault.seconds)
        if fault.action == "reset":
            self._reset()
        elif fault.action == "status":
            self._refuse(record, fault)
        elif "upload_id" in record.query and self.command == "PUT":
            self._resumable(record, fault, body)
        elif broken:
            self._reset()
        else:
            self._forward(record, fault, body)

    def _refuse(self, record: Recorded, fault: Fault) -> None:
        record.status = fault.code
        error = {"error": {"code": fault.code, "message": fault.message}}
        self._answer(fault.code, list(fault.headers.items()), json.dumps(error).encode())

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Closes with RST, which is what a client sees of a machine that died."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    # Resumable uploads

    def _resumable(self, record: Recorded, fault: Fault, body: bytes) -> None:
        session = self.server.sessions.setdefault(record.query["upload_id"][0], _Session())
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", self.headers["content-range"])
        assert span, self.headers["content-range"]
        total = int(span[2])
        if span[1] is not None and session.answer is None:
            kept = body if len(body) + int(span[1]) == total else body[: _whole_granules(body)]
            new = kept[len(session.data) - int(span[1]) :]
            session.data += new
            if len(session.data) == total:
                session.answer = self._upload(bytes(session.data))
        if fault.action in ("lost_ack", "break_upload"):
            return self._reset()
        if session.answer:
            record.status = session.answer[0]
            return self._answer(*session.answer)
        record.status = 308
        taken = [("Range", f"bytes=0-{len(session.data) - 1}")] if session.data else []
        return self._answer(308, taken, b"")

    def _upload(self, data: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        whole = f"bytes 0-{len(data) - 1}/{len(data)}"
        response = self._ask(data, {"content-range": whole})
        return response.status, response.getheaders(), response.read()

    # Everything else

    def _ask(self, body: bytes, changed: dict[str, str] | None = None) -> http.client.HTTPResponse:
        headers = {n.lower(): v for n, v in self.headers.items() if n.lower() not in _HOP}
        headers |= {"content-length": str(len(body))} | (changed or {})
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(self.server.upstream, timeout=120)
        self._upstream.request(self.command, self.path, body=body, headers=headers)
        return self._upstream.getresponse()

    def _forward(self, record: Recorded, fault: Fault, body: bytes) -> None:
        response = self._ask(body)
        if fault.action == "lost_ack":
            response.read()
            return self._reset()
        record.status = response.status
        self.send_response_only(response.status)
        data = b"" if response.getheader("content-length") else response.read()
        for name, value in response.getheaders():
            if name.lower() == "location":
                value = value.replace(f"http://{self.server.upstream}", self.server.url)
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if not response.getheader("content-length"):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if data:
            self.wfile.write(data)
        return self._send_body(response, fault)

    def _send_body(self, response: http.client.HTTPResponse, fault: Fault) -> None:
        sent = 0
        while block := response.read(self._block_bytes(fault, sent)):
            if fault.action == "corrupt" and sent <= fault.after_bytes < sent + len(block):
                at = fault.after_bytes - sent
                block = block[:at] + bytes([block[at] ^ 0xFF]) + block[at + 1 :]
            self.wfile.write(block)
            sent += len(block)
            if fault.action == "throttle":
                time.sleep(len(block) / fault.bytes_per_second)
            if fault.action in ("truncate", "stall") and sent >= fault.after_bytes:
                response.read()
                return self._break_body(fault)
        return None

    def _block_bytes(self, fault: Fault, sent: int) -> int:
        if fault.action in ("truncate", "stall"):
            return min(_BLOCK_BYTES, fault.after_bytes - sent)
        if fault.action == "throttle":
            return max(1, fault.bytes_per_second // 20)
        return _BLOCK_BYTES

    def _break_body(self, fault: Fault) -> None:
        self.wfile.flush()
        time.sleep(fault.seconds or 0.05)  # the client must have read what was sent
        if not fault.fin:
            return self._reset()
        self.close_connection = True
        return self.connection.shutdown(socket.SHUT_RDWR)


def _whole_granules(body: bytes) -> int:
    return len(body) // GRANULE_BYTES * GRANULE_BYTES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--listen", type=int, default=0)
    parser.add_argument("--delay_ms", type=float, default=0.0)
    options = parser.parse_args()
    proxy = FaultProxy(options.upstream, options.listen, options.delay_ms / 1000)
    print(proxy.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
