"""Any runner with a job service: Prism, named and by its address."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.portable import check
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import LabelSource

SHARDS = ("--train_shards=4", "--validation_shards=2")


@pytest.fixture(scope="module")
def prism():
    """The program, where the tests of the worker image have built it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagenet-beam"
    found = sorted(cache.glob("beam-go-*/prism"))
    if not found:
        pytest.skip("no Prism: run tests/worker_image/install_beam_go.sh, which needs Go")
    return found[-1]


@pytest.fixture(scope="module")
def direct(clean, convert, tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("direct") / "out"
    assert convert(*clean.flags, f"--output_dir={out}", *SHARDS).status == 0
    return tree(out)


def test_prism(prism, clean, start, tree, tmp_path, direct):
    out = tmp_path / "out"
    flags = ("--runner=PrismRunner", f"--prism_location={prism}")
    finished = start("convert", *clean.flags, f"--output_dir={out}", *SHARDS, *flags).finish()
    assert finished.status == 0, finished.message
    assert tree(out) == direct


def test_ctrl_c_ends_prism_and_says_so(prism, clean, start, tmp_path):
    out = tmp_path / "out"
    many = ("--train_shards=24", "--validation_shards=12", "--resize=shorter:1500", "--threads=1")
    flags = ("--runner=PrismRunner", f"--prism_location={prism}")
    running = start("convert", *clean.flags, f"--output_dir={out}", *many, *flags)
    running.wait_for(lambda: list(out.glob("train-*")))
    running.send(signal.SIGINT)
    stopped = running.finish()
    assert stopped.status == 128 + signal.SIGINT, stopped.message
    # Beam's worker in this process may print that its work was taken away: docs/runners.md.
    assert "cancelled the job; what is published is whole" in stopped.message


@pytest.fixture
def job_service(prism):
    """The address of a job service that was started before."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    service = subprocess.Popen(
        [prism, f"--job_port={port}", "--serve_http=false"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("localhost", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"localhost:{port}"
    service.kill()
    service.wait()


def test_a_job_service_by_its_address(job_service, clean, start, tree, tmp_path, direct):
    out = tmp_path / "out"
    flags = ("--runner=PortableRunner", f"--job_endpoint={job_service}")
    finished = start("convert", *clean.flags, f"--output_dir={out}", *SHARDS, *flags).finish()
    assert finished.status == 0, finished.message
    assert tree(out) == direct


def test_a_mistake_found_by_a_worker_is_one_sentence(job_service, no_images, start, tmp_path):
    out = tmp_path / "out"
    flags = ("--runner=PortableRunner", f"--job_endpoint={job_service}", "--expect=any")
    shards = (f"--train_archive={no_images}", "--train_shards=2")
    finished = start("convert", *shards, f"--output_dir={out}", *flags).finish()
    assert finished.status == 2, finished.message
    last = finished.message.splitlines()[-1]
    assert last.startswith(f"imagenet-beam: {out / 'train-0000'}")
    assert "would be empty: each of its 3 images was rejected" in last


@pytest.mark.parametrize(
    ("flags", "detach", "sentence"),
    [
        (["--runner=PortableRunner"], False, "--job_endpoint is missing"),
        (["--runner=PrismRunner"], True, "--detach is not accepted with --runner=PrismRunner"),
        (
            ["--runner=PortableRunner", "--job_endpoint=localhost:1"],
            True,
            "--detach is not accepted with workers in this process",
        ),
    ],
)
def test_what_is_refused(flags, detach, sentence):
    config = ConvertConfig(
        "out", imagenet2012.splits("train.tar", "", 4, 4), LabelSource(devkit="devkit.tar.gz")
    )
    with pytest.raises(InputError, match=sentence):
        check(config, LaunchOptions(tuple(flags), detach))
