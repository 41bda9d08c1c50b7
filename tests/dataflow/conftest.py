"""A fake of Dataflow, an emulator of its storage, and the command pointed at both."""

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "storage"), str(HERE.parent / "worker_image")]

import servers  # noqa: E402
from fake_dataflow import HOST, FakeDataflow  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402

pytest.importorskip("google.cloud.dataflow", reason='pip install "apache-beam[gcp]"')

REGION = "us-central1"  # where the emulator says that its buckets are
_CREDENTIALS = {
    "type": "authorized_user",
    "client_id": "x",
    "client_secret": "x",
    "refresh_token": "x",
    "token": "fake-user-token",
    "expiry": "2099-01-01T00:00:00Z",
}


class Cloud:
    """Project, bucket and API of one test."""

    def __init__(self, emulator, storage, api, bucket, credentials) -> None:
        self.emulator, self.storage, self.api = emulator, storage, api
        self.bucket = bucket
        self.worker_environment = {
            "STORAGE_EMULATOR_HOST": storage.url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
            "NO_GCE_CHECK": "true",
            "PYTHONPATH": "",
        }
        self.environment = {
            **self.worker_environment,
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "http_proxy": api.url,
            "no_proxy": "127.0.0.1,localhost",
            "GOOGLE_CLOUD_PROJECT": "test-project",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PYTHONWARNINGS": "ignore",
        }

    def url(self, name: str) -> str:
        return f"gs://{self.bucket}/{name}"

    def flags(self, archives, output: str = "out", **more: str) -> list[str]:
        """`convert` with all that Dataflow needs; `flag=None` leaves one out."""
        inputs = {"train_archive": archives.train, "validation_archive": archives.validation}
        flags = {
            **{flag: self.url(f"in/{path.name}") for flag, path in inputs.items()},
            "devkit": self.url(f"in/{archives.devkit.name}"),
            "output_dir": self.url(output),
            "train_shards": "3",
            "validation_shards": "2",
            "runner": "DataflowRunner",
            "project": "test-project",
            "region": REGION,
            "temp_location": self.url("tmp"),
            "dataflow_endpoint": f"http://{HOST}",
            **more,
        }
        return ["convert", *(f"--{name}={value}" for name, value in flags.items() if value)]

    def names(self, folder: str, **more: str) -> list[str]:
        """The names of the objects below a folder."""
        place = f"http://{self.emulator.address}/storage/v1/b/{self.bucket}/o"
        query = urllib.parse.urlencode({"prefix": f"{folder}/", **more})
        with urllib.request.urlopen(f"{place}?{query}", timeout=30) as response:  # noqa: S310
            return [entry["name"] for entry in json.load(response).get("items", [])]

    def objects(self, folder: str) -> dict[str, bytes]:
        """The files of an output folder, by name; not those of its own folders."""
        names = self.names(folder, delimiter="/")
        return {
            name.removeprefix(f"{folder}/"): self.emulator.get(self.bucket, name) for name in names
        }

    def upload(self, archives) -> None:
        for path in (archives.train, archives.validation, archives.devkit):
            self.emulator.put(self.bucket, f"in/{path.name}", path.read_bytes())


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    if servers.available() != servers.FAKE_GCS:
        pytest.skip("no fake-gcs-server: run tests/storage/install_fake_gcs.sh")
    with servers.running(servers.FAKE_GCS, tmp_path_factory.mktemp("storage")) as running:
        yield running


@pytest.fixture
def cloud(emulator, clean, tmp_path):
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps(_CREDENTIALS))
    api, storage = FakeDataflow(), FaultProxy(emulator.address)
    cloud = Cloud(emulator, storage, api, emulator.make_bucket(), credentials)
    cloud.upload(clean)
    yield cloud
    api.close()
    storage.close()


@pytest.fixture
def run(cloud, clean, start, tmp_path):
    """`run(*args, **flags)`: the command to its end, in an environment with nothing else."""

    def run(*args, environment=(), **flags):
        env = {**cloud.environment, **dict(environment)}
        command = [*cloud.flags(clean, **flags), *args]
        finished = start(*command, env=env, cwd=tmp_path).finish()
        print(finished.message)  # shown if the test fails
        return finished

    return run
