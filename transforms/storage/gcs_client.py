"""Names, credentials and the one client that a process has for its settings."""

from __future__ import annotations

import functools
import os
import re
import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import google.auth
import urllib3
from google.auth import environment_vars
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError
from google.auth.transport.requests import AuthorizedSession, Request
from google.auth.transport.urllib3 import AuthorizedHttp
from google.cloud import storage
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.gcs_retry import RetryPolicy

POOL_CONNECTIONS = 64
"""Connections kept open to the service: the number of reads a process may have in flight."""

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_METADATA_SECONDS = 2.0
_BUCKET = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PRODUCT_NAME = "/sys/class/dmi/id/product_name"


class GcsName(NamedTuple):
    """The parts of `gs://bucket/object#generation`."""

    bucket: str
    key: str  # the object's name, or a prefix of names; may be ""
    generation: int | None = None  # the pinned one; None for the live one

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.key}"


def parse_name(path: str) -> GcsName:
    """Splits a path; raises `InputError` where there is no bucket."""
    bucket, _, key = path.removeprefix("gs://").partition("/")
    if not bucket:
        raise InputError(f"{path} names no bucket; accepted is gs://bucket/name")
    if not _BUCKET.fullmatch(bucket):
        raise InputError(
            f"{path} names no bucket: {bucket} should begin and end with a letter or digit, with "
            "letters, digits, hyphens, underscores and dots between"
        )
    head, mark, generation = key.rpartition("#")
    if mark and generation.isdigit():
        return GcsName(bucket, head, int(generation))
    return GcsName(bucket, key)


def parse_object_name(path: str) -> GcsName:
    """Splits the path of one object; raises `InputError` for a bucket or a folder."""
    name = parse_name(path)
    if not name.key or name.key.endswith("/"):
        raise InputError(f"{path} names a bucket or a folder; accepted is gs://bucket/name")
    return name


class GcsClient(NamedTuple):
    """The library's client, and what carries requests that it does not make itself.

    Attributes:
        api: The `google.cloud.storage.Client`.
        session: The authorized session of `requests` that the client uses.
        http: An authorized pool of urllib3, for the many ranged reads.
    """

    api: Any
    session: Any
    http: Any


_lock = threading.Lock()


def client_for(project: str, lane: int = 0) -> GcsClient:
    """The client of this process; made at its first use, safe to share by threads.

    Args:
        project: The client's project, or "".
        lane: Clients of different lanes never share a connection.

    Raises:
        google.auth.exceptions.GoogleAuthError: Without credentials; in seconds.
    """
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    with _lock:  # or threads that start together would make one each
        return _make_client(project, emulator, os.getpid(), lane)


@functools.lru_cache(maxsize=8)
def _make_client(project: str, emulator: str, pid: int, lane: int) -> GcsClient:
    """One for a process: sockets must not be shared with a forked child."""
    # With OpenTelemetry about, the library asks in the background for each bucket's
    # location: a request nobody counts, and a permission nobody needs.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "1")
    if emulator:
        credentials: Any = AnonymousCredentials()
    else:
        credentials, _ = google.auth.default(scopes=_SCOPES, request=_MetadataProbe())
    session = AuthorizedSession(credentials)
    session.mount("https://", HTTPAdapter(pool_maxsize=POOL_CONNECTIONS))
    session.mount("http://", HTTPAdapter(pool_maxsize=POOL_CONNECTIONS))
    api = storage.Client(project=project or None, credentials=credentials, _http=session)
    return GcsClient(api, session, AuthorizedHttp(credentials, _pool(api.api_endpoint)))


def _pool(endpoint: str) -> urllib3.PoolManager:
    """A pool with the proxy and the certificates that `requests` would use."""
    settings: dict[str, Any] = {
        "maxsize": POOL_CONNECTIONS,
        "retries": False,
        "headers": {"User-Agent": "imagenet-beam"},
        "ca_certs": os.environ.get("REQUESTS_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH,
    }
    proxy = get_environ_proxies(endpoint).get(endpoint.partition("://")[0])
    return urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)


@dataclass(frozen=True)
class GcsAccess:
    """How requests are made; a small value, without a client in it.

    Attributes:
        project: The client's project, or "".
        billing_project: Who pays for requester-pays buckets, or "".
        kms_key: The key for what is written, or "" for the bucket's default.
        policy: How requests are repeated.
        stall_seconds: A connection that brings no byte for so long is given up.
    """

    project: str = ""
    billing_project: str = ""
    kms_key: str = ""
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    stall_seconds: float = 30.0

    @property
    def timeout(self) -> tuple[float, float]:
        """What to wait for a connection, and for its next byte."""
        return min(10.0, self.stall_seconds), self.stall_seconds

    def client(self, lane: int = 0) -> GcsClient:
        """The client that this process has for these settings."""
        return client_for(self.project, lane)

    def bucket(self, name: GcsName, lane: int = 0) -> Any:
        """A handle of the bucket; makes no request."""
        return self.client(lane).api.bucket(name.bucket, user_project=self.billing_project or None)

    def blob(self, name: GcsName, lane: int = 0) -> Any:
        """A handle of one object, or of the pinned generation of one; makes no request."""
        return self.bucket(name, lane).blob(
            name.key, generation=name.generation, kms_key_name=self.kms_key or None
        )


class NoMetadataServerError(Exception):
    """This machine has no credentials of its own: it is not in Google's cloud."""


class _MetadataProbe(Request):
    """Asks the metadata server once, unless the machine is surely one of Google's.

    The library asks three times with growing waits, in every process, and so
    takes up to 22 s to find out that a laptop has no credentials. A machine of
    Google's says so in its firmware; there the library's patience is left alone,
    because the server may be late while a container starts.
    """

    def __call__(self, url: str, **kwargs: Any) -> Any:
        headers = {name.lower() for name in kwargs.get("headers") or ()}
        if "metadata-flavor" not in headers or _is_google_machine():
            return super().__call__(url, **kwargs)
        kwargs["timeout"] = _METADATA_SECONDS
        try:
            return super().__call__(url, **kwargs)
        except TransportError as error:
            raise NoMetadataServerError from error


def _is_google_machine() -> bool:
    if os.environ.get(environment_vars.GCE_METADATA_HOST):
        return True  # somebody arranged for a metadata server
    try:
        with open(_PRODUCT_NAME, encoding="utf-8") as file:
            return file.read().startswith("Google")
    except OSError:
        return False
