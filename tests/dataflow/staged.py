"""Runs a job of Dataflow from what was staged for it, on Prism, with Beam's own boot.

Nothing of the submitting process is used: the pipeline, the packages and the options
come out of the bucket and the posted job. Each DOCKER environment is exchanged for a
PROCESS one whose command is the `boot` of Beam's image.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import servers
from apache_beam.portability import common_urns
from apache_beam.portability.api import (
    beam_artifact_api_pb2_grpc,
    beam_job_api_pb2,
    beam_job_api_pb2_grpc,
    beam_runner_api_pb2,
)
from apache_beam.runners.portability.artifact_service import (
    ArtifactRetrievalService,
    BeamFilesystemHandler,
    offer_artifacts,
)
from fake_dataflow import FakeJob
from google.protobuf import json_format, struct_pb2

_ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_ENDED = ("DONE", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Staged:
    """What a posted job points at.

    Attributes:
        options: The options that workers get.
        pipeline: The pipeline, its artifacts exchanged for local files.
        files: The staged files by the name that workers see.
        images: The containers that the job asks for.
    """

    options: dict[str, Any]
    pipeline: beam_runner_api_pb2.Pipeline
    files: dict[str, Path]
    images: set[str]


def options_of(job: FakeJob) -> dict[str, Any]:
    """The options that the job's workers get."""
    options: dict[str, Any] = job.body["environment"]["sdkPipelineOptions"]["options"]
    return options


def fetch(job: FakeJob, emulator: str, folder: Path) -> Staged:
    """Downloads everything, and holds it to the checksums in the job."""
    options = options_of(job)
    serialized = download(options["pipelineUrl"], emulator)
    assert hashlib.sha256(serialized).hexdigest() == options["pipelineProtoHash"]
    staged = Staged(options, beam_runner_api_pb2.Pipeline.FromString(serialized), {}, set())
    for environment in staged.pipeline.components.environments.values():
        assert environment.urn == common_urns.environments.DOCKER.urn
        payload = beam_runner_api_pb2.DockerPayload.FromString(environment.payload)
        staged.images.add(payload.container_image)
        for artifact in environment.dependencies:
            _fetch_artifact(artifact, emulator, folder, staged)
    return staged


def _fetch_artifact(artifact: Any, emulator: str, folder: Path, staged: Staged) -> None:
    assert artifact.type_urn == common_urns.artifact_types.URL.urn
    source = beam_runner_api_pb2.ArtifactUrlPayload.FromString(artifact.type_payload)
    role = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload)
    data = download(source.url, emulator)
    assert hashlib.sha256(data).hexdigest() == source.sha256
    path = folder / role.staged_name
    path.write_bytes(data)
    staged.files[role.staged_name] = path
    artifact.type_urn = common_urns.artifact_types.FILE.urn
    artifact.type_payload = beam_runner_api_pb2.ArtifactFilePayload(
        path=str(path), sha256=source.sha256
    ).SerializeToString()


def download(url: str, emulator: str) -> bytes:
    """Reads one object, past every client library."""
    match = re.fullmatch(r"gs://([^/]+)/(.+)", url)
    assert match, url
    return servers.Emulator(servers.FAKE_GCS, emulator).get(match[1], match[2])


