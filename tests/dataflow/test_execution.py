"""What was staged is run: by a bare worker, and by the worker image; nothing else is at hand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import images
import project
import pytest
import staged
from images import worker_image  # noqa: F401

# A bare worker installs what was staged with pip: half a minute here, minutes where the network
# or the other tests are slow.
_JOB_SECONDS = 600
pytestmark = [pytest.mark.slow, pytest.mark.timeout(_JOB_SECONDS + 240)]

_PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE", "https_proxy", "SSL_CERT_FILE")


def worker_base() -> Path | None:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagenet-beam"
    folder = Path(os.environ.get("WORKER_VENV_CACHE") or caches)
    minor = f"py{sys.version_info[0]}.{sys.version_info[1]}"
    built = sorted(folder.glob(f"worker-beam*-{minor}/complete"))
    return built[-1].parent if built else None


@pytest.fixture
def bare_worker(cloud, tmp_path):
    """A Python with Beam and nothing else, in which Beam's boot installs what was staged."""
    boot, base = staged.go_tool("boot"), worker_base()
    if not boot:
        pytest.skip("no boot: run tests/worker_image/install_beam_go.sh, which needs Go")
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
            **cloud.worker_environment,
            "PATH": f"{environment}/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
        },
    )


@pytest.fixture
def image_worker(cloud, worker_image, tmp_path):  # noqa: F811
    """The entry point of the worker image, run as an ordinary user."""
    credentials = cloud.worker_environment["GOOGLE_APPLICATION_CREDENTIALS"]
    start = f"{images.HERE}/run_boot.sh {worker_image} {credentials}"
    return staged.Worker(tmp_path / "worker", start, cloud.worker_environment)


@pytest.fixture
def run_with(cloud, run, tmp_path):
    """`run_with(worker)`: the command, its job executed by that worker from what was staged."""
    prism = staged.go_tool("prism")
    if not prism:
        pytest.skip("no prism: run tests/worker_image/install_beam_go.sh, which needs Go")
    files = tmp_path / "staged"
    files.mkdir()

    def run_with(worker, **options):
        def execute(job):
            try:
                content = staged.fetch(job, cloud.emulator.address, files)
                job.end(*staged.execute(content, worker, prism, _JOB_SECONDS))
            except Exception as error:
                job.end("FAILED", f"the test's own machinery: {error!r}")
                raise

        cloud.api.execute = execute
        return run(**options)

    return run_with


@pytest.fixture
def here(clean, convert, tree, tmp_path):
    """What the same conversion writes on this machine, without the runs' own records."""
    flags = [*clean.flags, "--train_shards=3", "--validation_shards=2"]
    assert convert(f"--output_dir={tmp_path / 'here'}", *flags).status == 0
    return {name: data for name, data in tree(tmp_path / "here").items() if "/" not in name}


def assert_same(there: dict[str, bytes], here: dict[str, bytes]) -> None:
    """Every byte, but for the manifest's record of where the inputs were."""
    assert sorted(there) == sorted(here)
    manifests = [json.loads(files["manifest.json"])["splits"] for files in (there, here)]
    assert manifests[0] == manifests[1]
    assert {**there, "manifest.json": b""} == {**here, "manifest.json": b""}


def test_what_was_staged_is_enough(cloud, bare_worker, run_with, here, tmp_path):
    package = project.installed(tmp_path)
    finished = run_with(bare_worker, environment={"PYTHONPATH": str(package)})
    assert finished.status == 0
    assert re.search(r"^train +24 +24 +0 +4 +3 ", finished.message, re.MULTILINE)
    assert_same(cloud.objects("out"), here)


def test_what_a_setup_file_brings_is_enough(cloud, bare_worker, run_with, here, tmp_path):
    """TensorFlow, of which no worker uses its 600 MB, is left out here to save the time."""
    checkout = project.copied(tmp_path / "checkout", without="tensorflow>")
    finished = run_with(bare_worker, setup_file=str(checkout / "setup.py"))
    assert finished.status == 0
    assert_same(cloud.objects("out"), here)


def test_a_dependency_that_is_not_declared_is_missed(bare_worker, run_with, tmp_path):
    package = project.installed(tmp_path, without="google-cloud-storage")
    finished = run_with(bare_worker, environment={"PYTHONPATH": str(package)})
    assert finished.status == 1
    assert "No module named 'google." in finished.message


def test_the_worker_image_is_enough(cloud, image_worker, run_with, here):
    finished = run_with(image_worker, sdk_container_image="example.com/imagenet-beam:1")
    assert finished.status == 0
    assert_same(cloud.objects("out"), here)
