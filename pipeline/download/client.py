"""HTTP requests and their answers, in the few forms that transfers need.

`requests` does the work: connections, TLS, redirects, proxies from the
environment (`https_proxy`, `no_proxy`, …) and credentials from netrc. Nothing
here puts more of an address into a message than its host and file name, since
links that people are given hold tokens.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema, SSLError, TooManyRedirects

from imagenet_beam.pipeline.download.parts import RemoteFile, free_bytes_of
from imagenet_beam.pipeline.download.sources import MirrorFailed
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.retry import Retries

_RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_MAX_CONNECTIONS, _CONNECT_SECONDS = 32, 15.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

# Trying again cannot help these.
_FINAL_ERRORS = (InvalidSchema, InvalidURL, MissingSchema, SSLError, TooManyRedirects)


@dataclass(frozen=True)
class TransferOptions:
    """How files are fetched.

    Attributes:
        connections: Connections at once for a file of several pieces.
        attempts: Failures in a row, without a new byte, until a server is given up.
        piece_bytes: What one connection fetches at a time, at least; smaller
            files take one connection.
        backoff_seconds: The longest first wait; it doubles with each failure.
        max_backoff_seconds: The longest wait, also when the server asks for more.
        read_timeout_seconds: How long it may send nothing.
        credentials: User and password for every request; None asks netrc.
        free_bytes: Tells the free space of a folder.
    """

    connections: int = 4
    attempts: int = 8
    piece_bytes: int = 16 << 20
    backoff_seconds: float = 2.0
    max_backoff_seconds: float = 60.0
    read_timeout_seconds: float = 60.0
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    free_bytes: Callable[[Path], int] = free_bytes_of

    def __post_init__(self) -> None:
        if not 1 <= self.connections <= _MAX_CONNECTIONS:
            raise InputError(
                f"--connections={self.connections} is out of range; accepted are 1 to "
                f"{_MAX_CONNECTIONS}"
            )


class Interrupted(Exception):
    """A request that failed in a way that the next one may not."""

    def __init__(self, what: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(what)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, kw_only=True)
class DownloadRetries(Retries):
    """The policy for one address, whose failures are told; `stop` ends a wait."""

    stop: threading.Event
    say: Callable[[str], None]

    def may_pass(self, error: Exception) -> bool:
        """Whether the same request may succeed a little later."""
        return isinstance(error, Interrupted)

    def asked_seconds(self, error: Exception) -> float:
        """What the server asked for in `Retry-After`, but not more than the longest wait."""
        return min(getattr(error, "retry_after_seconds", 0.0), self.longest_wait_seconds)

    def wait(self, seconds: float, error: Exception) -> None:
        """Waits, and says so."""
        self.stop.wait(seconds)
        self.say(f"{error}: trying again")


def redact(url: str) -> str:
    """What of an address may be shown: neither passwords, nor queries, nor folders."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    folders = "/…" if parts.path.count("/") > 1 else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{folders}/{url_name(url)}"


def url_name(url: str) -> str:
    """The file name at the end of an address."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def open_session(options: TransferOptions) -> requests.Session:
    """Starts a session, one for each thread."""
    session = requests.Session()
    # Files as they are stored, not unpacked on the way.
    session.headers["Accept-Encoding"] = "identity"
    session.headers["User-Agent"] = f"imagenet-beam {session.headers['User-Agent']}"
    session.auth = options.credentials
    return session


class Body:
    """An answer whose bytes are still to be read."""

    def __init__(self, response: requests.Response, url: str) -> None:
        self._response = response
        self._url = url
        headers = response.headers
        self.is_page = headers.get("Content-Type", "").startswith("text/html")
        is_part = response.status_code == requests.codes.partial_content
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "")) if is_part else None
        if is_part and not found:
            raise MirrorFailed(f"{redact(response.url)} sends a part without saying which")
        self.start = int(found[1]) if found else 0
        length = found[3] if found else headers.get("Content-Length", "")
        identity = (headers.get("ETag", ""), headers.get("Last-Modified", ""), is_part)
        self.remote = RemoteFile(int(length) if length.isdigit() else None, *identity)

    def read(self, size_bytes: int) -> bytes:
        """Reads up to so many bytes, b"" only at the end, or raises `Interrupted`."""
        try:
            data: bytes = self._response.raw.read(size_bytes, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Interrupted(f"{redact(self._url)} broke off ({_reason(error)})") from error
        return data


@contextmanager
def get(
    session: requests.Session,
    url: str,
    options: TransferOptions,
    byte_range: tuple[int, int] | None = None,
    if_range: str = "",
) -> Iterator[Body]:
    """Asks for a file, or for the bytes from the first to the last of `byte_range`.

    Raises `Interrupted` where the next attempt may succeed, else `MirrorFailed`.
    """
    headers = {"If-Range": if_range} if if_range else {}
    if byte_range is not None:
        headers["Range"] = f"bytes={byte_range[0]}-{byte_range[1]}"
    timeout = (_CONNECT_SECONDS, options.read_timeout_seconds)
    try:
        response = session.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.RequestException as error:
        kind = MirrorFailed if isinstance(error, _FINAL_ERRORS) else Interrupted
        raise kind(f"{redact(url)} cannot be reached ({_reason(error)})") from error
    with response:
        status = response.status_code
        if status == requests.codes.requested_range_not_satisfiable and byte_range is not None:
            response.close()
            # The file is empty, or became shorter: only the whole of it can be asked for.
            with get(session, url, options) as body:
                yield body
            return
        if status in (requests.codes.ok, requests.codes.partial_content):
            yield Body(response, url)
            return
        said = f"{redact(url)} answers {status} {response.reason}".rstrip()
        if status in _RETRY_STATUSES:
            seconds = response.headers.get("Retry-After", "")
            raise Interrupted(said, float(seconds) if seconds.isdigit() else 0.0)
        if status in (401, 403):
            said += "; if it needs a login, write one for this host into ~/.netrc"
        raise MirrorFailed(said)


def _reason(error: BaseException) -> str:
    """The innermost cause, whose text holds no address beyond the host."""
    inner: object = error
    while isinstance(inner, Exception):
        following = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(following, Exception):
            break
        inner = following
    text = ""
    if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException):
        text = inner.strerror or ""
    elif isinstance(inner, urllib3.exceptions.HTTPError):
        text = "" if "url" in str(inner).lower() or "/" in str(inner) else str(inner)
    return text or type(inner).__name__
