"""What is refused before anything is written, each in one sentence."""

import subprocess
import sys

import pytest

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.runners.dataflow.options import default_job_name, job_options, worker_cores
from imagenet_beam.runners.dataflow.service import is_in_region
from imagenet_beam.transforms.labels.source import LabelSource

REMOTE = {
    "train_archive": "gs://b/train.tar",
    "output_dir": "gs://b/out",
    "runner": "DataflowRunner",
    "project": "test-project",
    "region": "us-central1",
    "temp_location": "gs://b/tmp",
}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"project": ""}, "--project is missing"),
        ({"region": ""}, "--region is missing"),
        ({"temp_location": ""}, "--temp_location is missing"),
        ({"temp_location": "/t"}, "--temp_location=/t is not accepted; give gs://"),
        ({"staging_location": "tmp"}, "--staging_location=tmp is not accepted; give gs://"),
        ({"output_dir": "out"}, "--output_dir=out is on this machine"),
        ({"output_dir": "file:///out"}, "--output_dir=file:///out is on this machine"),
        (
            {"train_archive": "/data/train.tar"},
            "--train_archive=/data/train.tar is on this machine",
        ),
        ({"bounding_boxes": "b.csv"}, "--bounding_boxes=b.csv is on this machine"),
        ({"devkit": "devkit.tar.gz"}, "--devkit=devkit.tar.gz is on this machine"),
        ({"class_names": "words.txt"}, "--class_names=words.txt is on this machine"),
        ({"only_files": "list.txt"}, "--only_files=list.txt is on this machine"),
        ({"job_name": "Nightly run"}, "--job_name=Nightly run is not accepted"),
        ({"sdk_container_image": "worker:1"}, "--sdk_container_image=worker:1 names no registry"),
        ({"setup_file": "/no/setup.py"}, "--setup_file=/no/setup.py does not exist"),
        (
            {"setup_file": __file__},
            f"--setup_file={__file__} is not accepted; it is named setup.py",
        ),
        ({"requirements_file": "/no/r.txt"}, "--requirements_file=/no/r.txt does not exist"),
        ({"extra_package": "/no/p.whl"}, "--extra_package=/no/p.whl does not exist"),
        ({"extra_package": "p.egg"}, "--extra_package=p.egg is not accepted; its name ends with"),
        ({"sdk_location": "/no/sdk"}, "--sdk_location=/no/sdk does not exist"),
        ({"template_location": "t.json"}, "--template_location=t.json is not accepted; give gs:"),
        ({"experiments": "disable_runner_v2"}, "--experiments=disable_runner_v2 is not accepted"),
    ],
)
def test_flags_that_cannot_be_right(convert, changed, sentence):
    flags = {**REMOTE, **changed}
    finished = convert(*(f"--{name}={value}" for name, value in flags.items() if value))
    assert finished.status == 2
    assert finished.message.startswith(f"imagenet-beam: {sentence}")
    assert finished.message.count("\n") == 1


