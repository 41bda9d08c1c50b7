"""The whole conversion with archives and output in gs://, also when things break."""

import collections
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.archives.tar import walk_tar
from imagenet_beam.transforms.storage.files import Storage

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
SHARDS = 5
DOWNLOAD, UPLOAD = "^/download/", "^/upload/"


def flags(inputs, output, *more):
    return [
        "convert",
        f"--train_archive={inputs}/{TRAIN}",
        f"--validation_archive={inputs}/{VALIDATION}",
        f"--devkit={inputs}/{DEVKIT}",
        f"--output_dir={output}",
        "--train_shards=3",
        "--validation_shards=2",
        *more,
    ]


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """The archives, and what they become on the local disk."""
    inputs = tmp_path_factory.mktemp("archives")
    spec = SyntheticImageNet(
        classes=3,
        train_per_class=8,
        validation_per_class=3,
        hard_images=False,
        image_width=64,
        image_height=48,
    )
    write_imagenet(inputs, spec)
    output = tmp_path_factory.mktemp("converted")
    assert main(flags(inputs, output)) == 0
    return inputs, read_output(str(output))


@pytest.fixture
def inputs(local, put, bucket):
    for name in (TRAIN, VALIDATION, DEVKIT):
        put(f"in/{name}", (local[0] / name).read_bytes())
    return f"gs://{bucket}/in"


@pytest.fixture
def output(bucket):
    return f"gs://{bucket}/out"


def read_output(directory):
    """The files whose bytes must not depend on where they lie; the names of all others."""
    storage = Storage()
    names = storage.list_sizes(directory)
    fixed = re.compile(r"(train|validation)-\d{5}-of-\d{5}|labels\.txt|classes\.csv")
    return {
        name: storage.read_bytes(f"{directory}/{name}") if fixed.fullmatch(name) else b""
        for name in names
        if name != ".imagenet-beam/lock"  # remote storage has none
    }


def image_ranges(archive):
    """The byte range of each image, as a Range header asks for it."""
    reader = Storage().open_ranges(str(archive))
    members = list(walk_tar(reader))
    if members[0].name.endswith(".tar"):
        members = [i for m in members for i in walk_tar(reader, m.offset_bytes, m.size_bytes)]
    return [f"bytes={m.offset_bytes}-{m.offset_bytes + m.size_bytes - 1}" for m in members]


def test_files_and_request_counts_are_right(local, proxy, inputs, output):
    assert main(flags(inputs, output)) == 0
    listings = proxy.seen("GET", r"/o\?")
    uploads = proxy.seen("POST", "uploadType=multipart")
    asked = collections.Counter(r.headers.get("range") for r in proxy.seen("GET", DOWNLOAD))
    assert read_output(output) == local[1]
    images = image_ranges(local[0] / TRAIN) + image_ranges(local[0] / VALIDATION)
    assert [asked[image] for image in images] == [1] * (24 + 9)
    assert len(uploads) == 2 * SHARDS + len(["plan", "labels", "classes", "rejects", "manifest"])
    assert len(listings) == 2  # before the job, and before the manifest


def test_a_dry_run_says_the_requests_and_uploads_nothing(local, proxy, inputs, output, capsys):
    assert main(flags(inputs, output, "--dry_run")) == 0
    said = capsys.readouterr().out
    told = re.search(r"about (\d+) reads of ([\d.]+) kB .* (\d+) uploads", said)
    assert told, said
    assert proxy.seen("POST", "") == []
    before = len(proxy.seen("GET", DOWNLOAD))
    assert main(flags(inputs, output)) == 0
    of_images = re.compile(f"{TRAIN}|{VALIDATION}")
    reads = [r for r in proxy.seen("GET", DOWNLOAD)[before:] if of_images.search(r.path)]
    assert 24 + 9 < int(told[1]) <= len(reads)
    assert len(reads) < int(told[1]) + 60, "short looks at archives and class tars, beside images"
    sizes = sum((local[0] / name).stat().st_size for name in (TRAIN, VALIDATION))
    assert float(told[2]) == pytest.approx(2 * sizes / 1000, rel=0.01)
    assert int(told[3]) == 2 * SHARDS


@pytest.mark.parametrize("remote", ["inputs", "output"])
def test_one_side_may_be_local(local, proxy, inputs, output, tmp_path, remote):
    source = inputs if remote == "inputs" else local[0]
    target = output if remote == "output" else str(tmp_path / "out")
    assert main(flags(source, target)) == 0
    assert read_output(target) == local[1]


def test_boxes_and_labels_may_lie_in_a_bucket(local, inputs, output, put, tmp_path):
    boxes = "ILSVRC2012_bbox_train_v2.tar.gz"
    remote = put(f"in/{boxes}", (local[0] / boxes).read_bytes())
    assert main(flags(inputs, output, f"--bounding_boxes={remote}")) == 0
    here = str(tmp_path / "here")
    assert main(flags(local[0], here, f"--bounding_boxes={local[0] / boxes}")) == 0
    found = read_output(output)
    assert found == read_output(here)
    assert found != local[1]


def test_a_tree_of_class_folders_pins_each_image(local, proxy, inputs, output, put, bucket):
    reader = Storage().open_ranges(str(local[0] / TRAIN))
    for class_tar in walk_tar(reader):
        for image in walk_tar(reader, class_tar.offset_bytes, class_tar.size_bytes):
            data = reader.read(image.offset_bytes, image.size_bytes)
            put(f"tree/{class_tar.name[:-4]}/{image.name}", data)
    tree = [f"--train_directory=gs://{bucket}/tree", f"--devkit={inputs}/{DEVKIT}"]
    assert main(["convert", *tree, f"--output_dir={output}", "--train_shards=3"]) == 0
    found = read_output(output)
    shards = {name: data for name, data in local[1].items() if name.startswith("train-")}
    assert {name: data for name, data in found.items() if name.startswith("train-")} == shards
    asked = [r for r in proxy.seen("GET", DOWNLOAD) if "/tree%2F" in r.path]
    assert len(asked) == 24 and all(int(*r.query["generation"]) > 0 for r in asked)


