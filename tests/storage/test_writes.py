"""Writes to gs://: whole or not at all, once, and every way in which they can break."""

import os

import pytest

from imagenet_beam.transforms.errors import InputError

SMALL = b"a receipt"
LARGE = os.urandom(1 << 16) * 144  # 9 MiB: a resumable upload
UPLOAD = "^/upload/"


def publish(backend, path, data):
    file = backend.create(path)
    try:
        file.write(data)
        file.publish()
    finally:
        file.discard()


@pytest.mark.parametrize(
    ("data", "uploads"),
    [(SMALL, ["POST"]), (LARGE, ["POST", "PUT"])],
    ids=["small", "large"],
)
def test_a_file_costs_one_look_and_one_upload(backend, proxy, bucket, data, uploads):
    publish(backend, f"gs://{bucket}/a", data)
    assert [request.method for request in proxy.requests] == ["GET", *uploads]
    assert proxy.requests[1].query["ifGenerationMatch"] == ["0"]
    assert backend.read_bytes(f"gs://{bucket}/a") == data


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_a_second_try_with_the_same_bytes_uploads_nothing(backend, proxy, bucket, data):
    publish(backend, f"gs://{bucket}/a", data)
    before = backend.stat(f"gs://{bucket}/a")
    proxy.forget()
    publish(backend, f"gs://{bucket}/a", data)
    assert [request.method for request in proxy.requests] == ["GET"]
    assert backend.stat(f"gs://{bucket}/a") == before


def test_replacing_asks_for_the_generation_that_was_there(backend, proxy, bucket):
    publish(backend, f"gs://{bucket}/a", b"old")
    old = backend.stat(f"gs://{bucket}/a").version
    publish(backend, f"gs://{bucket}/a", b"new")
    assert proxy.seen("POST", UPLOAD)[-1].query["ifGenerationMatch"] == [old]


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_a_second_writer_is_noticed(backend, bucket, put, data, generations, monkeypatch):
    file = backend.create(f"gs://{bucket}/a")
    file.write(data)
    look = file._found

    def look_and_be_overtaken():
        found = look()
        put("a", b"of another job")
        monkeypatch.setattr(file, "_found", look)
        return found

    monkeypatch.setattr(file, "_found", look_and_be_overtaken)
    with pytest.raises(InputError, match="written by another job at the same time"):
        file.publish()
    assert backend.read_bytes(f"gs://{bucket}/a") == b"of another job"


UPLOAD_FAULTS = {
    "503 twice": {"action": "status", "code": 503, "times": 2},
    "429": {"action": "status", "code": 429},
    "408": {"action": "status", "code": 408},
    "reset": {"action": "reset", "times": 2},
    "broken": {"action": "break_upload", "after_bytes": 3_000_000},
    "lost acknowledgement": {"action": "lost_ack"},
}


