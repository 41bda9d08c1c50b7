"""Templates: one that holds a job, and the Flex Template that makes jobs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import staged

from imagenet_beam.pipeline.datasets.registry import DATASETS
from imagenet_beam.runners.dataflow import flex_template

METADATA = Path(flex_template.__file__).with_name("flex_template_metadata.json")
PARAMETERS = {
    parameter["name"]: parameter for parameter in json.loads(METADATA.read_text())["parameters"]
}


def test_a_template_is_the_job_unposted(cloud, run):
    place = cloud.url("templates/convert")
    finished = run(f"--template_location={place}")
    assert finished.status == 0
    assert f"the job's template is at {place}; nothing runs yet" in finished.message
    assert cloud.api.posted() == 0
    template = json.loads(staged.download(place, cloud.emulator.address))
    options = template["environment"]["sdkPipelineOptions"]["options"]
    assert staged.download(options["pipelineUrl"], cloud.emulator.address)


def test_a_dry_run_posts_and_writes_nothing(cloud, run):
    finished = run("--dry_run")
    assert finished.status == 0
    assert cloud.api.posted() == 0
    assert cloud.names("out") == []


def test_the_flex_template_takes_what_its_launcher_gives(cloud, clean, tmp_path):
    place = cloud.url("launch/job_object")
    flags = cloud.flags(clean, runner="", template_location=place, overwrite="true")[1:]
    finished = subprocess.run(
        [sys.executable, flex_template.__file__, *flags],
        env=cloud.environment,
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    template = json.loads(staged.download(place, cloud.emulator.address))
    assert template["environment"]["sdkPipelineOptions"]["options"]["runner"] == "DataflowRunner"
    assert cloud.api.posted() == 0


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["--overwrite=true"], ["--overwrite"]),
        (["--overwrite=false"], []),
        (["--resize=none", "--overwrite=True"], ["--resize=none", "--overwrite"]),
    ],
)
def test_switches(given, taken):
    assert flex_template.switched(given, {"--overwrite"}) == taken


def test_the_description_is_that_of_the_command(monkeypatch):
    monkeypatch.setattr(DATASETS, "_points", {})  # whatever is installed here
    module, file = flex_template.__name__, METADATA.name
    command = f"python -m {module} > runners/dataflow/{file}"
    assert json.loads(METADATA.read_text()) == flex_template.metadata(), f"run {command}"


def test_every_parameter_is_described():
    for name, parameter in PARAMETERS.items():
        assert f"--{name}=" in parameter["helpText"]
        assert parameter["isOptional"] == (name != "output_dir")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("output_dir", ["gs://bucket/out", "gs://bucket"], ["out", "s3://bucket/out", "gs://"]),
        (
            "train_archive",
            ["gs://bucket/a.tar", "gs://b-1/a,gs://b-1/b"],
            ["/a.tar", "gs://bucket/a,b"],
        ),
        ("devkit", ["gs://bucket/devkit.tar.gz"], ["devkit.tar.gz", "gs://bucket/a,gs://bucket/b"]),
        ("resize", ["none", "shorter:256", "exact:224x224"], ["256", "shorter", "exact:224"]),
        ("train_shards", ["1024"], ["many", "1.5"]),
        ("shuffle", ["references", "images"], ["reference", ""]),
        ("overwrite", ["true", "false"], ["yes", ""]),
    ],
)
def test_patterns(name, good, bad):
    (pattern,) = PARAMETERS[name]["regexes"]
    assert all(re.match(pattern, value) for value in good)
    assert not any(re.match(pattern, value) for value in bad)
