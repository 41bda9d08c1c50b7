"""Objects of Amazon S3, and of services that speak its protocol, through boto3.

Credentials, region and endpoint are those of boto3 itself: the environment (`AWS_PROFILE`,
`AWS_ENDPOINT_URL`, …) and `~/.aws`, on each machine that reads or writes.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

from imagenet_beam.transforms.errors import InputError, changed_input
from imagenet_beam.transforms.storage.base import (
    TEMPORARY_SUFFIX,
    Backend,
    FileStat,
    Spool,
    ends_early,
)
from imagenet_beam.transforms.storage.retry import (
    Retries,
    RetriesExhaustedError,
    said,
    wait_aloud,
)

try:
    import boto3
    from botocore import exceptions as boto
    from botocore.config import Config
except ModuleNotFoundError as missing:
    raise InputError(
        "s3:// paths need the package boto3, which is not installed: pip install boto3"
    ) from missing

_CONNECTIONS = 64  # as many ranges as a worker reads at once, at most
_TIMEOUT_SECONDS = 30
_MISSING = ("404", "NoSuchKey", "NoSuchBucket")
_REPLACED = ("412", "PreconditionFailed")

_logger = logging.getLogger(__name__)


class _Retries(Retries):
    """For bodies that break off; requests that fail are repeated by boto3 itself."""

    def may_pass(self, error: Exception) -> bool:
        """Whether the connection broke."""
        return isinstance(
            error,
            (
                boto.IncompleteReadError,
                boto.ReadTimeoutError,
                boto.ResponseStreamingError,
                boto.ConnectionClosedError,
            ),
        )

    def wait(self, seconds: float, error: Exception) -> None:
        """Waits, and says so."""
        wait_aloud(seconds, "S3", error, _logger)


class S3Backend(Backend):
    """The backend for `s3://`."""

    def __init__(self, scratch_dir: str = "", retry_seconds: float = 300.0) -> None:
        self._scratch_dir = scratch_dir
        self._retries = _Retries(deadline_seconds=retry_seconds)

    def stat(self, path: str) -> FileStat:
        """One metadata request: size, and the entity tag, which changes with the content."""
        with _as_input_error(path):
            head = _client().head_object(**_place(path))
        return FileStat(path, head["ContentLength"], head["ETag"], path)

    def open_ranges(self, path: str) -> _S3RangeReader:
        """One metadata request; what is read later is of the object as it is now."""
        return _S3RangeReader(self.stat(path), self._retries)

    def read_bytes(self, path: str) -> bytes:
        """Reads a small object whole."""
        reader = self.open_ranges(path)
        return reader.read(0, reader.size_bytes)

    def list_sizes(self, directory: str) -> dict[str, int]:
        """One listing, a request for each page of a thousand objects."""
        return {path: size_bytes for path, size_bytes, _ in self.files(directory, "")}

    def files(self, directory: str, folder: str) -> Iterator[tuple[str, int, str]]:
        """All below the directory, with their entity tags."""
        bucket, _, key = directory.removeprefix("s3://").partition("/")
        prefix = key.rstrip("/") + "/" if key else ""
        with _as_input_error(directory):
            pages = _client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    # Names that end in a slash are what consoles make to show a folder.
                    if found["Key"][-1:] != "/":
                        yield found["Key"][len(prefix) :], found["Size"], found["ETag"]

    def create(self, path: str) -> _S3AtomicFile:
        """Starts a file in local scratch space; makes no request."""
        return _S3AtomicFile(path, self._scratch_dir)

    def remove(self, path: str) -> None:
        """Removes an object if it is there."""
        with _as_input_error(path):
            _client().delete_object(**_place(path))

    def check_writable(self, directory: str) -> None:
        """Begins an upload below the directory and cancels it: no object appears."""
        place = _place(f"{directory.rstrip('/')}/probe{TEMPORARY_SUFFIX}")
        with _as_input_error(directory):
            begun = _client().create_multipart_upload(**place)
            _client().abort_multipart_upload(**place, UploadId=begun["UploadId"])


class _S3RangeReader:
    """One GET a read, of the object that was opened; safe for threads."""

    def __init__(self, opened: FileStat, retries: Retries) -> None:
        self.name = opened.path
        self.size_bytes = opened.size_bytes
        self._place = {**_place(opened.path), "IfMatch": opened.version}
        self._retries = retries

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        if length_bytes <= 0:
            return b""
        end_bytes = offset_bytes + length_bytes
        if end_bytes > self.size_bytes:
            raise ends_early(self.name, end_bytes)
        data = bytearray()

        def attempt() -> None:
            rest = f"bytes={offset_bytes + len(data)}-{end_bytes - 1}"
            body = _client().get_object(**self._place, Range=rest)["Body"]
            with contextlib.closing(body):
                for block in body.iter_chunks(64 << 10):
                    data.extend(block)

        with _as_input_error(self.name, is_pinned=True):
            self._retries.run(attempt, lambda: len(data))
        return bytes(data)


class _S3AtomicFile(Spool):
    """Spooled to a local file, then uploaded: the object appears whole or not at all."""

    def publish(self) -> None:
        self._spool.seek(0)
        with _as_input_error(self._path):
            place = _place(self._path)
            _client().upload_fileobj(_Unclosed(self._spool), place["Bucket"], place["Key"])
        self.discard()


class _Unclosed:
    """A file that boto3 may close without closing it: after a failure it is discarded here."""

    def __init__(self, file: Any) -> None:
        self.read: Callable[..., bytes] = file.read
        self.seek: Callable[..., int] = file.seek
        self.tell: Callable[[], int] = file.tell

    def close(self) -> None:
        """Does nothing."""


def _client() -> Any:
    """The client of this process: connections are not shared with forks."""
    return _client_of(os.getpid())


@functools.lru_cache(maxsize=1)
def _client_of(pid: int) -> Any:
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 8},
        max_pool_connections=_CONNECTIONS,
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
    )
    return boto3.session.Session().client("s3", config=config)


def _place(path: str) -> dict[str, str]:
    bucket, _, key = path.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise InputError(f"{path} names no object; accepted is s3://bucket/name")
    return {"Bucket": bucket, "Key": key}


@contextlib.contextmanager
def _as_input_error(path: str, is_pinned: bool = False) -> Iterator[None]:
    try:
        yield
    except boto.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if is_pinned and code in (*_MISSING, *_REPLACED):
            raise changed_input(path) from error
        if code in _MISSING:
            what = f"{path} lies in a bucket that" if code == "NoSuchBucket" else path
            raise InputError(f"{what} does not exist") from error
        raise InputError(f"{path} cannot be used: S3 says {said(error)}") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise InputError(
            f"{path} needs credentials ({said(error)}): set AWS_PROFILE, or AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or run `aws configure`"
        ) from error
    except RetriesExhaustedError as error:
        raise InputError(f"{path} cannot be used: {error}: {said(error.last)}") from error
    except (boto.BotoCoreError, boto3.exceptions.Boto3Error) as error:
        raise InputError(f"{path} cannot be used: {said(error)}") from error
