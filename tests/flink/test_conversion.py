"""Conversions on a real cluster: what they write, how they end, what they survive."""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys

import pytest
from flink_tools import (
    children,
    flink_flags,
    forks,
    free_port,
    receipts,
    wait_until,
    workers,
    write_train_archive,
)
from PIL import Image

from imagenet_beam.runners.environments import answers
from imagenet_beam.runners.flink.rest import FlinkRest

pytestmark = pytest.mark.slow

SHARDS = 24
IMAGES = 480


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Images that take long to decode, so that something can go wrong in the middle of it."""
    pixels = random.Random(0).randbytes(1200 * 900 * 3)  # noqa: S311 - noise, not a secret
    buffer = io.BytesIO()
    Image.frombytes("RGB", (1200, 900), pixels).save(buffer, "JPEG", quality=80)
    path = tmp_path_factory.mktemp("slow") / "ILSVRC2012_img_train.tar"
    return write_train_archive(path, buffer.getvalue(), classes=4, images=IMAGES // 4)


@pytest.fixture(scope="module")
def flags(archive):
    return [f"--train_archive={archive}", f"--train_shards={SHARDS}", "--expect=any"]


@pytest.fixture(scope="module")
def expected(flags, convert, tree, tmp_path_factory):
    """What the direct runner writes."""
    out = tmp_path_factory.mktemp("direct") / "out"
    assert convert(*flags, f"--output_dir={out}").status == 0
    return tree(out)


@pytest.fixture
def job(flags, on, start, tmp_path):
    """`job(*more flags)`: the command in a process, and its output folder."""
    out = tmp_path / "out"

    def run(*more):
        return start("convert", *flags, f"--output_dir={out}", *on, *more), out

    return run


def only_job(cluster):
    """The job that runs now."""
    running = [job for job in FlinkRest(cluster.settings.master).jobs() if not job.ended]
    assert len(running) == 1
    return running[0].job_id


def writing_subtasks(cluster, job_id):
    """The subtasks that wrote the training shards."""
    rest = FlinkRest(cluster.settings.master)
    vertices = rest._get(f"/jobs/{job_id}", lambda found: found["vertices"])
    names = [vertex["name"] for vertex in vertices]
    parts = "WriteTrain", "WriteToTFRecord", "SumClasses"  # one vertex: it writes, and counts
    writing = [vertex for vertex in vertices if all(part in vertex["name"] for part in parts)]
    assert len(writing) == 1, names
    path = f"/jobs/{job_id}/vertices/{writing[0]['id']}"
    return rest._get(path, lambda found: found["subtasks"])


def failures(cluster, job_id):
    """What a job has failed with and was started again after."""
    rest = FlinkRest(cluster.settings.master)
    path = f"/jobs/{job_id}/exceptions"
    return rest._get(path, lambda found: found["exceptionHistory"]["entries"])


def test_two_task_managers_write_at_once_what_the_direct_runner_writes(
    job, cluster, tree, expected
):
    running, out = job()
    running.wait_for(lambda: receipts(out) >= 1, seconds=150)
    job_id = only_job(cluster)
    finished = running.finish()
    assert finished.status == 0, finished.message
    assert tree(out) == expected
    subtasks = writing_subtasks(cluster, job_id)
    assert len({subtask["taskmanager-id"] for subtask in subtasks}) == 2
    assert all(subtask["metrics"]["write-records"] > 2 for subtask in subtasks)
    assert max(s["start-time"] for s in subtasks) < min(s["end-time"] for s in subtasks)


def test_a_killed_task_manager_costs_nothing_but_time(job, cluster, tree, expected):
    running, out = job()
    running.wait_for(lambda: receipts(out) >= 3, seconds=150)
    processes = cluster.processes()
    victim = next(name for name in processes if name != "jobmanager" and workers(processes[name]))
    job_id = only_job(cluster)
    orphans = workers(processes[victim])
    orphans += forks(orphans)
    assert len(orphans) >= 2
    os.kill(processes[victim], signal.SIGKILL)
    cluster.start_task_manager(int(victim.rpartition("-")[2]))  # as Kubernetes would
    finished = running.finish()
    assert finished.status == 0, finished.message
    assert failures(cluster, job_id), "the TaskManager had no work"
    assert tree(out) == expected
    wait_until(lambda: not any(map(_is_alive, orphans)), "workers outlive their TaskManager", 30)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def assert_end(servers: dict[int, str]) -> None:
    """The shell around the server looks ten times a second whether it may clean up and end."""
    assert servers
    wait_until(lambda: not any(map(_is_alive, servers)), "the job server is left behind", 30)


def test_a_killed_worker_costs_nothing_but_time(job, cluster, tree, expected):
    running, out = job("--environment_cache_millis=0")  # the default: see docs/flink.md
    running.wait_for(lambda: receipts(out) >= 3, seconds=150)
    processes = cluster.processes()
    managers = [pid for name, pid in processes.items() if name != "jobmanager"]
    busy = next(pid for pid in managers if workers(pid))
    job_id = only_job(cluster)
    started = workers(busy)
    working = forks(started)
    assert len(working) == len(started)
    for worker in started:  # one for each slot: which of them has work is not told
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not any(map(_is_alive, working)), "a fork outlives what it works for", 30)
    finished = running.finish()
    assert finished.status == 0, finished.message
    assert failures(cluster, job_id), "the worker had no work"
    assert tree(out) == expected


def test_the_job_of_a_killed_launcher_is_not_joined_by_a_second(job, cluster, tree, expected):
    running, out = job()
    rest = FlinkRest(cluster.settings.master)
    known = len(rest.jobs())
    running.wait_for(lambda: len(rest.jobs()) > known, seconds=150)
    servers = children(running.process.pid)
    running.send(signal.SIGKILL)
    assert running.finish().status == -signal.SIGKILL
    job_id = only_job(cluster)
    again = job()[0].finish()
    assert again.status == 2
    assert f"is being written by Flink job {job_id} already" in again.message
    wait_until(lambda: rest.job_state(job_id) == "FINISHED", "the job goes on alone")
    assert tree(out) == expected
    assert_end(servers)
    assert "nothing to do" in job()[0].finish().message


def test_ctrl_c_cancels_and_the_same_command_goes_on(job, cluster, tree, expected):
    # Workers that are kept for the next job would finish their shards before they look up.
    running, out = job("--environment_cache_millis=0")
    running.wait_for(lambda: receipts(out) >= 1, seconds=150)
    job_id = only_job(cluster)
    servers = children(running.process.pid)
    running.send(signal.SIGINT)
    stopped = running.finish()
    assert stopped.status == 128 + signal.SIGINT
    assert f"cancelled Flink job {job_id}" in stopped.message
    rest = FlinkRest(cluster.settings.master)
    assert rest.job_state(job_id) == "CANCELED"
    assert_end(servers)
    # A shard without its receipt, cut off between the two, is written again.
    receipts_dir = out / ".imagenet-beam" / "receipts"
    shards = [out / receipt.stem for receipt in receipts_dir.glob("train-*.json")]
    done = {path.name: path.stat().st_mtime_ns for path in shards}
    assert 0 < len(done) < SHARDS

    detached = job("--detach")[0].finish()
    assert detached.status == 0, detached.message
    assert "resuming: " in detached.message
    second = only_job(cluster)
    assert f"curl -X PATCH '{rest.url}/jobs/{second}?mode=cancel'" in detached.message
    wait_until(lambda: rest.job_state(second) == "FINISHED", "the detached job")
    assert tree(out) == expected
    assert all((out / name).stat().st_mtime_ns == time_ns for name, time_ns in done.items())


def test_a_busy_cluster_is_told_and_sigterm_cancels(job, flags, cluster, start, on, tmp_path):
    running = job("--resize=exact:3000x3000")[0]  # minutes of work: it runs while the other asks
    rest = FlinkRest(cluster.settings.master)
    running.wait_for(lambda: rest.overview().slots_free == 0, seconds=150)
    job_id = only_job(cluster)
    servers = children(running.process.pid)
    other = start("convert", *flags, f"--output_dir={tmp_path / 'other'}", *on).finish()
    assert other.status == 2
    assert "0 of the cluster's 2 slots are free, the job needs 2" in other.message
    assert not (tmp_path / "other").exists()
    running.send(signal.SIGTERM)
    assert running.finish().status == 128 + signal.SIGTERM
    assert rest.job_state(job_id) == "CANCELED"
    assert_end(servers)


def test_a_job_that_cannot_start_its_workers(flags, small_cluster, start, tmp_path):
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\nexit 7\n")
    worker.chmod(0o755)
    finished = start(
        "convert",
        *flags,
        f"--output_dir={tmp_path / 'out'}",
        "--runner=FlinkRunner",
        f"--flink_master={small_cluster.settings.master}",
        "--environment_type=PROCESS",
        f'--environment_config={{"command": "{worker}"}}',
    ).finish()
    assert finished.status == 1
    last = finished.message.splitlines()[-1]
    assert last.startswith("imagenet-beam: the job failed: Flink job ")
    assert "Process died with exit code 7" in last
    assert "\tat " not in finished.message


def test_rejects_and_workers_in_the_launcher(hard, convert, cluster, start, tree, tmp_path):
    flags = (*hard.flags, "--train_shards=5", "--validation_shards=3")
    direct = convert(*flags, f"--output_dir={tmp_path / 'direct'}")
    assert direct.status == 3
    master = f"--flink_master={cluster.settings.master}"
    finished = start(
        "convert", *flags, f"--output_dir={tmp_path / 'flink'}", "--runner=FlinkRunner", master
    ).finish()
    assert finished.status == 3, finished.message
    assert (
        finished.message.splitlines()[-1].replace("/flink/", "/direct/")
        == (direct.message.splitlines()[-1])
    )
    assert tree(tmp_path / "flink") == tree(tmp_path / "direct")


@pytest.fixture
def pool(small_cluster, tmp_path):
    """The address of a worker pool."""
    port = free_port()
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    with (tmp_path / "pool.log").open("wb") as log:
        started = subprocess.Popen(
            [
                *command,
                f"--service_port={port}",
                f"--container_executable={small_cluster.worker_command}",
            ],
            stdout=log,
            stderr=log,
        )
    wait_until(lambda: answers(f"localhost:{port}"), "the worker pool", 120)
    yield f"localhost:{port}"
    left = children(started.pid)
    started.send_signal(signal.SIGINT)
    for process in (started.pid, *left):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    started.wait()


def test_a_worker_pool(hard, convert, small_cluster, pool, start, tree, tmp_path):
    flags = (*hard.flags, "--train_shards=5", "--validation_shards=3", "--max_rejects=100")
    assert convert(*flags, f"--output_dir={tmp_path / 'direct'}").status == 0
    finished = start(
        "convert",
        *flags,
        f"--output_dir={tmp_path / 'flink'}",
        "--runner=FlinkRunner",
        f"--flink_master={small_cluster.settings.master}",
        "--environment_type=EXTERNAL",
        f"--environment_config={pool}",
    ).finish()
    assert finished.status == 0, finished.message
    assert "warning: the cluster restarts nothing" in finished.message
    assert tree(tmp_path / "flink") == tree(tmp_path / "direct")


def test_an_embedded_cluster(clean, convert, start, tree, tmp_path):
    from tools.flink_cluster import install

    if install.missing():
        pytest.skip(f"no {', '.join(install.missing())}")
    flags = (*clean.flags, "--train_shards=4", "--validation_shards=2")
    assert convert(*flags, f"--output_dir={tmp_path / 'direct'}").status == 0
    running = start("convert", *flags, f"--output_dir={tmp_path / 'flink'}", "--runner=FlinkRunner")
    finished = running.finish()
    assert finished.status == 0, finished.message
    assert tree(tmp_path / "flink") == tree(tmp_path / "direct")


def test_a_mistake_found_by_a_worker_is_one_sentence(no_images, cluster, start, tmp_path):
    rest = FlinkRest(cluster.settings.master)
    known = {job.job_id for job in rest.jobs()}
    finished = start(
        "convert",
        f"--train_archive={no_images}",
        f"--output_dir={tmp_path / 'out'}",
        "--train_shards=2",
        "--expect=any",
        *flink_flags(cluster),
    ).finish()
    assert finished.status == 2, finished.message
    last = finished.message.splitlines()[-1]
    assert last.startswith(f"imagenet-beam: {tmp_path / 'out' / 'train-0000'}")
    assert "would be empty: each of its 3 images was rejected" in last
    assert "Caused by" not in finished.message and "Traceback" not in finished.message
    (job,) = [job for job in rest.jobs() if job.job_id not in known]
    assert job.state == "CANCELED", "it was tried again and again"
