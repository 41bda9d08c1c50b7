"""An emulator for each test process, and before it a proxy for each test."""

import logging
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import servers
from fault_proxy import FaultProxy

from imagenet_beam.transforms.storage.gcs import GcsBackend
from imagenet_beam.transforms.storage.gcs_client import GcsAccess
from imagenet_beam.transforms.storage.gcs_retry import RetryPolicy


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    kind = servers.available()
    if not kind:
        pytest.skip("no emulator: run tests/storage/install_fake_gcs.sh")
    with servers.running(kind, tmp_path_factory.mktemp("storage")) as running:
        yield running


@pytest.fixture(scope="session")
def s3_server():
    """The address of a server that speaks S3's protocol."""
    moto = pytest.importorskip("moto.server", reason="pip install 'moto[s3,server]'")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The proxy before the server; an empty bucket is `s3.bucket`."""
    proxy = FaultProxy(s3_server)
    environment = {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from imagenet_beam.transforms.storage import s3

    s3._client_of.cache_clear()
    proxy.bucket = f"bucket-{uuid.uuid4().hex}"
    s3._client().create_bucket(Bucket=proxy.bucket)
    proxy.forget()
    yield proxy
    s3._client_of.cache_clear()
    proxy.close()


@pytest.fixture
def generations(emulator):
    """For tests of what only fake-gcs-server knows: generations and preconditions."""
    if emulator.kind != servers.FAKE_GCS:
        pytest.skip(f"{emulator.kind} ignores generations: run tests/storage/install_fake_gcs.sh")


@pytest.fixture
def proxy(emulator, monkeypatch):
    proxy = FaultProxy(emulator.address)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    yield proxy
    proxy.close()


@pytest.fixture
def bucket(emulator, proxy):
    return emulator.make_bucket()


@pytest.fixture
def put(emulator, bucket):
    """Puts an object without a trace in the proxy's record; gives its URL."""

    def put(name, data):
        emulator.put(bucket, name, data)
        return f"gs://{bucket}/{name}"

    return put


@pytest.fixture
def make_backend(proxy, tmp_path):
    """A backend that does not wait long, with its scratch in a folder of the test."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def make(deadline_seconds=20.0, stall_seconds=10.0, verify_reads=False, **access):
        policy = RetryPolicy(deadline_seconds, 0.02, 0.2)
        access = GcsAccess(policy=policy, stall_seconds=stall_seconds, **access)
        return GcsBackend(access, str(scratch), verify_reads)

    return make


@pytest.fixture
def backend(make_backend):
    return make_backend()
