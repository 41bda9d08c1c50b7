"""`s3://` against a server that speaks its protocol, through the proxy that breaks connections."""

import sys
import threading

import pytest
from test_convert import DEVKIT, TRAIN, VALIDATION, flags, image_ranges, read_output
from test_convert import local as local  # a fixture

from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import Storage

DATA = bytes(range(256)) * 4_000


@pytest.fixture
def inputs(local, s3):
    storage = Storage()
    for name in (TRAIN, VALIDATION, DEVKIT):
        storage.publish_bytes(f"s3://{s3.bucket}/in/{name}", (local[0] / name).read_bytes())
    s3.forget()
    return f"s3://{s3.bucket}/in"


def test_a_conversion_from_bucket_to_bucket_has_the_bytes_of_this_machine(local, s3, inputs):
    output = f"s3://{s3.bucket}/out"
    assert main(flags(inputs, output)) == 0
    ranges = [request.headers.get("range") for request in s3.seen("GET")]
    assert read_output(output) == local[1]
    for image in image_ranges(local[0] / TRAIN) + image_ranges(local[0] / VALIDATION):
        assert ranges.count(image) == 1
    assert not [name for name in Storage().list_sizes(output) if name.endswith("-tmp")]


def test_a_second_run_writes_only_what_is_missing(local, s3, inputs, capsys):
    output = f"s3://{s3.bucket}/out"
    assert main(flags(inputs, output)) == 0
    assert main(flags(inputs, output)) == 0
    assert "is complete already" in capsys.readouterr().err
    Storage().remove(f"{output}/train-00001-of-00003")
    s3.forget()
    assert main(flags(inputs, output)) == 0
    shards = [request.path for request in s3.seen("PUT") if "-of-" in request.path]
    assert {path.partition("?")[0].rpartition("/")[2] for path in shards} <= {
        "train-00001-of-00003",
        "train-00001-of-00003.json",
    }
    assert read_output(output) == local[1]


def test_many_threads_read_at_the_same_time(s3):
    path = f"s3://{s3.bucket}/a.tar"
    Storage().publish_bytes(path, DATA)
    reader = Storage().open_ranges(path)
    s3.forget()
    readers = 8
    together = threading.Barrier(readers, timeout=30)
    handle = s3.pick

    def pick(*request):
        together.wait()  # an answer only once all are asked for
        return handle(*request)

    s3.pick = pick
    found = {}

    def read(number):
        found[number] = reader.read(number * 1_000, 700)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        number: DATA[number * 1_000 : number * 1_000 + 700] for number in range(readers)
    }


def test_a_body_that_breaks_off_goes_on_where_it_broke(s3):
    path = f"s3://{s3.bucket}/a.tar"
    Storage().publish_bytes(path, DATA)
    reader = Storage().open_ranges(path)
    s3.forget()
    s3.inject("truncate", method="GET", after_bytes=200_000)
    assert reader.read(1_000, 500_000) == DATA[1_000:501_000]
    first, second = (request.headers["range"] for request in s3.seen("GET"))
    assert first == "bytes=1000-500999"
    start, _, end = second.removeprefix("bytes=").partition("-")
    assert (1_000 < int(start) <= 201_000, end) == (True, "500999")


def test_an_error_that_passes_is_asked_again(s3):
    path = f"s3://{s3.bucket}/a"
    Storage().publish_bytes(path, b"abc")
    s3.inject("status", method="HEAD", code=503)
    assert Storage().stat(path).size_bytes == 3


def test_an_object_that_was_replaced_is_not_read_on(s3):
    path = f"s3://{s3.bucket}/a.tar"
    Storage().publish_bytes(path, DATA)
    reader = Storage().open_ranges(path)
    Storage().publish_bytes(path, DATA[::-1])
    with pytest.raises(InputError, match=r"a\.tar was changed while it was being read"):
        reader.read(0, 10)


def test_what_is_missing_is_said_in_a_sentence(s3, capsys):
    storage = Storage()
    for path, said in (
        (f"s3://{s3.bucket}/none", "does not exist"),
        ("s3://no-such-bucket-here/a", "does not exist"),
        ("s3://only-a-bucket", "names no object"),
    ):
        with pytest.raises(InputError, match=rf"^{path} {said}"):
            storage.stat(path)
    with pytest.raises(InputError, match="lies in a bucket that does not exist"):
        storage.check_writable("s3://no-such-bucket-here/out")
    assert main(flags(f"s3://{s3.bucket}/in", "out")) == 2
    assert f"s3://{s3.bucket}/in/{DEVKIT} does not exist" in capsys.readouterr().err


def test_a_refusal_of_the_service_is_quoted(s3):
    Storage().publish_bytes(f"s3://{s3.bucket}/a", b"abc")
    s3.inject("status", method="HEAD", code=403)
    with pytest.raises(InputError, match=r"/a cannot be used: S3 says .*403"):
        Storage().stat(f"s3://{s3.bucket}/a")


def test_no_credentials_are_said_in_a_sentence(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    nowhere = str(tmp_path / "none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
    monkeypatch.setenv("AWS_CONFIG_FILE", nowhere)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    from imagenet_beam.transforms.storage import s3

    s3._client_of.cache_clear()
    with pytest.raises(InputError, match=r"^s3://bucket/a needs credentials .* AWS_PROFILE"):
        Storage().stat("s3://bucket/a")
    s3._client_of.cache_clear()


def test_without_boto3_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "imagenet_beam.transforms.storage.s3", raising=False)
    with pytest.raises(InputError, match="s3:// paths need the package boto3"):
        Storage(gcs_retry_seconds=7).stat("s3://bucket/a")


@pytest.mark.parametrize("scheme", ["https", "http", "ftp"])
def test_what_lies_in_the_web_is_downloaded_first(scheme, capsys):
    assert main(["convert", f"--train_archive={scheme}://host/a.tar", "--output_dir=out"]) == 2
    said = f"{scheme}://host/a.tar: nothing is read from or written to {scheme}://; download"
    assert said in capsys.readouterr().err
