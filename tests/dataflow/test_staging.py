"""What is posted to Dataflow, and what is staged for its workers."""

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import project
import staged

IMAGE = "europe-docker.pkg.dev/test-project/beam/imagenet-beam:1"


def modules() -> set[str]:
    """Every module of the project by its path below site-packages."""
    inside = {
        f"imagenet_beam/{file.relative_to(project.ROOT).as_posix()}"
        for part in project.PARTS
        for file in (project.ROOT / part).rglob("*.py")
    }
    package = project.ROOT / "src" / "imagenet_beam"
    return inside | {f"imagenet_beam/{file.name}" for file in package.glob("*.py")}


READERS = ("tensorflow", "jinja2", "matplotlib", "textual-image")


def worker_requirements() -> set[str]:
    names = (line for line in importlib.metadata.requires("imagenet-beam") if "extra" not in line)
    return {line for line in names if not line.startswith(READERS)}


def test_the_job_that_is_posted(cloud, run, tmp_path):
    assert run("--detach").status == 0
    job = cloud.api.job
    environment = job.body["environment"]
    (pool,) = environment["workerPools"]
    assert job.body["type"] in (1, "JOB_TYPE_BATCH")
    assert job.body["name"].startswith("imagenet-beam-")
    labels = {**job.body["labels"]}
    assert re.fullmatch("[0-9a-f]{32}", labels.pop("submission"))
    assert labels == {"application": "imagenet-beam", "application_version": "0-1-0"}
    assert {"use_runner_v2", "beam_fn_api", "no_use_multiple_sdk_containers"} <= set(
        environment["experiments"]
    )
    assert pool["kind"] == "harness"  # what the real service gets
    assert pool["machineType"] == "e2-standard-4"
    assert pool["diskSizeGb"] == 50
    assert pool["numThreadsPerWorker"] == 4
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 20
    assert pool["autoscalingSettings"]["algorithm"] in (2, "AUTOSCALING_ALGORITHM_BASIC")
    assert "ipConfiguration" not in pool
    job_files = staged.fetch(job, cloud.emulator.address, tmp_path)
    assert job_files.images == {pool["workerHarnessContainerImage"]}
    assert {package["name"] for package in pool["packages"]} == set(job_files.files)


def test_the_user_decides(cloud, run):
    flags = {
        "machine_type": "n2-highmem-8",
        "disk_size_gb": "99",
        "max_num_workers": "3",
        "job_name": "nightly",
        "labels": "team=vision",
        "experiments": "use_multiple_sdk_containers",
    }
    assert run("--detach", "--no_use_public_ips", **flags).status == 0
    body = cloud.api.job.body
    (pool,) = body["environment"]["workerPools"]
    assert body["name"] == "nightly"
    assert body["labels"]["team"] == "vision"
    assert pool["ipConfiguration"] in (2, "WORKER_IP_PRIVATE")
    assert pool["machineType"] == "n2-highmem-8"
    assert pool["diskSizeGb"] == 99
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 3
    assert "no_use_multiple_sdk_containers" not in body["environment"]["experiments"]


def test_no_path_of_this_machine_is_in_the_pipeline(cloud, run, tmp_path):
    assert run("--detach").status == 0
    url = staged.options_of(cloud.api.job)["pipelineUrl"]
    pipeline = staged.download(url, cloud.emulator.address)
    for place in (project.ROOT, tmp_path, Path.home() / "x"):
        assert str(place).removesuffix("x").encode() not in pipeline


def test_without_an_image_the_program_itself_is_staged(cloud, run, tmp_path):
    assert run("--detach").status == 0
    job_files = staged.fetch(cloud.api.job, cloud.emulator.address, tmp_path)
    (wheel,) = (path for name, path in job_files.files.items() if name.endswith(".whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert {name for name in names if name.startswith("imagenet_beam/")} == modules()
    required = {line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist")}
    assert required == worker_requirements()
    assert job_files.files["extra_packages.txt"].read_text().split() == [wheel.name]


def test_with_an_image_no_package_is_staged(cloud, run, tmp_path):
    assert run("--detach", sdk_container_image=IMAGE).status == 0
    job_files = staged.fetch(cloud.api.job, cloud.emulator.address, tmp_path)
    assert job_files.images == {IMAGE}
    assert set(job_files.files) <= {"submission_environment_dependencies.txt"}


def test_a_setup_file_is_staged_as_a_source_package(cloud, run, tmp_path):
    checkout = project.copied(tmp_path / "checkout")
    assert run("--detach", setup_file=str(checkout / "setup.py")).status == 0
    job_files = staged.fetch(cloud.api.job, cloud.emulator.address, tmp_path)
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--target", target, job_files.files["workflow.tar.gz"]], check=True, timeout=120
    )
    found = {path.relative_to(target).as_posix() for path in target.rglob("*.py")}
    assert found == modules()
    assert tarfile.is_tarfile(job_files.files["workflow.tar.gz"])
