"""What is asked of Dataflow: the user's flags, and this program's choices where there are none."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import uuid
from collections.abc import Sequence

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    WorkerOptions,
)

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.runners.base import output_mark
from imagenet_beam.runners.environments import check_staged_files
from imagenet_beam.runners.worker_package import DISTRIBUTION
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import is_local

MACHINE_TYPE = "e2-standard-4"
"""Four cores: the threads of one Python process keep them busy; every region has them."""

DISK_SIZE_GB = 50
MAX_WORKERS = 20
"""Dataflow's own limit is in the hundreds: a mistake should not cost that much."""

HARNESS_THREADS = 4
"""Shards that a worker writes at the same time, and archives that it lists."""

READ_THREADS = 16
"""Images fetched at once for a shard: a read from a bucket is mostly waiting."""

SUBMISSION_LABEL = "submission"
_ONE_PROCESS = "no_use_multiple_sdk_containers"
_SEVERAL_PROCESSES = "use_multiple_sdk_containers"
_NEEDED_MODULES = ("google.cloud.dataflow", "google_auth_httplib2", "google.cloud.storage")
_JOB_NAME = re.compile(r"[a-z]([-a-z0-9]{0,1022}[a-z0-9])?")
_LABEL_CHARACTERS = re.compile(r"[^-_a-z0-9]")
_CORES = re.compile(r"[a-z0-9]+-(?:custom|standard|highmem|highcpu|megamem)-(\d+)(?:-.*)?")


def check_installed() -> None:
    """Refuses to go on without the packages that talk to Google Cloud."""
    missing = [name for name in _NEEDED_MODULES if not _is_installed(name)]
    if missing:
        raise InputError(
            f"--runner=DataflowRunner needs {missing[0]}, which is not installed; run "
            f'`pip install "{DISTRIBUTION}[dataflow]"`'
        )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def job_options(config: ConvertConfig, beam_args: Sequence[str]) -> PipelineOptions:
    """The options of the job: as typed and checked, then the defaults."""
    options = PipelineOptions(list(beam_args))
    _check_cloud(options.view_as(GoogleCloudOptions))
    _check_code(options)
    _set_cloud_defaults(options.view_as(GoogleCloudOptions), config)
    _set_worker_defaults(options)
    setup = options.view_as(SetupOptions)
    if setup.save_main_session is None:  # Beam's default sends what the launching module holds
        setup.save_main_session = False
    return options


def check_remote(config: ConvertConfig) -> None:
    """Refuses files that no worker of Dataflow could reach."""
    for field, path in config.paths():
        if is_local(path):
            raise InputError(
                f"`{field}`={path} is on this machine, where Dataflow's workers cannot reach it; "
                "give a gs:// path"
            )


def _check_cloud(cloud: GoogleCloudOptions) -> None:
    for flag, example in (
        ("project", "my-project"),
        ("region", "europe-west4"),
        ("temp_location", "gs://bucket/tmp"),
    ):
        if not getattr(cloud, flag):
            raise InputError(
                f"--{flag} is missing, which --runner=DataflowRunner needs; --{flag}={example}"
            )
    for flag in ("temp_location", "staging_location"):
        value = getattr(cloud, flag)
        if value and not re.fullmatch(r"gs://[^/]+(/.*)?", value):
            raise InputError(f"--{flag}={value} is not accepted; give gs://bucket/folder")
    template = cloud.template_location
    if template and not re.fullmatch(r"gs://[^/]+/(.*/)?[^/]+", template):
        raise InputError(
            f"--template_location={template} is not accepted; give gs://bucket/folder/name"
        )
    if cloud.job_name and not _JOB_NAME.fullmatch(cloud.job_name):
        raise InputError(
            f"--job_name={cloud.job_name} is not accepted; it starts with a small letter and "
            "goes on with small letters, digits and hyphens"
        )


def _check_code(options: PipelineOptions) -> None:
    image = options.view_as(WorkerOptions).sdk_container_image
    if image and ("/" not in image or image.startswith("localhost/")):
        raise InputError(
            f"--sdk_container_image={image} names no registry that workers can pull from; it is "
            "like europe-docker.pkg.dev/project/repository/imagenet-beam:tag"
        )
    check_staged_files(options.view_as(SetupOptions))
    experiments = options.view_as(DebugOptions).experiments or []
    disabled = [name for name in experiments if name.startswith("disable_runner_v2")]
    if disabled:
        raise InputError(f"--experiments={disabled[0]} is not accepted: this job needs Runner v2")


def stages_own_package(options: PipelineOptions) -> bool:
    """Whether the workers get this program from here: nothing else brings it."""
    has_image = bool(options.view_as(WorkerOptions).sdk_container_image)
    return not has_image and not options.view_as(SetupOptions).setup_file


def _set_cloud_defaults(cloud: GoogleCloudOptions, config: ConvertConfig) -> None:
    cloud.staging_location = cloud.staging_location or cloud.temp_location
    for flag in ("temp_location", "staging_location"):
        location = getattr(cloud, flag)
        if location.count("/") == 2:  # Beam refuses a bare bucket
            setattr(cloud, flag, f"{location}/")
    cloud.job_name = cloud.job_name or default_job_name(config.output_dir)
    given = cloud.labels or []
    version = _LABEL_CHARACTERS.sub("-", importlib.metadata.version(DISTRIBUTION))
    ours = {"application": DISTRIBUTION, "application_version": version}
    names = {label.partition("=")[0] for label in given}
    cloud.labels = [*given, *(f"{k}={v}" for k, v in ours.items() if k not in names)]


def mark_submission(options: PipelineOptions) -> str:
    """Labels the job, so that it is told from others of its name; gives the label's value."""
    cloud = options.view_as(GoogleCloudOptions)
    mark = uuid.uuid4().hex
    cloud.labels = [*(cloud.labels or []), f"{SUBMISSION_LABEL}={mark}"]
    return mark


def default_job_name(output_dir: str) -> str:
    """The same for the same output: Dataflow lets only one job of a name run at a time."""
    return f"{DISTRIBUTION}-{output_mark(output_dir)}"


def _set_worker_defaults(options: PipelineOptions) -> None:
    worker, debug = options.view_as(WorkerOptions), options.view_as(DebugOptions)
    worker.machine_type = worker.machine_type or MACHINE_TYPE
    worker.disk_size_gb = worker.disk_size_gb or DISK_SIZE_GB
    worker.autoscaling_algorithm = worker.autoscaling_algorithm or "THROUGHPUT_BASED"
    if worker.max_num_workers is None and worker.autoscaling_algorithm != "NONE":
        worker.max_num_workers = max(MAX_WORKERS, worker.num_workers or 0)
    if _SEVERAL_PROCESSES not in (debug.experiments or []):
        debug.add_experiment(_ONE_PROCESS)
    if not debug.number_of_worker_harness_threads:
        debug.number_of_worker_harness_threads = HARNESS_THREADS


def worker_cores(options: PipelineOptions) -> int:
    """The cores of a worker, told by the name of the machine type; else those of the default."""
    match = _CORES.fullmatch(options.view_as(WorkerOptions).machine_type or "")
    return int(match[1]) if match else 4
