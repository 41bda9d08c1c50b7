"""`python -m tools.flink_cluster install|start|stop|status`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from imagenet_beam.runners.arguments import SentenceParser
from imagenet_beam.runners.flink.job_server import cache_dir
from imagenet_beam.transforms.errors import InputError
from tools.flink_cluster.cluster import Cluster
from tools.flink_cluster.install import install, job_server_jar
from tools.flink_cluster.settings import ClusterSettings

_DESCRIPTION = """\
A Flink cluster on this machine, as plain processes, without Docker.

  install   put Flink and the job server into the cache (minutes, once)
  start     install what is missing, then start the cluster
  stop      end what start started, and nothing else
  status    say what is running

environment: IMAGENET_BEAM_FLINK_DIR (the cache), FLINK_PORT (8081), FLINK_RPC_PORT (6123),
FLINK_TASK_MANAGERS (2), FLINK_SLOTS (2 each), FLINK_MEMORY (1536m for a TaskManager),
FLINK_FOLDER (settings, logs and process ids; a folder of the cache).
"""


def settings_from_environment() -> ClusterSettings:
    """The cluster that the environment variables describe."""
    return ClusterSettings(
        folder=Path(os.environ.get("FLINK_FOLDER") or cache_dir() / "cluster"),
        rest_port=_number("FLINK_PORT", ClusterSettings.rest_port),
        rpc_port=_number("FLINK_RPC_PORT", ClusterSettings.rpc_port),
        task_managers=_number("FLINK_TASK_MANAGERS", ClusterSettings.task_managers),
        slots=_number("FLINK_SLOTS", ClusterSettings.slots),
        task_manager_memory=os.environ.get("FLINK_MEMORY", ClusterSettings.task_manager_memory),
        beam_jar=job_server_jar(),
    )


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdigit():
        raise InputError(f"{variable}={text} is not accepted; give a whole number")
    return int(text)


def main() -> int:
    """Runs one command; returns the exit status."""
    parser = SentenceParser(prog="flink_cluster", description=_DESCRIPTION)
    parser.add_argument("command", choices=("install", "start", "stop", "status"))
    try:
        command = parser.parse_args().command
        cluster = Cluster(settings_from_environment())
        if command in ("install", "start"):
            install()
        if command == "start":
            cluster.start()
            print(_how_to_use(cluster), file=sys.stderr)
        elif command == "stop":
            cluster.stop()
        elif command == "status":
            print(_status(cluster))
    except InputError as error:
        print(f"flink_cluster: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nflink_cluster: stopped", file=sys.stderr)
        return 130
    return 0


def _how_to_use(cluster: Cluster) -> str:
    return (
        f"{_status(cluster)}\n"
        f"dashboard: http://{cluster.settings.master}\n"
        f"job server: {job_server_jar()}\n"
        f"use it: imagenet-beam convert ... --runner=FlinkRunner "
        f"--flink_master={cluster.settings.master}\n"
        "workers started by the cluster: --environment_type=PROCESS "
        f'--environment_config=\'{{"command": "{cluster.worker_command}"}}\''
    )


def _status(cluster: Cluster) -> str:
    running = cluster.processes()
    return "\n".join(f"{name}: process {pid}" for name, pid in running.items()) or "not running"


if __name__ == "__main__":
    sys.exit(main())
