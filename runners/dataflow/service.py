"""The part of Google Cloud that a job of Dataflow needs: its API, and where buckets are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import google.auth
import requests
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from google.api_core import exceptions as api
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry, if_transient_error
from google.auth import exceptions as auth
from google.cloud import dataflow

from imagenet_beam.runners.dataflow.options import SUBMISSION_LABEL
from imagenet_beam.runners.failures import first_line
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_client import GcsAccess, parse_name
from imagenet_beam.transforms.storage.gcs_errors import as_input_error

_PATIENCE = Retry(if_transient_error, initial=0.5, maximum=8.0, multiplier=2.0, timeout=60.0)
_TIMEOUT_SECONDS = 30.0
_ROLE = "roles/dataflow.developer"
_MULTI_REGIONS = {"US": ("us-",), "EU": ("europe-",), "ASIA": ("asia-",)}
_DUAL_REGIONS = {
    "ASIA1": ("asia-northeast1", "asia-northeast2"),
    "EUR4": ("europe-north1", "europe-west4"),
    "NAM4": ("us-central1", "us-east1"),
}
"""Those that are named as one; https://cloud.google.com/storage/docs/locations."""


class DataflowService:
    """The clients of Dataflow's API for one project and region; made when first used."""

    def __init__(self, options: PipelineOptions) -> None:
        cloud = options.view_as(GoogleCloudOptions)
        self.project: str = cloud.project
        self.region: str = cloud.region
        self._place = {"project_id": self.project, "location": self.region}
        self._options = options

    @cached_property
    def _jobs(self) -> Any:
        return dataflow.JobsV1Beta3Client(**self._client_settings)

    @cached_property
    def _messages(self) -> Any:
        return dataflow.MessagesV1Beta3Client(**self._client_settings)

    @cached_property
    def _client_settings(self) -> dict[str, Any]:
        """Endpoint, transport and credentials as Beam's own client chooses them."""
        from apache_beam.internal.gcp.auth import get_service_credentials

        google.auth.default()  # fails with a reason, where Beam goes on without credentials
        endpoint = self._options.view_as(GoogleCloudOptions).dataflow_endpoint.rstrip("/")
        plain = "localhost" in endpoint or "sandbox" in endpoint
        if not plain:
            endpoint = endpoint.rpartition("://")[2]
        credentials = get_service_credentials(self._options)
        return {
            "credentials": credentials.get_google_auth_credentials(),
            "client_options": ClientOptions(api_endpoint=endpoint),
            "transport": "rest" if plain else None,
        }

    def active_job(self, name: str, submission: str = "") -> str:
        """The id of the job of that name that has not ended, or "".

        Args:
            name: The job's name.
            submission: The value of its label, unless any job of the name is meant.

        Raises:
            InputError: If the API refuses: no credentials, no permission, not enabled.
        """
        active = dataflow.ListJobsRequest.Filter.ACTIVE
        request = dataflow.ListJobsRequest(**self._place, name=name, filter=active)
        with self.refusals_as_sentences():
            for job in self._jobs.list_jobs(request, retry=_PATIENCE, timeout=_TIMEOUT_SECONDS):
                if job.name == name and submission in ("", self._submission(job.id)):
                    return str(job.id)
        return ""

    def _submission(self, job_id: str) -> str:
        """The label of a job; a list of jobs does not show it."""
        view = dataflow.JobView.JOB_VIEW_ALL
        request = dataflow.GetJobRequest(**self._place, job_id=job_id, view=view)
        job = self._jobs.get_job(request, retry=_PATIENCE, timeout=_TIMEOUT_SECONDS)
        return str(job.labels.get(SUBMISSION_LABEL, ""))

    def state(self, job_id: str) -> str:
        """The state of a job: `JOB_STATE_RUNNING`.

        Raises:
            OSError: If the service does not answer, or not with the job: a job that was
                made a moment ago may not be known yet.
        """
        request = dataflow.GetJobRequest(**self._place, job_id=job_id)
        with _answers_as_os_errors():
            job = self._jobs.get_job(request, timeout=_TIMEOUT_SECONDS)
        return str(job.current_state.name)

    def errors(self, job_id: str) -> list[str]:
        """What a job has reported as errors, oldest first; `OSError` without an answer."""
        errors = dataflow.JobMessageImportance.JOB_MESSAGE_ERROR
        request = dataflow.ListJobMessagesRequest(
            **self._place, job_id=job_id, minimum_importance=errors
        )
        with _answers_as_os_errors():
            found = list(self._messages.list_job_messages(request, timeout=_TIMEOUT_SECONDS))
        return [str(message.message_text) for message in found]

    def cancel(self, job_id: str) -> None:
        """Asks for a job's end; `OSError` without an answer, or if the service refuses."""
        cancelled = dataflow.Job(requested_state=dataflow.JobState.JOB_STATE_CANCELLED)
        request = dataflow.UpdateJobRequest(**self._place, job_id=job_id, job=cancelled)
        with _answers_as_os_errors():
            self._jobs.update_job(request, retry=_PATIENCE, timeout=_TIMEOUT_SECONDS)

    @contextlib.contextmanager
    def refusals_as_sentences(self) -> Iterator[None]:
        """Turns what the API refuses into an `InputError` that says what to do."""
        try:
            yield
        except auth.GoogleAuthError as error:
            raise InputError(
                f"Dataflow cannot be reached: there are no usable Google Cloud credentials "
                f"({first_line(str(error))}); run `gcloud auth application-default login`, or let "
                "GOOGLE_APPLICATION_CREDENTIALS name a key file"
            ) from error
        except (api.Forbidden, api.Unauthorized) as error:
            raise InputError(self._forbidden(error)) from error
        except api.GoogleAPICallError as error:
            raise InputError(
                f"Dataflow refuses --project={self.project} --region={self.region}: {_said(error)}"
            ) from error
        except (api.RetryError, requests.RequestException) as error:
            raise InputError(f"Dataflow cannot be reached: {first_line(str(error))}") from error

    def _forbidden(self, error: api.GoogleAPICallError) -> str:
        said = _said(error)
        if "has not been used" in said or "is disabled" in said or "SERVICE_DISABLED" in said:
            return (
                f"--project={self.project} has Dataflow's API switched off; run `gcloud services "
                f"enable dataflow.googleapis.com --project={self.project}`"
            )
        return (
            f"Dataflow does not let you run jobs in --project={self.project} ({said}); that needs "
            f"{_ROLE}"
        )


def _said(error: api.GoogleAPICallError) -> str:
    return first_line(str(error.message)).rstrip(".")


@contextlib.contextmanager
def _answers_as_os_errors() -> Iterator[None]:
    """Everything that may be different when asked again."""
    try:
        yield
    except (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError) as error:
        raise OSError(first_line(str(error))) from error


def bucket_location(path: str, access: GcsAccess) -> str:
    """Where the bucket of a path is: `EUROPE-WEST4`, `EU`, or `A+B` for two regions.

    Raises:
        InputError: Without credentials or permission, or if there is no such bucket.
    """
    with as_input_error(path, needs="bucket"):
        bucket = access.bucket(parse_name(path))
        bucket.reload(timeout=_TIMEOUT_SECONDS)
    return "+".join(bucket.data_locations or [bucket.location or ""])


def is_in_region(location: str, region: str) -> bool:
    """Whether a bucket's location is, or contains, a region."""
    location, region = location.upper(), region.lower()
    if location in _MULTI_REGIONS:
        return region.startswith(_MULTI_REGIONS[location])
    regions: Sequence[str] = _DUAL_REGIONS.get(location, location.lower().split("+"))
    return region in regions