@pytest.mark.parametrize("fault", UPLOAD_FAULTS.values(), ids=UPLOAD_FAULTS.keys())
@pytest.mark.parametrize("request_kind", ["only", "begin", "send"])
def test_an_upload_survives(backend, proxy, bucket, fault, request_kind, generations):
    data = SMALL if request_kind == "only" else LARGE
    fault = fault | {"after_bytes": min(fault.get("after_bytes", 0), len(data) // 2)}
    proxy.inject(path=UPLOAD, method="PUT" if request_kind == "send" else "POST", **fault)
    publish(backend, f"gs://{bucket}/a", data)
    assert backend.read_bytes(f"gs://{bucket}/a") == data
    assert backend.list_sizes(f"gs://{bucket}") == {"a": len(data)}
    assert any(request.fault for request in proxy.requests)


@pytest.mark.parametrize(
    ("data", "method"), [(SMALL, "POST"), (LARGE, "PUT")], ids=["small", "large"]
)
def test_bytes_damaged_on_their_way_are_sent_again(backend, proxy, bucket, data, method):
    said = 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "mnG7TA==".'
    proxy.inject("status", path=UPLOAD, method=method, code=400, message=said)
    publish(backend, f"gs://{bucket}/a", data)
    assert len(proxy.seen("POST", UPLOAD)) == 2
    assert backend.read_bytes(f"gs://{bucket}/a") == data


def test_a_broken_upload_goes_on_where_it_broke(backend, proxy, bucket):
    proxy.inject("break_upload", method="PUT", after_bytes=3_000_000)
    publish(backend, f"gs://{bucket}/a", LARGE)
    ranges = [request.headers["content-range"] for request in proxy.seen("PUT")]
    kept = 3_000_000 // (256 << 10) * (256 << 10)
    total = len(LARGE)
    assert ranges == [
        f"bytes 0-{total - 1}/{total}",
        f"bytes */{total}",
        f"bytes {kept}-{total - 1}/{total}",
    ]


def test_a_lost_acknowledgement_of_a_whole_upload_sends_nothing_again(backend, proxy, bucket):
    proxy.inject("lost_ack", method="PUT")
    publish(backend, f"gs://{bucket}/a", LARGE)
    assert [request.body_bytes for request in proxy.seen("PUT")] == [len(LARGE), 0]


def test_a_session_that_is_gone_starts_anew(backend, proxy, bucket):
    proxy.inject("status", method="PUT", code=410)
    publish(backend, f"gs://{bucket}/a", LARGE)
    assert len(proxy.seen("POST", UPLOAD)) == 2
    assert backend.read_bytes(f"gs://{bucket}/a") == LARGE


def test_other_bytes_than_were_written_are_refused(make_backend, bucket, generations):
    file = make_backend(deadline_seconds=0.1).create(f"gs://{bucket}/a")
    file.write(SMALL)
    file.crc32c ^= 1  # as if the bytes had changed on their way
    with pytest.raises(InputError, match="CRC32C"):
        file.publish()
    assert make_backend().list_sizes(f"gs://{bucket}") == {}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_an_upload_that_fails_for_good_leaves_nothing(make_backend, proxy, bucket, data, tmp_path):
    backend = make_backend(deadline_seconds=0.3)
    proxy.inject("status", path=UPLOAD, skip=len(data) > 10_000, code=503, times=10_000)
    with pytest.raises(InputError, match=rf"^gs://{bucket}/a cannot be reached: gave up"):
        publish(backend, f"gs://{bucket}/a", data)
    assert backend.list_sizes(f"gs://{bucket}") == {}
    assert os.listdir(tmp_path / "scratch") == []


def test_removing_survives_a_lost_answer(backend, proxy, bucket, put):
    put("a", b"x")
    proxy.inject("lost_ack", method="DELETE")
    backend.remove(f"gs://{bucket}/a")
    assert backend.list_sizes(f"gs://{bucket}") == {}


def test_the_spool_has_no_name_even_while_it_is_written(backend, bucket, tmp_path):
    file = backend.create(f"gs://{bucket}/a")
    file.write(LARGE)
    assert os.listdir(tmp_path / "scratch") == []
    spooled = os.fstat(file._spool.fileno())
    assert spooled.st_dev == os.stat(tmp_path / "scratch").st_dev
    assert spooled.st_size >= len(LARGE) - (1 << 20)
    file.discard()
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")


def test_a_scratch_folder_that_is_missing_is_named_with_its_field(bucket, proxy):
    from imagenet_beam.transforms.storage.files import Storage

    file = Storage(scratch_dir="/nowhere/at/all").create(f"gs://{bucket}/a")
    with pytest.raises(InputError, match=r"/nowhere/at/all.*`storage.scratch_dir`"):
        file.write(LARGE)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_the_key_and_who_pays_are_passed_on(make_backend, proxy, bucket, data):
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    backend = make_backend(billing_project="payer", kms_key=key)
    url = f"gs://{bucket}/out/a"
    publish(backend, url, data)
    backend.open_ranges(url).read(0, 1)
    backend.read_bytes(url)
    backend.list_sizes(f"gs://{bucket}/out")
    backend.check_writable(f"gs://{bucket}/out")
    backend.remove(url)
    without_session = [r for r in proxy.requests if "upload_id" not in r.query]
    assert {tuple(r.query["userProject"]) for r in without_session} == {("payer",)}
    assert {tuple(r.query["kmsKeyName"]) for r in proxy.seen("POST", UPLOAD)} == {(key,)}


def test_checking_that_a_place_is_writable_makes_no_object(backend, proxy, bucket):
    backend.check_writable(f"gs://{bucket}/out")
    assert [request.method for request in proxy.requests] == ["POST", "DELETE"]
    assert backend.list_sizes(f"gs://{bucket}") == {}


def test_a_place_that_is_not_writable_is_named_with_the_role(backend, proxy, bucket):
    said = "me@x does not have storage.objects.create access to the Google Cloud Storage object."
    proxy.inject("status", method="POST", code=403, message=said)
    with pytest.raises(InputError) as error:
        backend.check_writable(f"gs://{bucket}/out")
    assert str(error.value).startswith(f"gs://{bucket}/out may not be accessed (")
    assert "storage.objects.create" in str(error.value)
    assert "roles/storage.objectUser" in str(error.value)
