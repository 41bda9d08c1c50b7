"""Buckets on a cluster: what the workers read and write there is what files are elsewhere."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))

import servers

pytestmark = pytest.mark.slow


@pytest.fixture
def emulator(tmp_path):
    if servers.available() != servers.FAKE_GCS:
        pytest.skip("no fake-gcs-server: run tests/storage/install_fake_gcs.sh")
    with servers.running(servers.FAKE_GCS, tmp_path) as running:
        yield running


def test_from_a_bucket_to_a_bucket(hard, convert, cluster, emulator, start, tree, tmp_path):
    flags = ("--train_shards=5", "--validation_shards=3", "--max_rejects=100")
    assert convert(*hard.flags, *flags, f"--output_dir={tmp_path / 'direct'}").status == 0
    bucket = emulator.make_bucket()
    for path in (hard.train, hard.validation, hard.devkit):
        emulator.put(bucket, f"in/{path.name}", path.read_bytes())
    found = {"STORAGE_EMULATOR_HOST": f"http://{emulator.address}"}
    worker = json.dumps({"command": cluster.worker_command, "env": found})
    finished = start(
        "convert",
        f"--train_archive=gs://{bucket}/in/{hard.train.name}",
        f"--validation_archive=gs://{bucket}/in/{hard.validation.name}",
        f"--devkit=gs://{bucket}/in/{hard.devkit.name}",
        f"--output_dir=gs://{bucket}/out",
        *flags,
        "--runner=FlinkRunner",
        f"--flink_master={cluster.settings.master}",
        "--environment_type=PROCESS",
        f"--environment_config={worker}",
        "--environment_cache_millis=20000",
        env={**os.environ, **found},
    ).finish()
    assert finished.status == 0, finished.message
    here = {name: data for name, data in tree(tmp_path / "direct").items() if "/" not in name}
    there = {name: emulator.get(bucket, f"out/{name}") for name in here}
    # The manifest and the rejects also say where the inputs were.
    folders = str(hard.train.parent).encode(), f"gs://{bucket}/in".encode()
    here["rejects.jsonl"] = here["rejects.jsonl"].replace(*folders)
    manifests = [json.loads(files.pop("manifest.json"))["splits"] for files in (here, there)]
    assert manifests[0] == manifests[1]
    assert there == here
