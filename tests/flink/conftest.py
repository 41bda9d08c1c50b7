"""A real cluster for the tests that need one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from flink_tools import (
    TASK_MANAGER_MIB,
    cancel_all,
    flink_flags,
    running_cluster,
    write_train_archive,
)

from tools.flink_cluster import install


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flink")
    with running_cluster(folder, slots=1, beam_jar=install.job_server_jar()) as cluster:
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
    """Two TaskManagers with a slot each, no job before the test and none after."""
    names = shared_cluster.processes()
    for number in (1, 2):
        if f"taskmanager-{number}" not in names:
            shared_cluster.start_task_manager(number)
    shared_cluster.wait_for_task_managers(2)
    yield shared_cluster
    cancel_all(shared_cluster)


@pytest.fixture
def on(cluster):
    """The flags for the cluster, with workers that its TaskManagers start."""
    return flink_flags(cluster)


@pytest.fixture
def no_images(tmp_path):
    """A training archive of six files that are no images: only workers can find that."""
    return write_train_archive(tmp_path / "no_images.tar", b"no image\n", classes=1, images=6)
