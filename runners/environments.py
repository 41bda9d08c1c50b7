"""Where a runner's Python workers come from: the flags of Beam for it, checked before a job is."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imagenet_beam.transforms.errors import InputError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PortableOptions, SetupOptions

_ANSWER_SECONDS = 5.0
_PACKAGES = (".tar", ".tar.gz", ".whl", ".zip")
_SETUP_FILES = ("setup.py", "pyproject.toml")
_PROCESS_EXAMPLE = """--environment_config='{"command": "/opt/imagenet-beam/worker"}'"""


def check_environment(options: PortableOptions, environment: str, is_here: bool) -> None:
    """Refuses workers that could not be started: Beam would say so in a traceback.

    Args:
        options: The flags as they were typed.
        environment: How workers are started; what is none of Beam's is left to the runner.
        is_here: Whether they are started on this machine, where a program can be looked for.
    """
    config = options.environment_config
    option, check = _CHECKS.get(environment, ("", None))
    given = options.lookup_environment_option(option) if option else None
    if config and given:
        raise InputError(
            f"--environment_config={config} and --environment_options={option}={given} say the "
            "same thing; give one of them"
        )
    if environment == "LOOPBACK" and config:
        raise InputError(
            f"--environment_config={config} is not accepted with workers of this process "
            "(--environment_type=LOOPBACK)"
        )
    if check:
        check(config or "", given or "", is_here)


def _check_process(config: str, given: str, is_here: bool) -> None:
    command = given or _member(config, "command", _PROCESS_EXAMPLE)
    if not command:
        raise InputError(
            "--environment_config is missing, which --environment_type=PROCESS needs: the program "
            f"that starts a worker, {_PROCESS_EXAMPLE}"
        )
    if is_here and not shutil.which(command):
        raise InputError(
            f"--environment_config names {command}, which is no program that can be run here; "
            "give the whole path of one, such as that of docs/flink.md"
        )


def _check_external(config: str, given: str, is_here: bool) -> None:
    example = "--environment_config=localhost:50000"
    address = given or (_member(config, "url", example) if "{" in config else config)
    host, port = address.rpartition(":")[::2]
    if not address:
        raise InputError(
            "--environment_config is missing, which --environment_type=EXTERNAL needs: the "
            f"address of the worker pool, {example}"
        )
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise InputError(
            f"--environment_config={config or given} is no address of a worker pool; give "
            f"HOST:PORT, {example}"
        )
    if is_here and not answers(address):
        raise InputError(
            f"--environment_config={config or given} does not answer: start the worker pool "
            "first (docs/flink.md)"
        )


def answers(address: str) -> bool:
    """Whether something listens at `HOST:PORT`."""
    host, port = address.rpartition(":")[::2]
    try:
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _check_docker(config: str, given: str, _: bool) -> None:
    image = given or config
    if not image:
        raise InputError(
            "--environment_config is missing, which --environment_type=DOCKER needs: the name of "
            "the worker image (docs/image.md); Beam's own image does not have this program"
        )
    if not image.isascii() or any(mark in image for mark in "{} \"'"):
        raise InputError(
            f"--environment_config={image} is no name of an image; give one like "
            "registry/imagenet-beam:tag"
        )


_CHECKS: dict[str, tuple[str, Callable[[str, str, bool], None]]] = {
    "PROCESS": ("process_command", _check_process),
    "EXTERNAL": ("external_service_address", _check_external),
    "DOCKER": ("docker_container_image", _check_docker),
}
"""How workers are started: Beam's other option for the same thing, and what is checked."""


def _member(config: str, name: str, example: str) -> str:
    """A member of the JSON in `--environment_config`; "" where there is no JSON at all."""
    if not config:
        return ""
    try:
        parsed: Any = json.loads(config)
    except ValueError:
        parsed = None
    members = parsed if isinstance(parsed, dict) else {}
    value = members.get(name)
    env = members.get("env", {})
    is_env = isinstance(env, dict) and all(isinstance(text, str) for text in env.values())
    if not isinstance(value, str) or not value or not is_env:
        raise InputError(
            f'--environment_config={config} is not accepted; give JSON with "{name}", {example}'
        )
    return value


def check_staged_files(setup: SetupOptions) -> None:
    """Refuses files for the workers that are not there."""
    if setup.setup_file:
        _check_file("setup_file", setup.setup_file, "give the path of a setup.py")
        if os.path.basename(setup.setup_file) not in _SETUP_FILES:
            raise InputError(
                f"--setup_file={setup.setup_file} is not accepted; it is named setup.py or "
                "pyproject.toml"
            )
    if setup.requirements_file:
        _check_file("requirements_file", setup.requirements_file, "give the path of a text file")
    for package in setup.extra_packages or []:
        if not package.endswith(_PACKAGES):
            raise InputError(
                f"--extra_package={package} is not accepted; its name ends with "
                f"{', '.join(_PACKAGES)}"
            )
        if "://" not in package:
            _check_file("extra_package", package, "give the path of a package")
    sdk = setup.sdk_location
    if sdk not in ("default", "container", "") and "://" not in sdk and not os.path.exists(sdk):
        raise InputError(f"--sdk_location={sdk} does not exist; leave it out, or give a path")


def _check_file(flag: str, path: str, accepted: str) -> None:
    if not os.path.isfile(path):
        raise InputError(f"--{flag}={path} does not exist; {accepted}")