def test_a_finished_conversion_is_not_done_again(local, proxy, inputs, output):
    assert main(flags(inputs, output)) == 0
    proxy.forget()
    assert main(flags(inputs, output)) == 0
    images = set(image_ranges(local[0] / TRAIN))
    assert not [r for r in proxy.requests if r.headers.get("range") in images]
    assert not proxy.seen("POST", "uploadType=multipart")
    assert len(proxy.seen("GET", r"/o\?")) == 1


SURVIVED = {
    "503": {"action": "status", "code": 503},
    "429": {"action": "status", "code": 429, "headers": {"Retry-After": "1"}},
    "reset": {"action": "reset"},
    "truncated": {"action": "truncate", "after_bytes": 100},
    "throttled": {"action": "throttle", "bytes_per_second": 100_000},
    "lost answer": {"action": "lost_ack"},
}


@pytest.mark.parametrize("fault", SURVIVED.values(), ids=SURVIVED.keys())
def test_faults_while_listing_reading_and_writing_leave_no_trace(
    local, proxy, inputs, output, fault, generations
):
    image = image_ranges(local[0] / TRAIN)[5]
    upload = {k: v for k, v in fault.items() if k != "after_bytes"}
    upload = {"action": "lost_ack"} if fault["action"] == "truncate" else upload
    proxy.inject(method="GET", path=r"/o\?", **fault)
    proxy.inject(method="GET", path=DOWNLOAD, byte_range=image, **fault)
    proxy.inject(method="GET", path=DOWNLOAD, skip=9, **fault)
    proxy.inject(method="POST", path="uploadType=multipart", skip=2, **upload)
    assert main(flags(inputs, output)) == 0
    assert sum(bool(request.fault) for request in proxy.requests) == 4
    assert read_output(output) == local[1]


def test_a_refusal_in_mid_job_leaves_whole_shards_and_is_mended_by_a_second_run(
    local, proxy, inputs, output, capfd
):
    said = "me@x does not have storage.objects.get access"
    image = image_ranges(local[0] / TRAIN)[0]
    proxy.inject("status", path=DOWNLOAD, byte_range=image, code=403, message=said, times=100)
    assert main(flags(inputs, output)) == 2
    assert said in capfd.readouterr().err
    published = read_output(output)
    assert published.items() <= local[1].items()
    assert "manifest.json" not in published
    proxy.forget()
    assert main(flags(inputs, output)) == 0
    assert read_output(output) == local[1]


def test_an_archive_replaced_in_mid_job_is_an_error(
    local, proxy, inputs, output, put, capfd, generations
):
    proxy.delay_seconds = 0.01
    replaced = threading.Thread(target=_replace_after_first_shard, args=(proxy, put))
    replaced.start()
    assert main(flags(inputs, output)) == 2
    replaced.join()
    message = capfd.readouterr().err
    assert "was replaced during the job: it was planned with generation" in message
    assert "manifest.json" not in read_output(output)


def _replace_after_first_shard(proxy, put):
    deadline = time.monotonic() + 30
    while len(proxy.seen("POST", UPLOAD)) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    for name in (TRAIN, VALIDATION):
        put(f"in/{name}", b"something else")


@pytest.mark.slow
def test_a_killed_run_is_resumed(local, proxy, inputs, output):
    proxy.delay_seconds = 0.03
    command = [sys.executable, "-m", "imagenet_beam", *flags(inputs, output)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 45
    while len(_published_shards(output)) < 2 and time.monotonic() < deadline:
        assert run.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    published = _published_shards(output)
    assert 2 <= len(published) < SHARDS
    assert read_output(output).items() <= local[1].items(), "what is there is whole"
    proxy.delay_seconds = 0.0
    proxy.forget()
    assert main(flags(inputs, output)) == 0
    written = len(proxy.seen("POST", "uploadType=multipart"))
    assert read_output(output) == local[1]
    assert written <= 2 * (SHARDS - len(published)) + 4


def _published_shards(output):
    names = Storage().list_sizes(output)
    return [name for name in names if name.startswith(".imagenet-beam/receipts/")]


@pytest.mark.parametrize("place", ["gs://{}/none", "gs://none-{}"], ids=["object", "bucket"])
def test_a_missing_input_is_told_before_the_job_starts(proxy, bucket, output, capfd, place):
    place = place.format(bucket)
    started = time.monotonic()
    assert main(flags(place, output)) == 2
    assert time.monotonic() - started < 10
    message = capfd.readouterr().err
    assert f"{place}/ILSVRC2012_" in message
    assert "does not exist" in message or f"there is no bucket {place}" in message
    assert not proxy.seen("POST")


def test_an_output_without_a_bucket_is_told_before_the_job_starts(proxy, inputs, bucket, capfd):
    assert main(flags(inputs, f"gs://none-{bucket}/out")) == 2
    assert f"there is no bucket gs://none-{bucket}" in capfd.readouterr().err


def test_a_flipped_byte_in_a_tar_header_is_found(proxy, inputs, output, capfd):
    proxy.inject("corrupt", path=VALIDATION, byte_range="^bytes=0-", after_bytes=60, times=99)
    assert main(flags(inputs, output)) == 2
    assert f"{inputs}/{VALIDATION}" in capfd.readouterr().err
