"""The job on Flink: a cluster that is there, or one embedded in the job server."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import NamedTuple

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
)

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.conversion import Conversion
from imagenet_beam.runners.base import LaunchOptions, output_mark
from imagenet_beam.runners.environments import check_environment, check_staged_files
from imagenet_beam.runners.flink import checks
from imagenet_beam.runners.flink.job import Target, start_job
from imagenet_beam.runners.flink.job_server import ServerSettings, find_jar, java
from imagenet_beam.runners.flink.rest import FlinkRest
from imagenet_beam.runners.follow import run_job
from imagenet_beam.runners.steps import say
from imagenet_beam.transforms.errors import InputError

EMBEDDED = ("[local]", "[auto]")


def check(config: ConvertConfig, options: LaunchOptions) -> None:
    """Asks the cluster, before anything is written, whether this can work."""
    _target(config, options, _find(config, options))


def launch(conversion: Conversion, options: LaunchOptions) -> bool:
    """Runs the job; see `RunnerModule`."""
    place = _find(conversion.config, options)
    target = _target(conversion.config, options, place)
    if place.warning:
        say(f"warning: {place.warning}")
    workers = dataclasses.replace(options.workers, threads=options.workers.threads or place.threads)
    return run_job(lambda: start_job(target, conversion, workers), conversion, options)


class _Place(NamedTuple):
    """Where the job will run, as far as it could be found out.

    Attributes:
        rest: The cluster; none for an embedded one.
        flink_minor: The cluster's version, such as `1.19`; "" for an embedded one.
        environment: How workers are started.
        parallelism: Subtasks of each stage.
        workers: Worker processes that each TaskManager starts.
        threads: How many images a subtask encodes at once.
        warning: What the user should know of the cluster; "" if nothing.
    """

    rest: FlinkRest | None
    flink_minor: str
    environment: str
    parallelism: int
    workers: int
    threads: int
    warning: str = ""


def _find(config: ConvertConfig, options: LaunchOptions) -> _Place:
    """Asks the cluster, and refuses what could not run there, or not with these options."""
    beam_options = PipelineOptions(list(options.beam_args))
    flink = beam_options.view_as(FlinkRunnerOptions)
    if flink.flink_submit_uber_jar:
        raise InputError(
            "--flink_submit_uber_jar is not accepted; the job is submitted by a job server "
            "(--flink_job_server_jar)"
        )
    embedded = flink.flink_master in EMBEDDED
    place = _embedded(beam_options) if embedded else _on_cluster(config, beam_options)
    if options.detach and place.environment == checks.LOOPBACK:
        raise InputError(
            "--detach is not accepted with --environment_type=LOOPBACK, whose workers end with "
            "this process; accepted are EXTERNAL, PROCESS and DOCKER on a cluster"
        )
    return place


def _embedded(beam_options: PipelineOptions) -> _Place:
    """A cluster of one TaskManager inside the job server."""
    portable = beam_options.view_as(PortableOptions)
    environment = checks.choose_environment(portable.environment_type, [])
    if environment != checks.LOOPBACK:
        raise InputError(
            f"--environment_type={environment} is not accepted with an embedded cluster, which "
            "uses workers of this process; give --flink_master=HOST:PORT"
        )
    check_environment(portable, environment, is_here=True)
    cores = os.cpu_count() or 1
    asked = beam_options.view_as(FlinkRunnerOptions).parallelism
    parallelism = asked if asked > 0 else cores
    return _Place(None, "", environment, parallelism, 1, max(1, cores // parallelism))


def _on_cluster(config: ConvertConfig, beam_options: PipelineOptions) -> _Place:
    flink = beam_options.view_as(FlinkRunnerOptions)
    rest = FlinkRest(flink.flink_master)
    try:
        overview, managers = rest.overview(), rest.task_managers()
        settings, jobs = rest.settings(), rest.jobs()
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"--flink_master={flink.flink_master} does not answer like a Flink cluster ({reason}); "
            "give the HOST:PORT of its dashboard, or leave the flag out for an embedded cluster"
        ) from error
    checks.check_not_running(jobs, output_mark(config.output_dir), config.output_dir, rest.url)
    parallelism = checks.check_parallelism(flink.parallelism, overview)
    hosts = [manager.host for manager in managers]
    portable = beam_options.view_as(PortableOptions)
    environment = checks.choose_environment(portable.environment_type, hosts)
    checks.check_pools(environment, managers)
    check_environment(portable, environment, is_here=all(map(checks.is_this_machine, hosts)))
    checks.check_paths(config, environment, hosts)
    _check_staging(beam_options, environment)
    slots = max(manager.slots for manager in managers)
    return _Place(
        rest,
        ".".join(overview.flink_version.split(".")[:2]),
        environment,
        parallelism,
        # One process for all slots would have one interpreter lock for all of them.
        1 if environment == checks.LOOPBACK else slots,
        max(1, min(manager.cores for manager in managers) // slots),
        checks.restart_warning(settings),
    )


def _check_staging(beam_options: PipelineOptions, environment: str) -> None:
    """Refuses staged files that TaskManagers cannot read from where the job server puts them."""
    setup = beam_options.view_as(SetupOptions)
    check_staged_files(setup)
    staged = {
        "setup_file": setup.setup_file,
        "requirements_file": setup.requirements_file,
        "extra_package": setup.extra_packages,
    }
    flag = next((flag for flag, value in staged.items() if value), "")
    artifacts_dir = beam_options.view_as(JobServerOptions).artifacts_dir
    if flag and environment != checks.LOOPBACK and not artifacts_dir:
        raise InputError(
            f"--{flag} needs --artifacts_dir, a place that each TaskManager can read, such as "
            "gs://bucket/staging; or install the packages where the workers run"
        )


def _target(config: ConvertConfig, options: LaunchOptions, place: _Place) -> Target:
    """All options of the job; refuses where no job server is for this version of Flink."""
    beam_options = PipelineOptions(list(options.beam_args))
    name = beam_options.view_as(GoogleCloudOptions).job_name or "imagenet-beam"
    job_name = f"{name}-{output_mark(config.output_dir)}"
    flags = (
        f"--sdk_worker_parallelism={place.workers}",
        *options.beam_args,
        f"--environment_type={place.environment}",
        f"--parallelism={place.parallelism}",
        f"--job_name={job_name}",
        # The list of this environment's packages is staged for the record only, and where
        # TaskManagers cannot read the job server's folder it fails the job.
        "--experiments=disable_logging_submission_environment",
    )
    return Target(place.rest, flags, _server_settings(beam_options, place), job_name)


def _server_settings(beam_options: PipelineOptions, place: _Place) -> ServerSettings:
    server = beam_options.view_as(JobServerOptions)
    launcher = server.job_server_java_launcher
    java_program = java() if launcher == "java" else launcher
    if not shutil.which(java_program):
        raise InputError(
            f"{java_program} is not there, and Flink's job server needs Java, version 11 or 17; "
            "install it, set JAVA_HOME, or give --job_server_java_launcher=/path/of/java"
        )
    jar = beam_options.view_as(FlinkRunnerOptions).flink_job_server_jar
    return ServerSettings(
        master=place.rest.url if place.rest else "[local]",
        jar=find_jar(jar or "", place.flink_minor),
        java_program=java_program,
        java_flags=tuple(server.job_server_jvm_properties or ()),
        artifacts_dir=server.artifacts_dir or "",
    )