class Worker:
    """The command that Prism starts for a worker.

    Prism 2.77 puts quotes around the worker's id, and waits for ever for a worker that
    has died: so the command takes the quotes away, and leaves a file if it fails.
    """

    def __init__(self, folder: Path, start: str, environment: dict[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.command = folder / "worker.sh"
        self.log = folder / "worker.log"
        self._died = folder / "died"
        exports = "".join(f"export {name}='{value}'\n" for name, value in environment.items())
        self.command.write_text(
            "#!/bin/sh\n"
            "for argument; do\n"
            "  shift\n"
            '  set -- "$@" "$(printf %s "$argument" | tr -d \\\')"\n'
            "done\n"
            f"{exports}"
            f'({start} "$@") >>{self.log} 2>&1 || touch {self._died}\n'
        )
        self.command.chmod(0o755)

    @property
    def has_died(self) -> bool:
        return self._died.exists()


def execute(staged: Staged, worker: Worker, prism: str, seconds: float) -> tuple[str, str]:
    """Runs the pipeline; gives the state it ended in, and what runner and worker said.

    Whatever happens, it ends within the given time, and so does all that it started.
    """
    for environment in staged.pipeline.components.environments.values():
        environment.urn = common_urns.environments.PROCESS.urn
        environment.payload = beam_runner_api_pb2.ProcessPayload(
            command=str(worker.command)
        ).SerializeToString()
    log = worker.command.parent / "prism.log"
    ended = "Prism or its worker ended too early"
    with _running_prism(prism, log) as (address, stop):

        def stop_late() -> None:
            nonlocal ended
            ended = f"stopped, as it took longer than {seconds:.0f} s"
            stop()

        timer = threading.Timer(seconds, stop_late)
        timer.start()
        watcher = threading.Thread(target=_stop_if_dead, args=(worker, stop, timer), daemon=True)
        watcher.start()
        try:
            state = _run(staged, address)
            ended = state
        except grpc.RpcError:  # stopped: it took too long, or the worker died
            state = "FAILED"
        finally:
            timer.cancel()
    logs = [path.read_text() for path in (worker.log, log) if path.exists()]
    said = "\n".join([ended, *logs])
    if state != "DONE":
        print(said)  # shown if the test fails
    return state, said


def _stop_if_dead(worker: Worker, stop: Any, timer: threading.Timer) -> None:
    while not timer.finished.is_set():
        if worker.has_died:
            stop()
            return
        time.sleep(0.2)


@contextlib.contextmanager
def _running_prism(binary: str, log: Path) -> Iterator[tuple[str, Any]]:
    port = servers.free_port()
    command = [binary, "--job_port", str(port), "--serve_http=false", "--log_level", "info"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        assert servers.wait_for_port(port, lambda: process.poll() is None), log.read_text()
        yield f"127.0.0.1:{port}", process.kill
    finally:
        process.kill()
        process.wait()


def _run(staged: Staged, address: str) -> str:
    with grpc.insecure_channel(address, options=_ANY_SIZE) as channel:
        jobs = beam_job_api_pb2_grpc.JobServiceStub(channel)
        options = json_format.ParseDict(
            {f"beam:option:{name}:v1": value for name, value in staged.options.items()},
            struct_pb2.Struct(),
        )
        prepared = jobs.Prepare(
            beam_job_api_pb2.PrepareJobRequest(
                job_name="staged", pipeline=staged.pipeline, pipeline_options=options
            ),
            timeout=60,
        )
        _offer_files(prepared)
        job = jobs.Run(
            beam_job_api_pb2.RunJobRequest(
                preparation_id=prepared.preparation_id,
                retrieval_token=prepared.staging_session_token,
            ),
            timeout=60,
        )
        stream = jobs.GetMessageStream(beam_job_api_pb2.JobMessagesRequest(job_id=job.job_id))
        for message in stream:
            state = beam_job_api_pb2.JobState.Enum.Name(message.state_response.state)
            if message.HasField("state_response") and state in _ENDED:
                return state
    raise AssertionError("the job's messages ended before the job")


def _offer_files(prepared: Any) -> None:
    with grpc.insecure_channel(
        prepared.artifact_staging_endpoint.url, options=_ANY_SIZE
    ) as channel:
        offer_artifacts(
            beam_artifact_api_pb2_grpc.ArtifactStagingServiceStub(channel),
            ArtifactRetrievalService(BeamFilesystemHandler(None).file_reader),
            prepared.staging_session_token,
        )


def go_tool(name: str) -> str | None:
    """A program that tests/worker_image/install_beam_go.sh built, or None."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagenet-beam"
    folder = Path(os.environ.get("BEAM_GO_CACHE") or caches)
    built = sorted(folder.glob(f"beam-go-*/{name}"))
    return str(built[-1]) if built else None