def test_packages_that_are_not_installed():
    program = (
        "import sys; sys.modules['google.cloud.dataflow'] = None; "
        "from imagenet_beam.runners.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    flags = [f"--{name}={value}" for name, value in REMOTE.items()]
    finished = subprocess.run(
        [sys.executable, "-c", program, "convert", *flags], capture_output=True, timeout=60
    )
    assert finished.returncode == 2
    assert b'run `pip install "imagenet-beam[dataflow]"`' in finished.stderr


def test_a_bucket_in_another_region(cloud, run):
    finished = run(region="europe-west1")
    assert finished.status == 2
    assert "is in US-CENTRAL1, the workers are in europe-west1: each byte" in finished.message
    assert "or accept it with --worker_region=europe-west1" in finished.message
    assert cloud.storage.seen("POST") == []


def test_a_bucket_in_another_region_may_be_accepted(cloud, run):
    finished = run("--detach", region="europe-west1", worker_region="europe-west1")
    assert finished.status == 0
    assert finished.message.count("each byte between them is charged") == 1
    assert cloud.api.job.body["environment"]["workerRegion"] == "europe-west1"


def test_no_bucket(run):
    finished = run(temp_location="gs://no-such-bucket/tmp")
    assert finished.status == 2
    assert finished.message == (
        "imagenet-beam: --temp_location: gs://no-such-bucket/tmp cannot be used: there is no "
        "bucket gs://no-such-bucket\n"
    )


@pytest.mark.parametrize("flag", ["staging_location", "template_location"])
def test_a_bucket_for_staging_that_is_not_there(cloud, run, flag):
    finished = run(**{flag: "gs://no-such-bucket/folder/name"})
    assert finished.status == 2
    assert finished.message.startswith(f"imagenet-beam: --{flag}: gs://no-such-bucket/folder")
    assert finished.message.endswith("there is no bucket gs://no-such-bucket\n")
    assert cloud.storage.seen("POST") == []


@pytest.mark.parametrize("flag", ["staging_location", "template_location"])
def test_a_bucket_for_staging_that_may_not_be_written(cloud, run, flag):
    bucket = cloud.emulator.make_bucket()
    denied = "x does not have storage.objects.create access"
    cloud.storage.inject("status", method="POST", path=f"/b/{bucket}/o", code=403, message=denied)
    finished = run(**{flag: f"gs://{bucket}/folder/name"})
    assert finished.status == 2
    assert finished.message.startswith(f"imagenet-beam: --{flag}: gs://{bucket}/folder")
    assert f"may not be accessed ({denied}); reading needs" in finished.message
    assert finished.message.count("\n") == 1
    assert cloud.api.posted() == 0
    assert cloud.names("out") == []


def test_no_permission_for_the_staging_bucket(cloud, run):
    denied = "x does not have storage.buckets.get access"
    cloud.storage.inject("status", method="GET", path=r"/b/[^/]+(\?|$)", code=403, message=denied)
    finished = run()
    assert finished.status == 2
    assert "--temp_location: gs://" in finished.message
    assert denied in finished.message


def test_the_bucket_of_the_output_may_hide_where_it_is(cloud, run):
    bucket = cloud.emulator.make_bucket()
    cloud.storage.inject("status", method="GET", path=rf"/b/{bucket}\?", code=403, message="no")
    assert run("--detach", output_dir=f"gs://{bucket}/out").status == 0


@pytest.mark.parametrize("storage", ["", "STORAGE_EMULATOR_HOST"])
def test_no_credentials(cloud, run, tmp_path, storage):
    none = {"GOOGLE_APPLICATION_CREDENTIALS": "", "HOME": str(tmp_path)}
    if not storage:
        none["STORAGE_EMULATOR_HOST"] = ""
    finished = run(environment=none)
    assert finished.status == 2
    assert "credentials" in finished.message
    assert "run `gcloud auth application-default login`" in finished.message
    assert finished.message.count("imagenet-beam: ") == 1
    assert cloud.api.posted() == 0


@pytest.mark.parametrize(
    ("location", "region", "inside"),
    [
        ("EUROPE-WEST4", "europe-west4", True),
        ("EUROPE-WEST4", "europe-west1", False),
        ("EU", "europe-west1", True),
        ("EU", "us-east1", False),
        ("US", "us-east1", True),
        ("ASIA", "asia-east1", True),
        ("NAM4", "us-east1", True),
        ("NAM4", "us-east4", False),
        ("US-EAST1+US-EAST4", "us-east4", True),
        ("US-EAST1+US-EAST4", "us-east", False),
    ],
)
def test_is_in_region(location, region, inside):
    assert is_in_region(location, region) == inside


@pytest.mark.parametrize(
    ("machine_type", "cores"),
    [("e2-standard-4", 4), ("n2-highmem-16", 16), ("n2-custom-8-16384", 8), ("strange", 4)],
)
def test_worker_cores(machine_type, cores):
    config = ConvertConfig(
        REMOTE["output_dir"],
        (SplitConfig("train", "train_archive", (REMOTE["train_archive"],), 1),),
        LabelSource(),
    )
    flags = [f"--{name}={REMOTE[name]}" for name in ("project", "region", "temp_location")]
    options = job_options(config, [*flags, f"--machine_type={machine_type}"])
    assert worker_cores(options) == cores


def test_the_default_name_is_that_of_the_output():
    assert default_job_name("gs://b/out") == default_job_name("gs://b/out/")
    assert default_job_name("gs://b/out") != default_job_name("gs://b/other")
