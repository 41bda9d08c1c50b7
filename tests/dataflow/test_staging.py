"""What is staged for Dataflow, and that it suffices: it is run by a worker without the project."""

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
import staged

ROOT = Path(__file__).parents[2]
PARTS = ("pipeline", "transforms", "runners")
IMAGE = "europe-docker.pkg.dev/test-project/beam/imagenet-beam:1"
_JOB_SECONDS = 150
_TEST_SECONDS = 280


@pytest.fixture
def hard_limit():
    """Nothing here may hang, whatever becomes of workers and runners."""

    def give_up(*_):
        raise TimeoutError(f"the test took over {_TEST_SECONDS} s")

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def modules() -> set[str]:
    """Every module of the project by its path below site-packages."""
    return {
        f"imagenet_beam/{file.relative_to(ROOT).as_posix()}"
        for part in PARTS
        for file in (ROOT / part).rglob("*.py")
    }


def worker_requirements() -> set[str]:
    names = (line for line in importlib.metadata.requires("imagenet-beam") if "extra" not in line)
    return {line for line in names if not line.startswith("tensorflow")}


def test_the_job_that_is_posted(cloud, run, tmp_path):
    assert run("--detach").status == 0
    job = cloud.api.job
    environment = job.body["environment"]
    (pool,) = environment["workerPools"]
    assert job.body["type"] in (1, "JOB_TYPE_BATCH")
    assert job.body["name"].startswith("imagenet-beam-")
    assert job.body["labels"] == {"application": "imagenet-beam", "application_version": "0-1-0"}
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
    for place in (ROOT, tmp_path, Path.home() / "x"):
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
    checkout = copy_of_the_project(tmp_path / "checkout")
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


def copy_of_the_project(folder: Path) -> Path:
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").write_text("for the build\n")
    return folder


def installed_copy(folder: Path, without: str = "") -> Path:
    """Installs the project as a user would, perhaps with one dependency taken out."""
    checkout = copy_of_the_project(folder / "checkout")
    project = checkout / "pyproject.toml"
    lines = project.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not (without and line.strip().startswith(f'"{without}'))]
    assert len(kept) == len(lines) - bool(without)
    project.write_text("".join(kept))
    target = folder / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, checkout], check=True, timeout=120)
    shutil.rmtree(checkout)
    return target


@pytest.fixture
def worker(cloud, tmp_path):
    """A Python with Beam and nothing else, in which Beam's boot installs what was staged."""
    boot, base = staged.go_tool("boot"), worker_base()
    if not boot:
        pytest.skip("no boot: run tests/image/install_beam_go.sh, which needs Go")
    if not base:
        pytest.skip("no environment for workers: run tests/dataflow/install_worker.sh")
    folder = tmp_path / "worker"
    environment = folder / "environment"
    subprocess.run([base / "bin" / "python", "-m", "venv", environment], check=True, timeout=60)
    (packages,) = environment.glob("lib/python*/site-packages")
    (base_packages,) = base.glob("lib/python*/site-packages")
    (packages / "base.pth").write_text(f"{base_packages}\n")
    passed_on = {name: os.environ[name] for name in _PIP_SETTINGS if name in os.environ}
    return staged.Worker(
        folder,
        f"cd {folder} && exec {boot} --semi_persist_dir={folder}",
        {
            **passed_on,
            "PATH": f"{environment}/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
            "STORAGE_EMULATOR_HOST": cloud.storage.url,
            "GOOGLE_APPLICATION_CREDENTIALS": cloud.environment["GOOGLE_APPLICATION_CREDENTIALS"],
            "NO_GCE_CHECK": "true",
            "http_proxy": "",
            "PYTHONPATH": "",
        },
    )


_PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE", "https_proxy", "SSL_CERT_FILE")


def worker_base() -> Path | None:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagenet-beam"
    folder = Path(os.environ.get("WORKER_VENV_CACHE") or caches)
    minor = f"py{sys.version_info[0]}.{sys.version_info[1]}"
    built = sorted(folder.glob(f"worker-beam*-{minor}/complete"))
    return built[-1].parent if built else None


@pytest.fixture
def execute_jobs(cloud, worker, tmp_path):
    """The fake runs what was staged, and gives the job the state in which that ended."""
    prism = staged.go_tool("prism")
    if not prism:
        pytest.skip("no prism: run tests/image/install_beam_go.sh, which needs Go")
    files = tmp_path / "staged"
    files.mkdir()

    def execute(job):
        try:
            content = staged.fetch(job, cloud.emulator.address, files)
            state, said = staged.execute(content, worker, prism, _JOB_SECONDS)
        except Exception as error:
            job.end("FAILED", f"the test's own machinery: {error!r}")
            raise
        job.end(state, said)

    cloud.api.execute = execute


def download(cloud, folder: str, target: Path) -> Path:
    """Copies the shards of an output folder to this machine."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    os.environ["STORAGE_EMULATOR_HOST"] = f"http://{cloud.emulator.address}"
    try:
        client = storage.Client("test-project", AnonymousCredentials())
    finally:
        del os.environ["STORAGE_EMULATOR_HOST"]
    target.mkdir()
    for blob in client.list_blobs(cloud.bucket, prefix=f"{folder}/", delimiter="/"):
        blob.download_to_filename(target / blob.name.rpartition("/")[2])
    return target


@pytest.mark.slow
@pytest.mark.usefixtures("hard_limit", "execute_jobs")
def test_what_was_staged_is_enough(cloud, clean, run, convert, tree, tmp_path):
    package = installed_copy(tmp_path)
    finished = run(environment={"PYTHONPATH": str(package)})
    assert finished.status == 0
    assert "= 24 records + 0 rejects, 3 shards" in finished.message
    here = tmp_path / "here"
    flags = [*clean.flags, "--train_shards=3", "--validation_shards=2"]
    assert convert(f"--output_dir={here}", *flags).status == 0
    there = tree(download(cloud, "out", tmp_path / "there"))
    ours = {name: data for name, data in tree(here).items() if "/" not in name}
    assert sorted(there) == sorted(ours)
    manifests = [json.loads(files.pop("manifest.json")) for files in (there, ours)]
    assert there == ours
    assert manifests[0]["splits"] == manifests[1]["splits"]


@pytest.mark.slow
@pytest.mark.usefixtures("hard_limit", "execute_jobs")
def test_a_dependency_that_is_not_declared_is_missed(run, tmp_path):
    package = installed_copy(tmp_path, without="google-cloud-storage")
    finished = run(environment={"PYTHONPATH": str(package)})
    assert finished.status == 1
    assert "No module named 'google.cloud'" in finished.message
