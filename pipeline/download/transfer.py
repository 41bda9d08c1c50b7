"""One file from its mirrors to its place: in pieces, resumed, checked, published."""

from __future__ import annotations

import threading
import time
from collections import deque
from io import FileIO
from pathlib import Path

import requests

from imagenet_beam.pipeline.download.client import (
    Attempts,
    Body,
    Interrupted,
    TransferOptions,
    get,
    open_session,
    redact,
)
from imagenet_beam.pipeline.download.errors import DownloadError, MirrorFailed
from imagenet_beam.pipeline.download.parts import PartFile, Piece, RemoteFile
from imagenet_beam.pipeline.download.progress import Progress, SilentProgress
from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.pipeline.download.verify import find_fault, set_aside

_READ_BYTES = 1 << 18
_SAVE_SECONDS = 5.0
_TICK_SECONDS = 0.5
_PATIENCE_SECONDS = 3.0
"""How long an interrupted run waits for its connections before it leaves them."""

_MAX_CHANGES = 3
"""How often a file may change, or a server forget ranges, until it is asked for whole."""


class _RemoteChanged(Exception):
    """The server has another file now than the one whose bytes are here."""


def download_file(
    source: SourceFile,
    directory: Path,
    options: TransferOptions | None = None,
    progress: Progress | None = None,
) -> Path:
    """Puts a file in place, unless it is there and right already.

    What an earlier run has left is continued. A file that turns out wrong is
    renamed to `name.wrong-1` and so on, and the next mirror is tried.

    Args:
        source: The file, with at least one address.
        directory: Where it goes; it is created.
        options: How to fetch it.
        progress: What to report to.

    Returns:
        The path of the file, whose checksum is right.

    Raises:
        DownloadError: No mirror gave the file, or the disk did not take it.
    """
    options, progress = options or TransferOptions(), progress or SilentProgress()
    target = directory / source.name
    if target.exists() and not _check(target, target, source, progress):
        progress.say(f"{target} is there and right")
        return target
    problems = []
    for url in source.urls:
        with PartFile(target, options.piece_bytes, options.free_bytes) as part:
            try:
                _Transfer(source, url, part, options, progress).run()
                problem = _check(part.path, target, source, progress)
            except MirrorFailed as error:
                problem = str(error)
            else:
                part.forget_notes()
            if not problem:
                part.publish()
                return target
        progress.say(problem)
        problems.append(problem)
    raise DownloadError(f"{source.name} could not be downloaded: {'; '.join(problems)}")


def _check(path: Path, target: Path, source: SourceFile, progress: Progress) -> str:
    """Says what is wrong with a file after setting it aside, or "" if it is right."""
    progress.start(f"checking {source.name}", path.stat().st_size)
    fault = find_fault(path, source, progress.advance)
    if not fault:
        return ""
    aside = set_aside(path, target)
    return f"{source.name} {fault}, and is kept as {aside.name}"


class _Transfer:
    """One file from one address."""

    def __init__(
        self,
        source: SourceFile,
        url: str,
        part: PartFile,
        options: TransferOptions,
        progress: Progress,
    ) -> None:
        self._source = source
        self._url = url
        self._part = part
        self._options = options
        self._progress = progress
        self._stop = threading.Event()

    def run(self) -> None:
        """Fetches until everything is there."""
        attempts = Attempts(self._options, self._stop)
        changes = 0
        while True:
            try:
                return self._pass(ask_ranges=changes < _MAX_CHANGES)
            except Interrupted as error:
                _wait(attempts, error, self._url, self._progress)
            except _RemoteChanged:
                changes += 1
                self._part.forget()
                self._progress.say(f"{redact(self._url)} has changed: starting anew")

    def _pass(self, ask_ranges: bool) -> None:
        first_byte = (0, 0) if ask_ranges else None
        with open_session(self._options) as session:
            with get(session, self._url, self._options, first_byte) as body:
                self._begin(body)
                if not body.remote.is_ranged:
                    return self._copy(body)
            return _Pieces(self._url, self._part, body.remote, self._options, self._progress).run()

    def _begin(self, body: Body) -> None:
        remote, wanted = body.remote, self._source.size_bytes
        if wanted and remote.size_bytes not in (None, wanted):
            page = ", an HTML page, perhaps of an error or a login" if body.is_page else ""
            raise MirrorFailed(
                f"{redact(self._url)} offers {remote.size_bytes:,} bytes{page}; "
                f"{self._source.name} has {wanted:,}"
            )
        self._part.begin(remote)
        self._progress.start(
            f"downloading {self._source.name}", remote.size_bytes, self._part.done_bytes
        )

    def _copy(self, body: Body) -> None:
        (piece,) = self._part.missing() or [Piece(0, 0)]
        with self._part.open_data() as file:
            while data := body.read(_READ_BYTES):
                self._part.write(file, piece, data)
                self._progress.advance(len(data))


