"""Where workers come from: what is refused before a job is, on each runner that has a choice."""

import socket
import stat

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from imagenet_beam.runners.environments import check_environment
from imagenet_beam.transforms.errors import InputError

CONFIG, OPTION = "--environment_config=", "--environment_options="


def check(environment, *flags, is_here=False):
    options = PipelineOptions([f"--environment_type={environment}", *flags])
    check_environment(options.view_as(PortableOptions), environment, is_here)


@pytest.mark.parametrize(
    ("environment", "flag"),
    [
        ("LOOPBACK", None),
        ("PROCESS", CONFIG + '{"command": "/opt/worker"}'),
        ("PROCESS", CONFIG + '{"command": "/opt/worker", "env": {"A": "b"}}'),
        ("PROCESS", OPTION + "process_command=/opt/worker"),
        ("EXTERNAL", CONFIG + "localhost:50000"),
        ("EXTERNAL", CONFIG + '{"url": "pool:50000", "params": {}}'),
        ("EXTERNAL", OPTION + "external_service_address=pool:50000"),
        ("DOCKER", CONFIG + "registry.example:5000/imagenet-beam@sha256:0123"),
        ("DOCKER", OPTION + "docker_container_image=imagenet-beam"),
        ("beam:env:embedded:v1", CONFIG + "anything"),
    ],
)
def test_what_is_accepted(environment, flag):
    check(environment, *[flag] if flag else [])


@pytest.mark.parametrize(
    ("environment", "flags", "sentence"),
    [
        ("LOOPBACK", [CONFIG + "x"], "config=x is not accepted with workers of this process"),
        ("PROCESS", [], "config is missing, which --environment_type=PROCESS needs"),
        ("PROCESS", [CONFIG + "/opt/worker"], "worker is not accepted; give JSON with .command."),
        ("PROCESS", [CONFIG + "[1]"], "give JSON with .command."),
        ("PROCESS", [CONFIG + '{"command": 1}'], "give JSON with .command."),
        ("PROCESS", [CONFIG + '{"command": "x", "env": ["A=b"]}'], "give JSON with .command."),
        ("EXTERNAL", [], "config is missing, which --environment_type=EXTERNAL needs"),
        ("EXTERNAL", [CONFIG + "localhost"], "localhost is no address of a worker pool"),
        ("EXTERNAL", [CONFIG + "localhost:99999"], "99999 is no address of a worker pool"),
        ("EXTERNAL", [CONFIG + '{"url": "pool"}'], "is no address of a worker pool"),
        ("EXTERNAL", [CONFIG + "{pool:1"], "give JSON with .url."),
        ("DOCKER", [], "config is missing, which --environment_type=DOCKER needs"),
        ("DOCKER", [CONFIG + '{"image": "x"}'], "is no name of an image"),
        (
            "DOCKER",
            [CONFIG + "a", OPTION + "docker_container_image=b"],
            "docker_container_image=b say the same thing",
        ),
    ],
)
def test_what_is_refused(environment, flags, sentence):
    with pytest.raises(InputError, match=sentence):
        check(environment, *flags)


def test_a_program_that_is_looked_for_on_this_machine(tmp_path):
    worker = tmp_path / "worker"
    flag = f'{CONFIG}{{"command": "{worker}"}}'
    with pytest.raises(InputError, match=f"names {worker}, which is no program"):
        check("PROCESS", flag, is_here=True)
    worker.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="no program that can be run here"):
        check("PROCESS", flag, is_here=True)
    worker.chmod(worker.stat().st_mode | stat.S_IXUSR)
    check("PROCESS", flag, is_here=True)


JOB_SERVICE = ["--runner=PortableRunner", "--job_endpoint=localhost:1"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([*JOB_SERVICE, "--environment_type=docker"], "--environment_config is missing, which"),
        ([*JOB_SERVICE, "--setup_file=/no/setup.py"], "--setup_file=/no/setup.py does not exist"),
        (
            [
                "--runner=PrismRunner",
                "--environment_type=PROCESS",
                CONFIG + '{"command": "/bin/sh"}',
            ],
            "--environment_type=PROCESS is not accepted with --runner=PrismRunner",
        ),
        (JOB_SERVICE, "--job_endpoint=localhost:1 does not answer; give HOST:PORT"),
        (
            ["--runner=PrismRunner", "--prism_location=/no/prism"],
            "--prism_location=/no/prism does not exist; give the path of prism",
        ),
        (
            ["--runner=FlinkRunner", CONFIG + "x"],
            "--environment_config=x is not accepted with workers of this process",
        ),
        (
            ["--runner=FlinkRunner", "--job_server_java_launcher=/no/java"],
            "/no/java is not there, and Flink's job server needs Java",
        ),
    ],
)
def test_the_command_refuses_before_it_writes(clean, convert, tmp_path, flags, sentence):
    out = tmp_path / "out"
    finished = convert(*clean.flags, f"--output_dir={out}", *flags)
    assert finished.status == 2
    assert finished.message.startswith(f"imagenet-beam: {sentence}")
    assert finished.message.count("\n") == 1
    assert not out.exists()


def test_a_pool_that_does_not_answer():
    with socket.create_server(("localhost", 0)) as pool:
        address = f"localhost:{pool.getsockname()[1]}"
        check("EXTERNAL", CONFIG + address, is_here=True)
    with pytest.raises(InputError, match=f"{address} does not answer: start the worker pool"):
        check("EXTERNAL", CONFIG + address, is_here=True)
    check("EXTERNAL", CONFIG + address, is_here=False)
