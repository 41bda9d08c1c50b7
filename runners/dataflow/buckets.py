"""The buckets of a job on Dataflow: where they are, and whether the job may be staged there."""

from __future__ import annotations

import dataclasses

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, WorkerOptions

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.runners.dataflow.service import bucket_location, is_in_region
from imagenet_beam.runners.flags import with_flags
from imagenet_beam.runners.steps import say
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_client import GcsAccess

_BEAMS_OWN = ("temp_location", "staging_location")
"""Beam looks at these buckets itself, and fails where it may not."""


def check_buckets(config: ConvertConfig, options: PipelineOptions) -> None:
    """Refuses buckets that are far from the workers, or that nothing can be staged in.

    Args:
        config: What is converted; all its files lie in buckets.
        options: The options of the job, defaults included.
    """
    cloud, worker = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    chosen = worker.worker_region or (worker.worker_zone or "").rpartition("-")[0]
    staged = [("staging_location", cloud.staging_location)]
    if cloud.template_location:
        staged.append(("template_location", cloud.template_location.rpartition("/")[0]))
    places = [("temp_location", cloud.temp_location), *staged, ("output_dir", config.output_dir)]
    places += [(split.parameter, path) for split in config.splits for path in split.archives]
    access = GcsAccess(cloud.project, config.storage.gcs_billing_project)
    seen = set()
    for flag, path in places:
        bucket = path.split("/")[2]
        if path.startswith("gs://") and bucket not in seen:
            seen.add(bucket)
            _check_region(flag, path, chosen or cloud.region, bool(chosen), access)
    # Beam would try for minutes, once the plan has been written; with a key of its own.
    storage = dataclasses.replace(config.storage, kms_key="")
    for flag, path in staged:
        try:
            storage.check_writable(path)
        except InputError as error:
            raise InputError(f"`{flag}`: {error}") from error


def _check_region(flag: str, path: str, region: str, chosen: bool, access: GcsAccess) -> None:
    try:
        location = bucket_location(path, access)
    except InputError as error:
        if flag not in _BEAMS_OWN and "may not be accessed" in str(error):
            return  # to look at a bucket takes more than to use its objects
        raise InputError(f"`{flag}`: {error}") from error
    if is_in_region(location, region):
        return
    where = f"`{flag}`={path} is in {location}, the workers are in {region}"
    if not chosen:
        raise InputError(
            f"{where}: each byte between them is charged; give --region=<one in {location}>, a "
            f"bucket in {region}, or accept it with --worker_region={region}"
        )
    say(f"{with_flags(where)}: each byte between them is charged")
