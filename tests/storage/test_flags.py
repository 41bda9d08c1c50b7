"""What each flag of the group "Google Cloud Storage" does to the requests of a conversion."""

import dataclasses
import time

import pytest
from google.cloud import storage

from imagenet_beam.pipeline.config import Workers
from imagenet_beam.pipeline.conversion import prepare
from imagenet_beam.runners.cli import build_parser, main
from imagenet_beam.runners.flags import given_fields
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.errors import InputError

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
DOWNLOAD, UPLOAD = "^/download/", "^/upload/"


@pytest.fixture
def flags(clean, put, bucket):
    """Convert 12 images of gs:// to one shard there."""
    validation = put("in/val.tar", clean.validation.read_bytes())
    devkit = put("in/devkit.tar.gz", clean.devkit.read_bytes())
    return [
        "convert",
        f"--validation_archive={validation}",
        f"--devkit={devkit}",
        f"--output_dir=gs://{bucket}/out",
        "--validation_shards=1",
    ]


def parsed(flags):
    _, convert = build_parser()
    return convert.parse_args(flags[1:])


def config_of(flags):
    return config_from_flags(parsed(flags))


def test_who_pays_and_the_key_are_in_all_requests_of_a_conversion(flags, proxy, bucket):
    more = ["--gcs_billing_project=payer", f"--kms_key={KEY}", "--gcs_project=mine"]
    assert main([*flags, *more]) == 0
    asked = [request for request in proxy.requests if "upload_id" not in request.query]
    assert {tuple(request.query["userProject"]) for request in asked} == {("payer",)}
    begun = proxy.seen("POST", UPLOAD)
    assert {tuple(request.query["kmsKeyName"]) for request in begun} == {(KEY,)}
    assert len(begun) >= len(["probe", "plan", "shard", "receipt", "labels", "manifest"])


def test_the_small_commands_take_the_flags_too(clean, put, bucket, proxy, write_archives, tmp_path):
    archives = write_archives(tmp_path, classes=2, train_per_class=1, boxes=True)
    boxes = tmp_path / "ILSVRC2012_bbox_train_v2.tar.gz"
    annotations = put("in/boxes.tar.gz", boxes.read_bytes())
    validation = put("in/val.tar", archives.validation.read_bytes())
    flags = ["--gcs_billing_project=payer"]
    assert main(["inspect", validation, *flags]) == 0
    output = f"--output=gs://{bucket}/boxes.csv"
    command = ["bounding_boxes", f"--annotations={annotations}", output, f"--kms_key={KEY}"]
    assert main([*command, *flags]) == 0
    asked = [request for request in proxy.requests if "upload_id" not in request.query]
    assert {tuple(request.query["userProject"]) for request in asked} == {("payer",)}
    assert {tuple(r.query["kmsKeyName"]) for r in proxy.seen("POST", UPLOAD)} == {(KEY,)}
    assert main([*command, *flags, "--output=boxes.csv"]) == 2


def test_verified_reads_ask_for_each_image_twice_over_two_connections(flags, proxy):
    assert main([*flags, "--verify_reads"]) == 0
    by_range = {}
    for request in proxy.seen("GET", r"/in%2Fval\.tar.*alt=media"):
        by_range.setdefault(request.headers["range"], set()).add(request.connection)
    assert len(by_range) > 12
    assert {len(connections) for connections in by_range.values()} == {2}


def test_a_failing_request_is_repeated_for_as_long_as_asked(flags, proxy, capfd):
    proxy.inject("status", method="GET", code=503, message="backend is down", times=10_000)
    started = time.monotonic()
    assert main([*flags, "--gcs_retry_seconds=1"]) == 2
    assert time.monotonic() - started < 10
    assert "backend is down" in capfd.readouterr().err
    assert len(proxy.requests) > 1


def test_the_project_is_that_of_every_client(flags, monkeypatch):
    made = []
    make = storage.Client

    def record(**settings):
        made.append(settings["project"])
        return make(**settings)

    monkeypatch.setattr(storage, "Client", record)
    assert main([*flags, "--gcs_project=mine"]) == 0
    assert set(made) == {"mine"}


@pytest.mark.parametrize(
    ("flags", "reads"),
    [
        (["--threads=1"], 16),
        (["--threads=3"], 48),
        (["--threads=40"], 64),
        (["--threads=3", "--read_threads=5"], 5),
    ],
)
def test_reads_of_remote_archives_follow_from_the_encoding_threads(flags, reads):
    of_split = {}
    for folder in ("gs://b", "/data"):
        args = parsed(["convert", *flags])
        of_split[folder] = Workers(**given_fields(args, "workers")).reads_at_once([f"{folder}/a"])
    assert of_split == {"gs://b": reads, "/data": reads if reads == 5 else 0}


def test_several_images_are_fetched_at_once_by_default(flags, proxy):
    proxy.delay_seconds = 0.05
    assert main([*flags, "--threads=1"]) == 0
    images = [r for r in proxy.seen("GET", r"/in%2Fval\.tar") if "range" in r.headers]
    assert len({request.connection for request in images[-12:]}) >= 8


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--gcs_project=My Project", "is not accepted; accepted is the ID of a project"),
        ("--gcs_billing_project=projects/p", "is not accepted; accepted is the ID of a project"),
        ("--kms_key=my-key", "is not accepted; accepted is projects/P/locations/L/keyRings/R/"),
        (f"--kms_key={KEY}/cryptoKeyVersions/1", "is not accepted; accepted is projects/P/"),
        ("--gcs_retry_seconds=-1", "is out of range; accepted are seconds from 0 to 86,400"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_in_a_sentence(flag, said, capsys):
    flags = ["convert", "--validation_archive=a.tar", "--output_dir=gs://b/out", flag]
    assert main(flags) == 2
    message = capsys.readouterr().err
    assert f"{flag} {said}" in message
    assert len(message.splitlines()) == 1


def test_a_key_without_a_place_for_it_is_refused(capsys):
    flags = ["convert", "--validation_archive=gs://b/a.tar", "--output_dir=out"]
    assert main([*flags, f"--kms_key={KEY}"]) == 2
    assert "--output_dir=out is not there" in capsys.readouterr().err


def test_archives_are_looked_at_again_after_the_job(flags):
    prepared = prepare(config_of(flags))
    prepared.check_unchanged()
    others = {path: stat._replace(version="1") for path, stat in prepared.archives.items()}
    with pytest.raises(InputError, match=r"in/val\.tar.* was changed while it was being read"):
        dataclasses.replace(prepared, archives=others).check_unchanged()


@pytest.mark.usefixtures("generations")
def test_an_archive_that_was_replaced_is_named_after_the_job(flags, put):
    prepared = prepare(config_of(flags))
    put("in/val.tar", b"something else")
    with pytest.raises(InputError, match=r"in/val\.tar was replaced during the job"):
        prepared.check_unchanged()
