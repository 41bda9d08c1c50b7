"""A Beam worker: what `boot` and the program that it starts are in Beam's image.

It asks the runner for the job's options, fetches the staged files, and works. Packages are
not installed: the environment that this program runs in has the project already. Who starts
it is `worker_boot`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_artifact_api_pb2 as artifacts
from apache_beam.portability.api import beam_artifact_api_pb2_grpc as artifacts_grpc
from apache_beam.portability.api import beam_provision_api_pb2 as provision
from apache_beam.portability.api import beam_provision_api_pb2_grpc as provision_grpc
from apache_beam.portability.api import beam_runner_api_pb2 as runner_api
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format

_FLAGS = (
    "id",
    "logging_endpoint",
    "artifact_endpoint",
    "provision_endpoint",
    "control_endpoint",
    "semi_persist_dir",
)
_RECORDED_ONLY = "submission_environment"
"""Staged for the record, not for the worker."""


def run_worker(arguments: Sequence[str]) -> None:
    """Works until the runner has no more use for it.

    Args:
        arguments: The flags that runners give: id and addresses.
    """
    parser = argparse.ArgumentParser()
    for flag in _FLAGS:
        parser.add_argument(f"--{flag}", default="")
    flags = parser.parse_known_args(arguments)[0]
    # A worker pool pipes the output of its workers and never reads it: after 64 KB of
    # print() a worker would wait for ever.
    os.dup2(2, 1)
    info = _provision_info(flags)
    folder = _fetch_artifacts(info, flags)
    os.environ.update(_environment(info, flags, folder))
    sdk_worker_main.main([])


def _provision_info(flags: argparse.Namespace) -> Any:
    """Asks the runner what the job is: options, addresses, staged files."""
    with grpc.insecure_channel(flags.provision_endpoint) as channel:
        service = provision_grpc.ProvisionServiceStub(channel)
        answer = service.GetProvisionInfo(
            provision.GetProvisionInfoRequest(), metadata=[("worker_id", flags.id)]
        )
    return answer.info


def _fetch_artifacts(info: Any, flags: argparse.Namespace) -> str:
    """Fetches what was staged and returns the folder; makes none for nothing.

    Workers are killed at the end of a job, so a folder made here stays behind.
    """
    wanted = [(file, _staged_name(file)) for file in info.dependencies]
    wanted = [(file, name) for file, name in wanted if not name.startswith(_RECORDED_ONLY)]
    if not wanted:
        return str(flags.semi_persist_dir)
    folder = flags.semi_persist_dir or tempfile.mkdtemp(prefix="beam-worker-")
    staged = Path(folder) / "staged"
    staged.mkdir(parents=True, exist_ok=True)
    endpoint = info.artifact_endpoint.url or flags.artifact_endpoint
    with grpc.insecure_channel(endpoint) as channel:
        service = artifacts_grpc.ArtifactRetrievalServiceStub(channel)
        for file, name in wanted:
            request = artifacts.GetArtifactRequest(artifact=file)
            with (staged / name).open("wb") as target:
                for part in service.GetArtifact(request, metadata=[("worker_id", flags.id)]):
                    target.write(part.data)
    return str(folder)


def _staged_name(file: Any) -> str:
    """The name that a file was staged under, without folders."""
    role = runner_api.ArtifactStagingToRolePayload.FromString(file.role_payload)
    return os.path.basename(role.staged_name) or "unnamed"


def _environment(info: Any, flags: argparse.Namespace, folder: str) -> dict[str, str]:
    """What the worker's main program reads."""
    found = {
        "WORKER_ID": flags.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
        "LOGGING_API_SERVICE_DESCRIPTOR": _address(
            info.logging_endpoint.url or flags.logging_endpoint
        ),
        "CONTROL_API_SERVICE_DESCRIPTOR": _address(
            info.control_endpoint.url or flags.control_endpoint
        ),
    }
    if folder:
        found["SEMI_PERSISTENT_DIRECTORY"] = folder
    if info.status_endpoint.url:
        found["STATUS_API_SERVICE_DESCRIPTOR"] = _address(info.status_endpoint.url)
    return found


def _address(url: str) -> str:
    return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url)))