def _wait(attempts: Attempts, error: Interrupted, url: str, progress: Progress) -> None:
    attempts.failed(error, url)
    progress.say(f"{redact(url)} {error}: trying again")


class _Pieces:
    """The missing pieces of one remote file, fetched by several threads."""

    def __init__(
        self,
        url: str,
        part: PartFile,
        remote: RemoteFile,
        options: TransferOptions,
        progress: Progress,
    ) -> None:
        self._url = url
        self._part = part
        self._remote = remote
        self._options = options
        self._progress = progress
        self._todo = deque(part.missing())
        self._stop = threading.Event()
        self._failures: list[BaseException] = []

    def run(self) -> None:
        """Fetches them all; what is there is written down whatever happens."""
        count = min(self._options.connections, len(self._todo))
        # Daemons: after Ctrl-C a connection that hangs must not hold the process.
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            self._wait(threads)
        except BaseException:
            self._end(threads, _PATIENCE_SECONDS)
            raise
        self._end(threads, None)
        if self._failures:
            raise self._failures[0]

    def _wait(self, threads: list[threading.Thread]) -> None:
        next_save = time.monotonic() + _SAVE_SECONDS
        while not self._stop.is_set() and any(thread.is_alive() for thread in threads):
            next(thread for thread in threads if thread.is_alive()).join(_TICK_SECONDS)
            self._progress.tick()
            if time.monotonic() >= next_save:
                self._part.save()
                next_save = time.monotonic() + _SAVE_SECONDS

    def _end(self, threads: list[threading.Thread], patience_seconds: float | None) -> None:
        self._stop.set()
        deadline = None if patience_seconds is None else time.monotonic() + patience_seconds
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        self._part.save()

    def _work(self) -> None:
        try:
            with open_session(self._options) as session, self._part.open_data() as file:
                while not self._stop.is_set() and self._todo:
                    try:
                        piece = self._todo.popleft()
                    except IndexError:
                        return
                    self._fetch(session, file, piece)
        except BaseException as error:
            # Whatever it is, the main thread raises it.
            self._failures.append(error)
            self._stop.set()

    def _fetch(self, session: requests.Session, file: FileIO, piece: Piece) -> None:
        attempts = Attempts(self._options, self._stop)
        while piece.missing_bytes and not self._stop.is_set():
            before = piece.done_bytes
            try:
                self._fetch_rest(session, file, piece)
            except Interrupted as error:
                if piece.done_bytes > before:
                    attempts.progressed()
                _wait(attempts, error, self._url, self._progress)

    def _fetch_rest(self, session: requests.Session, file: FileIO, piece: Piece) -> None:
        byte_range = (piece.position, piece.end - 1)
        with get(session, self._url, self._options, byte_range, self._remote.if_range) as body:
            if body.start != piece.position or not body.remote.is_ranged:
                raise _RemoteChanged
            if not body.remote.is_same(self._remote):
                raise _RemoteChanged
            while piece.missing_bytes and not self._stop.is_set():
                data = body.read(min(_READ_BYTES, piece.missing_bytes))
                if not data:
                    raise Interrupted("sends fewer bytes than it announces")
                if self._stop.is_set():
                    return
                self._part.write(file, piece, data)
                self._progress.advance(len(data))
