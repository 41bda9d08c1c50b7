"""What the tests on a real cluster share: the cluster, its jobs and its processes."""

import contextlib
import io
import socket
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from imagenet_beam.runners.flink.rest import FlinkRest
from tools.flink_cluster import install
from tools.flink_cluster.cluster import Cluster
from tools.flink_cluster.settings import ClusterSettings

TASK_MANAGER_MIB = 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_cluster(folder: Path, **settings):
    """A cluster on ports of its own; skips where it cannot be had."""
    if install.missing():
        pytest.skip(f"no {', '.join(install.missing())}: run make tools")
    cluster = Cluster(
        ClusterSettings(folder, rest_port=free_port(), rpc_port=free_port(), **settings)
    )
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def cancel_all(cluster: Cluster) -> None:
    """Ends what a failed test has left, by REST."""
    rest = FlinkRest(cluster.settings.master)
    for _ in range(60):
        running = [job for job in rest.jobs() if not job.ended]
        for job in running:
            rest.cancel(job.job_id)
        if not running:
            return
        time.sleep(0.5)


def flink_flags(cluster: Cluster) -> list[str]:
    """Workers are kept from stage to stage, to save their starts: half of a small job."""
    return [
        "--runner=FlinkRunner",
        f"--flink_master={cluster.settings.master}",
        "--parallelism=2",
        "--environment_cache_millis=20000",
        "--environment_type=PROCESS",
        f'--environment_config={{"command": "{cluster.worker_command}"}}',
    ]


def write_train_archive(path: Path, data: bytes, classes: int, images: int) -> Path:
    """A training archive with the same file under many names."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as outer:
        for wnid in (f"n0144076{digit}" for digit in range(classes)):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w", format=tarfile.GNU_FORMAT) as class_tar:
                for number in range(images):
                    _add(class_tar, f"{wnid}_{number}.JPEG", data)
            _add(outer, f"{wnid}.tar", inner.getvalue())
    return path


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def wait_until(condition, what: str, seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not in {seconds} s"
        time.sleep(0.05)


def receipts(out: Path) -> int:
    """How many shards are published."""
    return len(list((out / ".imagenet-beam" / "receipts").glob("*.json")))


def children(process: int) -> dict[int, str]:
    """The processes that a process has started, and theirs, with their command lines."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [line.split(None, 3) for line in listed]
    found: dict[int, str] = {}
    parents = {process}
    while parents:
        below = {
            int(pid): args
            for pid, parent, state, args in (row for row in rows if len(row) == 4)
            if int(parent) in parents and not state.startswith("Z")
        }
        found |= below
        parents = set(below)
    return found


def workers(process: int) -> list[int]:
    """What a TaskManager has started as its Python workers: each stands for a fork."""
    return [pid for pid, args in children(process).items() if "worker_boot" in args]


def forks(started: list[int]) -> list[int]:
    """The processes that work for what a TaskManager has started."""
    names = {b"for %d\n" % pid for pid in started}
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it has ended
            if comm.read_bytes() in names:
                found.append(int(comm.parent.name))
    return found
