"""What must be right before a job is submitted to Flink, as plain functions of plain values."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.runners.flink.rest import FlinkJobInfo, Overview, TaskManager, cancel_command
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import is_local

LOOPBACK = "LOOPBACK"
ENVIRONMENTS = (LOOPBACK, "EXTERNAL", "PROCESS", "DOCKER")

_NO_RESTART = ("", "none", "off", "disable")
_DEFAULT_HEARTBEAT_SECONDS = 50.0
_UNITS = {
    unit: factor
    for factor, units in (
        (1e-3, ("ms", "milli", "millis", "millisecond", "milliseconds")),
        (1.0, ("s", "sec", "secs", "second", "seconds")),
        (60.0, ("m", "min", "minute", "minutes")),
        (3600.0, ("h", "hour", "hours")),
        (86400.0, ("d", "day", "days")),
    )
    for unit in units
}


def choose_environment(given: str | None, hosts: Sequence[str]) -> str:
    """How workers are started: what was asked for, or workers of this process.

    Args:
        given: The value of `--environment_type`, if any.
        hosts: The TaskManagers' addresses; none for an embedded cluster.
    """
    remote = [host for host in hosts if not is_this_machine(host)]
    if given is None:
        if remote:
            raise InputError(
                f"--environment_type is missing: the TaskManager on {remote[0]} cannot use workers "
                "of this process; accepted are EXTERNAL, PROCESS and DOCKER (docs/flink.md)"
            )
        return LOOPBACK
    if given.upper() not in ENVIRONMENTS:
        raise InputError(
            f"--environment_type={given} is not known; accepted are {', '.join(ENVIRONMENTS)}"
        )
    if given.upper() == LOOPBACK and remote:
        raise InputError(
            f"--environment_type=LOOPBACK starts workers in this process, which the TaskManager "
            f"on {remote[0]} cannot reach; accepted are EXTERNAL, PROCESS and DOCKER"
        )
    return given.upper()


def check_pools(environment: str, task_managers: Sequence[TaskManager]) -> None:
    """Refuses one worker pool for two TaskManagers: both would ask it for worker `1-1`."""
    hosts = [manager.host for manager in task_managers]
    shared = sorted({host for host in hosts if hosts.count(host) > 1})
    if environment == "EXTERNAL" and shared:
        raise InputError(
            f"--environment_type=EXTERNAL needs a worker pool for each TaskManager, and "
            f"{hosts.count(shared[0])} TaskManagers run on {shared[0]}: the job would hang; run "
            "one TaskManager a host, or give --environment_type=PROCESS"
        )


def check_paths(config: ConvertConfig, environment: str, hosts: Sequence[str]) -> None:
    """Refuses paths that workers cannot see, or would see in another place.

    A local path is none for workers on other machines or in containers, and a relative
    one none for workers that are started elsewhere.
    """
    if environment == LOOPBACK:
        return
    remote = environment == "DOCKER" or not all(map(is_this_machine, hosts))
    for field, path in config.paths():
        if not is_local(path) or path.startswith("file://"):
            continue
        if remote:
            raise InputError(
                f"`{field}`={path} is on this machine, and the workers run "
                f"{'in containers' if environment == 'DOCKER' else 'on others'}: give a URL such "
                f"as gs://bucket/{field.rpartition('.')[2]}, or file:///mnt/... for a folder that "
                "is mounted at the same place for each worker"
            )
        if not path.startswith("/"):
            raise InputError(
                f"`{field}`={path} is a relative path, and workers that the cluster starts have "
                "another current folder: give the whole path, from /"
            )


def check_parallelism(asked: int, overview: Overview) -> int:
    """How many subtasks a stage has: as many as asked for, or as slots are free.

    Raises:
        InputError: If there are not that many slots. Flink would wait minutes for
            them and then fail.
    """
    if not overview.task_managers:
        raise InputError("the Flink cluster has no TaskManager; start one, then run again")
    if asked > overview.slots_total:
        raise InputError(
            f"--parallelism={asked} is more than the {overview.slots_total} slots of the cluster; "
            "leave it out to use those that are free"
        )
    if overview.slots_free < max(1, asked):
        raise InputError(
            f"{overview.slots_free} of the cluster's {overview.slots_total} slots are free, the "
            f"job needs {max(1, asked)}: wait for other jobs, cancel them, or give a lower "
            "--parallelism"
        )
    return asked if asked > 0 else overview.slots_free


def check_not_running(jobs: Sequence[FlinkJobInfo], mark: str, output_dir: str, url: str) -> None:
    """Refuses a second job for an output folder: one outlives a launcher that was killed."""
    for job in jobs:
        if job.name.endswith(mark) and not job.ended:
            raise InputError(
                f"--output_dir={output_dir} is being written by Flink job {job.job_id} already; "
                f"wait for it, or cancel it with: {cancel_command(url, job.job_id)}"
            )


def restart_warning(settings: Mapping[str, str]) -> str:
    """What to say of a cluster on which a lost TaskManager fails the job; "" if nothing."""
    kind = settings.get("restart-strategy.type") or settings.get("restart-strategy") or ""
    advice = (
        "set restart-strategy.type: fixed-delay with restart-strategy.fixed-delay.attempts: 10 "
        "and restart-strategy.fixed-delay.delay: 10 s in Flink's configuration "
        "(--number_of_execution_retries has no effect)"
    )
    if kind.lower() in _NO_RESTART:
        return f"the cluster restarts nothing: a lost TaskManager or worker fails the job; {advice}"
    if kind not in ("fixed-delay", "fixeddelay"):
        return ""
    attempts = int(settings.get("restart-strategy.fixed-delay.attempts", "1"))
    delay_seconds = seconds(settings.get("restart-strategy.fixed-delay.delay", "1 s"))
    heartbeat_seconds = _DEFAULT_HEARTBEAT_SECONDS
    if "heartbeat.timeout" in settings:
        heartbeat_seconds = seconds(settings["heartbeat.timeout"])
    if attempts * delay_seconds > heartbeat_seconds:
        return ""
    return (
        f"the cluster gives up after {attempts} restarts in {attempts * delay_seconds:g} s, but "
        f"needs {heartbeat_seconds:g} s to notice a lost TaskManager: such a loss fails the job; "
        f"{advice}"
    )


def seconds(duration: str) -> float:
    """A duration as Flink's configuration has it: `2 s`, `1 min`, or milliseconds."""
    match = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", duration.lower())
    if not match:
        return 0.0
    return int(match.group(1)) * _UNITS.get(match.group(2) or "ms", 1.0)


def is_this_machine(host: str) -> bool:
    """Whether an address belongs to this machine: nothing else can be bound to."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True
