"""Flink's REST interface, as far as a launcher needs it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any, NamedTuple

_TIMEOUT_SECONDS = 10.0

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
        except (OSError, ValueError, KeyError):
            return False
        return True

    def overview(self) -> Overview:
        """Version, TaskManagers and slots."""
        found = self._get("/overview")
        return Overview(
            found["flink-version"],
            found["taskmanagers"],
            found["slots-total"],
            found["slots-available"],
        )

    def task_managers(self) -> list[TaskManager]:
        """The TaskManagers that have reported."""
        return [
            TaskManager(
                _host(entry["path"]), entry["slotsNumber"], int(entry["hardware"]["cpuCores"])
            )
            for entry in self._get("/taskmanagers")["taskmanagers"]
        ]

    def settings(self) -> dict[str, str]:
        """The JobManager's configuration."""
        return {entry["key"]: entry["value"] for entry in self._get("/jobmanager/config")}

    def jobs(self) -> list[FlinkJobInfo]:
        """All jobs that the JobManager remembers."""
        return [
            FlinkJobInfo(entry["jid"], entry["name"], entry["state"])
            for entry in self._get("/jobs/overview")["jobs"]
        ]

    def job_state(self, job_id: str) -> str:
        """Flink's word for the job's state."""
        return str(self._get(f"/jobs/{job_id}")["state"])

    def job_error(self, job_id: str) -> str:
        """The trace of what a job failed with; "" if there is none."""
        return str(self._get(f"/jobs/{job_id}/exceptions").get("root-exception") or "")

    def cancel(self, job_id: str) -> None:
        """Asks for a job to be cancelled; one that has ended already is no error."""
        try:
            self._ask(f"/jobs/{job_id}?mode=cancel", "PATCH")
        except urllib.error.HTTPError as error:
            if error.code not in (404, 409):
                raise

    def _get(self, path: str) -> Any:
        return json.loads(self._ask(path, "GET"))

    def _ask(self, path: str, method: str) -> bytes:
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - http only
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body


def _host(path: str) -> str:
    """The host in `pekko.tcp://flink@10.0.0.7:35161/user/rpc/taskmanager_0`."""
    match = re.search(r"@\[?([^/\]]+?)\]?(?::\d+)?/", path)
    return match.group(1) if match else path
