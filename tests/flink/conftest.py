"""A real cluster for the tests that need one, and limits that no test can outlive."""

import contextlib
import io
import signal
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest

from imagenet_beam.pipeline import layout
from imagenet_beam.runners.flink_cluster import install
from imagenet_beam.runners.flink_cluster.cluster import Cluster
from imagenet_beam.runners.flink_cluster.settings import ClusterSettings
from imagenet_beam.runners.flink_rest import FlinkRest

HARD_LIMIT_SECONDS = 360
TASK_MANAGER_MIB = 1024


@pytest.fixture(autouse=True)
def _hard_limit():
    """A job that hangs must fail its test, not hang the suite."""

    def give_up(*_):
        raise TimeoutError(f"the test took over {HARD_LIMIT_SECONDS} s")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_cluster(folder: Path, **settings):
    """A cluster on ports of its own; skips where it cannot be had."""
    if install.missing():
        pytest.skip(
            f"no {', '.join(install.missing())}: run "
            "python -m imagenet_beam.runners.flink_cluster install"
        )
    cluster = Cluster(
        ClusterSettings(folder, rest_port=free_port(), rpc_port=free_port(), **settings)
    )
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flink")
    with running_cluster(folder, beam_jar=install.job_server_jar()) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def small_cluster(tmp_path_factory):
    """One small TaskManager, whose end is the end of the job."""
    with running_cluster(
        tmp_path_factory.mktemp("small"),
        task_managers=1,
        task_manager_memory=f"{TASK_MANAGER_MIB}m",
        beam_jar=install.job_server_jar(),
        restart_attempts=0,
    ) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster):
    """Two TaskManagers with two slots each, no job before the test and none after."""
    names = shared_cluster.processes()
    for number in (1, 2):
        if f"taskmanager-{number}" not in names:
            shared_cluster.start_task_manager(number)
    shared_cluster.wait_for_task_managers(2)
    yield shared_cluster
    cancel_all(shared_cluster)


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


@pytest.fixture
def on(cluster):
    """The flags for the cluster, with workers that its TaskManagers start."""
    return flink_flags(cluster)


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


@pytest.fixture
def no_images(tmp_path):
    """A training archive of six files that are no images: only workers can find that."""
    return write_train_archive(tmp_path / "no_images.tar", b"no image\n", classes=1, images=6)


def wait_until(condition, what: str, seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not in {seconds} s"
        time.sleep(0.05)


def receipts(out: Path) -> int:
    """How many shards are published."""
    return len(list(Path(layout.receipts_dir(str(out))).glob("*.json")))


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
    """The Python workers that a TaskManager has started."""
    return [pid for pid, args in children(process).items() if "sdk_worker_main" in args]
