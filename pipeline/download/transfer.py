"""One file from its mirrors to its place: in pieces, resumed, checked, published."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import FileIO
from math import inf
from pathlib import Path

import requests

from imagenet_beam.pipeline.download import client
from imagenet_beam.pipeline.download.client import TransferOptions
from imagenet_beam.pipeline.download.parts import PartFile, Piece, RemoteFile
from imagenet_beam.pipeline.download.sources import SOURCES, DownloadError, MirrorFailed, SourceFile
from imagenet_beam.pipeline.progress import Progress
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.retry import RetriesExhaustedError

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

    Returns:
        The path of the file, whose checksum is right.

    Raises:
        DownloadError: No mirror gave the file, or the disk did not take it.
    """
    options, progress = options or TransferOptions(), progress or Progress()
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


def download_dataset(
    dataset: str,
    directory: Path,
    sources: Mapping[str, tuple[SourceFile, ...]] = SOURCES,
    options: TransferOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Puts a data set of `sources` into a folder, or checks it there; gives paths by name.

    Raises:
        InputError: The data set is not known.
        DownloadError: A file could not be had.
    """
    if dataset not in sources:
        raise InputError(
            f"--dataset={dataset} cannot be downloaded; accepted are {', '.join(sorted(sources))}"
        )
    return {
        source.name: download_file(source, directory, options, progress)
        for source in sources[dataset]
    }


def _check(path: Path, target: Path, source: SourceFile, progress: Progress) -> str:
    """Says what is wrong with a file after setting it aside, or "" if it is right."""
    progress.start(f"checking {source.name}", path.stat().st_size)
    fault = source.find_fault(path, progress.advance)
    if not fault:
        return ""
    number = 1
    while (aside := target.with_name(f"{target.name}.wrong-{number}")).exists():
        number += 1
    os.replace(path, aside)
    return f"{source.name} {fault}, and is kept as {aside.name}"


@dataclass
class _Transfer:
    """One file from one address."""

    _source: SourceFile
    _url: str
    _part: PartFile
    _options: TransferOptions
    _progress: Progress

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._failures: list[BaseException] = []

    def run(self) -> None:
        """Fetches until everything is there."""
        changes = 0
        while True:
            try:
                return self._repeat(partial(self._pass, ask_ranges=changes < _MAX_CHANGES))
            except _RemoteChanged:
                changes += 1
                self._stop.clear()
                self._failures.clear()
                self._part.forget()
                self._progress.say(f"{client.redact(self._url)} has changed: starting over")

    def _repeat(self, request: Callable[[], None], piece: Piece | None = None) -> None:
        """Fetches until it succeeds; new bytes of the piece forget the failures before."""
        options = self._options
        waits = (options.backoff_seconds, options.max_backoff_seconds, options.attempts)
        retries = client.DownloadRetries(inf, *waits, stop=self._stop, say=self._progress.say)
        try:
            retries.run(request, lambda: piece.done_bytes if piece else 0)
        except RetriesExhaustedError as error:
            raise MirrorFailed(f"{error.last}, after several attempts") from error

    def _pass(self, ask_ranges: bool) -> None:
        first_byte = (0, 0) if ask_ranges else None
        with client.open_session(self._options) as session:
            with client.get(session, self._url, self._options, first_byte) as body:
                self._begin(body)
                if not body.remote.is_ranged:
                    (piece,) = self._part.missing() or [Piece(0, 0)]
                    with self._part.open_data() as file:
                        while data := body.read(_READ_BYTES):
                            self._part.write(file, piece, data)
                            self._progress.advance(len(data))
                    return
            self._fetch_pieces(body.remote)

    def _begin(self, body: client.Body) -> None:
        remote, wanted = body.remote, self._source.size_bytes
        if wanted and remote.size_bytes not in (None, wanted):
            page = ", an HTML page, perhaps of an error or a login" if body.is_page else ""
            raise MirrorFailed(
                f"{client.redact(self._url)} offers {remote.size_bytes:,} bytes{page}; "
                f"{self._source.name} has {wanted:,}"
            )
        self._part.begin(remote)
        self._progress.start(
            f"downloading {self._source.name}", remote.size_bytes, self._part.done_bytes
        )

    def _fetch_pieces(self, remote: RemoteFile) -> None:
        """Fetches the missing pieces in threads; what is there is noted whatever happens."""
        todo = deque(self._part.missing())
        # Daemons: after Ctrl-C a connection that hangs must not hold the process.
        threads = [
            threading.Thread(target=self._work, args=(remote, todo), daemon=True)
            for _ in range(min(self._options.connections, len(todo)))
        ]
        for thread in threads:
            thread.start()
        patience_seconds, next_save = _PATIENCE_SECONDS, time.monotonic() + _SAVE_SECONDS
        try:
            while not self._stop.is_set() and (alive := [t for t in threads if t.is_alive()]):
                alive[0].join(_TICK_SECONDS)
                self._progress.tick()
                if time.monotonic() >= next_save:
                    self._part.save()
                    next_save = time.monotonic() + _SAVE_SECONDS
            patience_seconds = inf
        finally:
            self._stop.set()
            deadline = time.monotonic() + patience_seconds
            for thread in threads:
                left = max(0.0, deadline - time.monotonic())
                thread.join(None if left == inf else left)
            self._part.save()
        if self._failures:
            raise self._failures[0]

    def _work(self, remote: RemoteFile, todo: deque[Piece]) -> None:
        try:
            with client.open_session(self._options) as session, self._part.open_data() as file:
                while not self._stop.is_set():
                    try:
                        piece = todo.popleft()
                    except IndexError:
                        return
                    fetch = partial(self._fetch_rest, session, remote, file, piece)
                    self._repeat(fetch, piece)
        except BaseException as error:
            # Whatever it is, the main thread raises it.
            self._failures.append(error)
            self._stop.set()

    def _fetch_rest(
        self, session: requests.Session, remote: RemoteFile, file: FileIO, piece: Piece
    ) -> None:
        if self._stop.is_set() or not piece.missing_bytes:
            return
        byte_range = (piece.position, piece.end - 1)
        with client.get(session, self._url, self._options, byte_range, remote.if_range) as body:
            is_part = body.remote.is_ranged and body.start == piece.position
            if not is_part or body.remote != remote:
                raise _RemoteChanged
            while piece.missing_bytes and not self._stop.is_set():
                data = body.read(min(_READ_BYTES, piece.missing_bytes))
                if not data:
                    shown = client.redact(self._url)
                    raise client.Interrupted(f"{shown} sends fewer bytes than it announces")
                if self._stop.is_set():
                    return
                self._part.write(file, piece, data)
                self._progress.advance(len(data))
