"""A fake of Dataflow's REST API, version v1b3: what the runner and the launcher ask for.

It keeps jobs, walks each through the states that the test gives, and refuses what
the test says. Where the real service and this one differ, a test proves nothing: so
it answers with the client library's own messages, and takes only jobs that parse as
such.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.cloud import dataflow

HOST = "dataflow.sandbox.test"
"""Beam speaks REST to hosts with `sandbox` in their name; requests come through http_proxy."""

ENDED = ("JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
_ROUTE = re.compile(
    r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs"
    r"(?:/(?P<job>[^/]+)(?:/(?P<what>messages|metrics))?)?"
)


@dataclasses.dataclass
class FakeJob:
    """One job: as it was posted, and what becomes of it.

    Attributes:
        body: What the client sent.
        id: Its id.
        states: The states still to come; each look at the job takes one, the last stays.
        errors: What the job reports as errors, from the moment it has failed.
    """

    body: dict[str, Any]
    id: str
    project: str
    region: str
    states: list[str]
    errors: list[str]

    @property
    def state(self) -> str:
        return f"JOB_STATE_{self.states[0]}"

    def advance(self) -> None:
        if len(self.states) > 1:
            self.states.pop(0)

    def end(self, state: str, *errors: str) -> None:
        """Ends the job now."""
        self.states, self.errors = [state], list(errors)

    def public(self) -> dict[str, Any]:
        shown = ("name", "type", "environment", "clientRequestId", "labels")
        return {
            **{key: self.body[key] for key in shown if key in self.body},
            "id": self.id,
            "projectId": self.project,
            "location": self.region,
            "currentState": self.state,
        }


@dataclasses.dataclass
class Refusal:
    """What the next requests that match get instead of an answer."""

    match: str
    code: int
    message: str
    times: int


class FakeDataflow(ThreadingHTTPServer):
    """Listens on a free port of this machine until it is closed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, FakeJob] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.states = ["PENDING", "RUNNING", "DONE"]
        self.errors: list[str] = []
        self.execute: Callable[[FakeJob], None] | None = None
        self.answers = threading.Event()
        self.answers.set()
        self._refusals: list[Refusal] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        """What http_proxy is set to."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def job(self) -> FakeJob:
        """The only job."""
        (job,) = self.jobs.values()
        return job

    def refuse(self, match: str, code: int, message: str = "injected", times: int = 1) -> None:
        """Answers requests whose `METHOD path` matches with an error, so many times."""
        self._refusals.append(Refusal(match, code, message, times))

    def posted(self) -> int:
        """How many jobs were posted, whatever the answer."""
        return sum(method == "POST" for method, _, _ in self.requests)

    def refusal(self, request: str) -> Refusal | None:
        with self._lock:
            for refusal in self._refusals:
                if refusal.times > 0 and re.search(refusal.match, request):
                    refusal.times -= 1
                    return refusal
        return None

    def create(self, body: dict[str, Any], project: str, region: str) -> FakeJob:
        """Takes a job in; or gives the active one of that name, as the service does."""
        dataflow.Job.from_json(json.dumps(body), ignore_unknown_fields=False)
        with self._lock:
            for job in self.jobs.values():
                if job.body["name"] == body["name"] and job.state not in ENDED:
                    return job
            job_id = time.strftime("%Y-%m-%d_%H_%M_%S-") + f"{next(self._numbers):019d}"
            job = FakeJob(body, job_id, project, region, [*self.states], [*self.errors])
            self.jobs[job_id] = job
        if self.execute:
            job.states = ["RUNNING"]
            threading.Thread(target=self.execute, args=(job,), daemon=True).start()
        return job

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are no news here."""

    def close(self) -> None:
        self.answers.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeDataflow
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        authorization = self.headers.get("authorization") or ""
        self.server.requests.append((self.command, parts.path, authorization))
        refusal = self.server.refusal(f"{self.command} {parts.path}")
        route = _ROUTE.fullmatch(parts.path)
        if parts.hostname != HOST or route is None:
            self._refuse(404, f"no such place: {self.path}")
        elif refusal:
            self._refuse(refusal.code, refusal.message)
        elif not authorization.startswith("Bearer "):
            self._refuse(401, "Request is missing required authentication credential")
        else:
            self._serve(route, parse_qs(parts.query), json.loads(body or b"{}"))

    do_GET = do_POST = do_PUT = _any

    def _serve(self, route: re.Match[str], query: dict[str, list[str]], body: Any) -> None:
        if route["job"] is None and self.command == "POST":
            job = self.server.create(body, route["project"], route["region"])
            self.server.answers.wait()
            self._answer(job.public())
        elif route["job"] is None:
            self._answer({"jobs": self._listed(query)})
        elif route["job"] not in self.server.jobs:
            self._refuse(404, "(f1b2) Information about job could not be found in our system")
        else:
            self._serve_job(self.server.jobs[route["job"]], route["what"], body)

    def _listed(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        name = query.get("name", [""])[0]
        active = query.get("filter", [""])[0] in ("ACTIVE", "3")
        return [
            {key: value for key, value in job.public().items() if key != "labels"}
            for job in [*self.server.jobs.values()]
            if name in ("", job.body["name"]) and not (active and job.state in ENDED)
        ]

    def _serve_job(self, job: FakeJob, what: str | None, body: Any) -> None:
        if what == "messages":
            errors = job.errors if job.state == "JOB_STATE_FAILED" else []
            self._answer({"jobMessages": [_message(n, text) for n, text in enumerate(errors)]})
        elif what == "metrics":
            self._answer({"metrics": []})
        else:
            if self.command == "PUT":
                state = dataflow.JobState(body["requestedState"]).name
                job.end(state.removeprefix("JOB_STATE_"))
            self._answer(job.public())
            job.advance()

    def _answer(self, answer: Any, code: int = 200) -> None:
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, code: int, message: str) -> None:
        self._answer({"error": {"code": code, "message": message}}, code)


def _message(number: int, text: str) -> dict[str, str]:
    return {
        "id": f"m{number}",
        "time": f"2026-01-01T00:00:{number:02d}Z",
        "messageImportance": "JOB_MESSAGE_ERROR",
        "messageText": text,
    }
