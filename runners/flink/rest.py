"""Flink's REST interface, as far as a launcher needs it."""

from __future__ import annotations

import http.client
import json
import operator
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_TIMEOUT_SECONDS = 10.0
_NOT_FLINKS = (http.client.HTTPException, ValueError, TypeError, LookupError, AttributeError)
"""What an address that cannot be, or an answer of some other server, ends in."""

TERMINAL_STATES = frozenset({"FINISHED", "FAILED", "CANCELED"})


class Overview(NamedTuple):
    """The cluster at a glance."""

    flink_version: str
    task_managers: int
    slots_total: int
    slots_free: int


class TaskManager(NamedTuple):
    """One TaskManager: the address that it gave the JobManager, its slots and cores."""

    host: str
    slots: int
    cores: int


class FlinkJobInfo(NamedTuple):
    """One job: an id that is never used again, and a name that may be."""

    job_id: str
    name: str
    state: str

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in TERMINAL_STATES


def cancel_command(url: str, job_id: str) -> str:
    """What a person types to cancel a job."""
    return f"curl -X PATCH '{url}/jobs/{job_id}?mode=cancel'"


class FlinkRest:
    """Asks a JobManager.

    Methods raise `OSError` where it does not answer, or answers with an error.

    Args:
        master: `HOST:PORT`, with or without `http://`.
    """

    def __init__(self, master: str) -> None:
        self.url = (master if re.match("https?://", master) else f"http://{master}").rstrip("/")

    def answers(self) -> bool:
        """Whether there is a JobManager."""
        try:
            self.overview()
        except OSError:
            return False
        return True

    def overview(self) -> Overview:
        """Version, TaskManagers and slots."""
        keys = ("flink-version", "taskmanagers", "slots-total", "slots-available")
        return self._get("/overview", lambda found: Overview(*(found[key] for key in keys)))

    def task_managers(self) -> list[TaskManager]:
        """The TaskManagers that have reported."""

        def parse(entry: Any) -> TaskManager:
            cores = int(entry["hardware"]["cpuCores"])
            return TaskManager(_host(entry["path"]), entry["slotsNumber"], cores)

        return self._get("/taskmanagers", lambda found: list(map(parse, found["taskmanagers"])))

    def settings(self) -> dict[str, str]:
        """The JobManager's configuration."""
        return self._get(
            "/jobmanager/config", lambda found: {entry["key"]: entry["value"] for entry in found}
        )

    def jobs(self) -> list[FlinkJobInfo]:
        """All jobs that the JobManager remembers."""
        parse = operator.itemgetter("jid", "name", "state")
        return self._get(
            "/jobs/overview", lambda found: [FlinkJobInfo(*parse(job)) for job in found["jobs"]]
        )

    def job_state(self, job_id: str) -> str:
        """Flink's word for the job's state."""
        return self._get(f"/jobs/{job_id}", lambda found: str(found["state"]))

    def job_error(self, job_id: str) -> str:
        """The trace of what a job failed with; "" if there is none."""
        return self._get(
            f"/jobs/{job_id}/exceptions", lambda found: str(found.get("root-exception") or "")
        )

    def cancel(self, job_id: str) -> None:
        """Asks for a job to be cancelled; one that has ended already is no error."""
        try:
            self._ask(f"/jobs/{job_id}?mode=cancel", "PATCH", bytes)
        except urllib.error.HTTPError as error:
            if error.code not in (404, 409):
                raise

    def _get(self, path: str, parse: Callable[[Any], T]) -> T:
        return self._ask(path, "GET", lambda body: parse(json.loads(body)))

    def _ask(self, path: str, method: str, parse: Callable[[bytes], T]) -> T:
        url = self.url + path
        try:
            request = urllib.request.Request(url, method=method)  # noqa: S310 - http only
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return parse(answer.read())
        except _NOT_FLINKS as error:
            said = f"{type(error).__name__}: {error}".rstrip(": ")
            raise OSError(f"{url} is no address of Flink's REST interface: {said}") from error


def _host(path: str) -> str:
    """The host in `pekko.tcp://flink@10.0.0.7:35161/user/rpc/taskmanager_0`."""
    match = re.search(r"@\[?([^/\]]+?)\]?(?::\d+)?/", path)
    return match.group(1) if match else path
