"""What Google Cloud Storage refuses, as one sentence that says what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import InvalidResponse

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_client import NoMetadataServerError, parse_name
from imagenet_beam.transforms.storage.gcs_retry import may_pass
from imagenet_beam.transforms.storage.retry import RetriesExhaustedError

_URL = re.compile(r"\b[A-Z]+ https?://\S+: ")
_LONGEST_QUOTE = 400
_LOG_IN = (
    "run `gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS "
    "name a key file"
)


@contextlib.contextmanager
def as_input_error(path: str, needs: str = "object") -> Iterator[None]:
    """Turns what a user can repair into an `InputError`; lets defects pass.

    Args:
        path: What the sentence begins with.
        needs: What the request needs to exist: its "object", or just the "bucket".
    """
    try:
        yield
    except (RetriesExhaustedError, urllib3.exceptions.HTTPError) as error:
        raise InputError(f"{path} cannot be reached: {_brief(error)}") from error
    except NoMetadataServerError as error:
        raise InputError(_no_credentials(path)) from error
    except auth.DefaultCredentialsError as error:
        raise InputError(f"{_no_credentials(path)} ({_brief(error)})") from error
    except auth.GoogleAuthError as error:
        raise InputError(
            f"{path} cannot be reached: the Google Cloud credentials were refused "
            f"({_brief(error)}); {_LOG_IN}"
        ) from error
    except api.GoogleAPICallError as error:
        raise InputError(_refused(path, error, needs)) from error
    except InvalidResponse as error:
        raise InputError(f"{path} cannot be used: {_brief(error)}") from error
    except OSError as error:
        if not may_pass(error) and not type(error).__module__.startswith("requests"):
            raise
        raise InputError(f"{path} cannot be reached: {_brief(error)}") from error


def _no_credentials(path: str) -> str:
    return f"{path} cannot be reached: there are no Google Cloud credentials; {_LOG_IN}"


def _refused(path: str, error: api.GoogleAPICallError, needs: str) -> str:
    said = _brief(error)
    if "user project" in said.lower() and "invalid" in said.lower():
        return (
            f"{path} cannot be used: `storage.gcs_billing_project` names no project that can pay "
            f"({said}); give the ID of one that has billing switched on"
        )
    if "serviceusage" in said.lower():
        return (
            f"{path} may not be paid for by the project of `storage.gcs_billing_project` ({said}); "
            "that needs roles/serviceusage.serviceUsageConsumer on the project"
        )
    if "requester pays" in said.lower() or "user project" in said.lower():
        return (
            f"{path} needs a project that pays ({said}); name it with `storage.gcs_billing_project`"
        )
    if isinstance(error, api.NotFound):
        if needs == "bucket" or "bucket does not exist" in said:
            return f"{path} cannot be used: there is no bucket gs://{parse_name(path).bucket}"
        return f"{path} does not exist"
    if isinstance(error, api.Unauthorized):
        return f"{path} may not be accessed ({said}); {_LOG_IN}"
    if isinstance(error, api.Forbidden):
        return (
            f"{path} may not be accessed ({said}); reading needs roles/storage.objectViewer "
            "on the bucket, writing roles/storage.objectUser"
        )
    return f"{path} cannot be used: {error.code} {said}"


def _brief(error: Exception) -> str:
    """The service's own words in one line, without what the library puts around them."""
    if isinstance(error, RetriesExhaustedError):
        return f"{error}: {_brief(error.last)}"
    message = str(getattr(error, "message", "") or error)
    response = getattr(error, "response", None)
    if response is not None:
        with contextlib.suppress(ValueError, LookupError, TypeError):  # not JSON, or other JSON
            message = str(response.json()["error"]["message"]) or message
    words = _URL.sub("", " ".join(message.split()))
    return words[:_LONGEST_QUOTE].rstrip(".")
