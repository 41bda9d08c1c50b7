"""Sentences for what users can mend, and the credentials of a process."""

import json
import subprocess
import sys
import time

import pytest
import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_client import parse_name, parse_object_name
from imagenet_beam.transforms.storage.gcs_errors import as_input_error
from imagenet_beam.transforms.storage.gcs_retry import RetryPolicy, may_pass
from imagenet_beam.transforms.storage.retry import RetriesExhaustedError

READ_WITHOUT_CREDENTIALS = """
import time, sys
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import Storage
started = time.monotonic()
try:
    Storage().stat("gs://bucket/train.tar")
except InputError as error:
    print(error)
print(time.monotonic() - started)
"""


def run_without_credentials(tmp_path, **environment):
    """Reads from the real service's name, in a process that has nothing of ours."""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"} | environment
    return subprocess.run(
        [sys.executable, "-c", READ_WITHOUT_CREDENTIALS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    ).stdout.splitlines()


def test_missing_credentials_say_so_in_seconds(tmp_path):
    # An address that swallows packets, as the metadata address is on most networks.
    message, seconds = run_without_credentials(tmp_path, GCE_METADATA_IP="192.0.2.1")
    assert message.startswith("gs://bucket/train.tar cannot be reached: there are no Google Cloud")
    assert "gcloud auth application-default login" in message
    assert float(seconds) < 5


def test_a_key_file_that_is_missing_says_so(tmp_path):
    missing = str(tmp_path / "key.json")
    message, seconds = run_without_credentials(tmp_path, GOOGLE_APPLICATION_CREDENTIALS=missing)
    assert "there are no Google Cloud credentials" in message
    assert missing in message
    assert float(seconds) < 5


def test_an_expired_login_says_so(tmp_path, proxy):
    """Signs on at the proxy, which plays the token server, and is refused."""
    refusal = json.dumps({"error": "invalid_grant", "error_description": "Token has been revoked."})
    proxy.inject("status", code=400, path="/token", message=refusal, times=10)
    key = tmp_path / "key.json"
    key.write_text(json.dumps(service_account(f"{proxy.url}/token")))
    message, _ = run_without_credentials(tmp_path, GOOGLE_APPLICATION_CREDENTIALS=str(key))
    assert message.startswith("gs://bucket/train.tar cannot be reached: the Google Cloud cred")
    assert "gcloud auth application-default login" in message
    assert proxy.seen("POST", "/token")


def service_account(token_uri):
    """A key that nobody knows, of an account that nobody has."""
    private = rsa.generate_private_key(65_537, 2_048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "client_email": "nobody@nothing.iam.gserviceaccount.com",
        "private_key": private.decode(),
        "token_uri": token_uri,
    }


PAYS = "Bucket is requester pays bucket but no user project provided"
NO_PROJECT = "User project specified in the request is invalid"
NO_USE = "me@x does not have serviceusage.services.use access to the Google Cloud project"
NO_ACCESS = "me@x does not have storage.objects.get access"
REFUSALS = [
    (api.NotFound("No such object: b/o"), "gs://b/o does not exist"),
    (
        api.NotFound("The specified bucket does not exist."),
        "gs://b/o cannot be used: there is no bucket gs://b",
    ),
    (
        api.BadRequest(f"{PAYS}."),
        f"gs://b/o needs a project that pays ({PAYS}); name it with `storage.gcs_billing_project`",
    ),
    (
        api.BadRequest(f"{NO_PROJECT}."),
        (
            f"gs://b/o cannot be used: `storage.gcs_billing_project` names no project that can pay "
            f"({NO_PROJECT}); give the ID of one that has billing switched on"
        ),
    ),
    (
        api.Forbidden(f"{NO_USE}."),
        (
            f"gs://b/o may not be paid for by the project of `storage.gcs_billing_project` "
            f"({NO_USE}); that needs roles/serviceusage.serviceUsageConsumer on the project"
        ),
    ),
    (
        api.Forbidden(f"GET https://x/y?z: {NO_ACCESS}"),
        (
            f"gs://b/o may not be accessed ({NO_ACCESS}); reading needs "
            "roles/storage.objectViewer on the bucket, writing roles/storage.objectUser"
        ),
    ),
]


@pytest.mark.parametrize(("error", "sentence"), REFUSALS)
def test_a_refusal_is_one_sentence_that_says_what_to_do(error, sentence):
    with pytest.raises(InputError) as raised, as_input_error("gs://b/o"):
        raise error
    assert str(raised.value) == sentence


def test_defects_are_not_dressed_as_input_errors():
    with pytest.raises(KeyError), as_input_error("gs://b/o"):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("gs://b", ("b", "", None)),
        ("gs://b/", ("b", "", None)),
        ("gs://b/a/c.tar", ("b", "a/c.tar", None)),
        ("gs://b/a/c.tar#12", ("b", "a/c.tar", 12)),
        ("gs://b/a#b.tar", ("b", "a#b.tar", None)),
    ],
)
def test_names_are_split(path, parts):
    assert parse_name(path) == parts


@pytest.mark.parametrize("path", ["gs://_b/x", "gs://b_/x", "gs://b b/x", "gs://-/x"])
def test_a_name_that_no_bucket_can_have(path):
    with pytest.raises(InputError, match=f"{path} names no bucket: .* letter or digit"):
        parse_name(path)


@pytest.mark.parametrize("path", ["gs://", "gs:///a", "gs://b", "gs://b/folder/"])
def test_a_name_of_no_object_is_an_error(path):
    with pytest.raises(InputError, match="accepted is gs://bucket/name"):
        parse_object_name(path)


def test_certificates_and_refused_logins_are_not_waited_for():
    import requests

    assert not may_pass(requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] x"))
    assert not may_pass(auth.RefreshError("invalid_grant"))
    assert may_pass(auth.TransportError("no route"))
    assert may_pass(urllib3.exceptions.ProxyError("no answer", OSError()))
    assert not may_pass(ValueError())


@pytest.fixture
def waits(monkeypatch):
    """A clock that the policy's own waits move."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def test_waits_double_up_to_a_bound_with_jitter_below_it(waits, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: high)

    def fail():
        raise ConnectionResetError("reset")

    with pytest.raises(RetriesExhaustedError, match="6 attempts in 23 s"):
        RetryPolicy(30.0, 1.0, 8.0).run(fail)
    assert waits == [1, 2, 4, 8, 8]


def test_the_deadline_starts_anew_with_each_progress(waits, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    done = []

    def fail_but_move():
        done.append(None)
        if len(done) < 100:
            raise ConnectionResetError("reset")
        return "through"

    assert RetryPolicy(5.0, 1.0, 8.0).run(fail_but_move, lambda: len(done)) == "through"


IMPORTS_WITHOUT_THE_LIBRARY = """
import sys, threading, time
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("google.cloud.storage"):
            time.sleep(0.3)
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Missing())
from imagenet_beam.transforms.storage.files import Storage
start, told = threading.Barrier(8), []
def ask():
    for _ in range(3):
        start.wait()
        try:
            Storage().stat("gs://bucket/train.tar")
        except ImportError as error:
            told.append(str(error))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(told), set(told))
"""


def test_a_missing_library_is_named_by_each_thread_that_needs_it():
    told = subprocess.run(
        [sys.executable, "-c", IMPORTS_WITHOUT_THE_LIBRARY], capture_output=True, timeout=60
    )
    assert told.stdout.decode() == "24 {\"No module named 'google.cloud.storage'\"}\n", told.stderr
