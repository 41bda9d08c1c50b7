"""Work in threads, results in order, memory bounded.

Pillow gives up the interpreter's lock while it decodes, resizes and encodes, so
threads use all cores of one machine without a copy of Python and Beam in each.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Loaded = TypeVar("Loaded")
Result = TypeVar("Result")

CHUNK_VALUES = 16
"""Values a task handles at most: tasks then cost little."""

CHUNK_BYTES = 256 << 10
"""Bytes a task handles, about: photographs, which take milliseconds, go a few at a time."""


SHORT_SECONDS = 300e-6
"""A value that takes less of the processor is Python's work for the most part, and Python works in
one thread at a time: handing it to another one costs more than both can gain."""

_MAX_WAITS = 8
"""How many times as long a short value may take by the clock: longer than the other threads hold
the interpreter's lock meanwhile, less than a disk seeks."""


class OrderedPool(Generic[Value, Loaded, Result]):
    """Applies `finish(value, load(value))` in threads and yields results in order.

    `load` waits (for a disk or a network), `finish` computes. With
    `read_threads` they run in pools of their own, so that many reads can be
    under way while as many threads compute as there are cores; without, one
    thread does both for a value.

    Args:
        load: Fetches what a value needs.
        finish: Makes the result.
        size_of: Bytes that a value holds while it is under way.
        compute_threads: How many values are computed at once; 1, without
            `read_threads`, computes in the caller's thread: handing over would cost
            more than a short `finish`.
        read_threads: How many values are fetched at once; 0 fetches in the
            computing threads, which is right for local disks.
        max_bytes: How many bytes, by `size_of`, may be under way; one value
            larger than that goes alone.
        short_seconds: Without `read_threads`: while the values of a task take less processor
            time each, and are not waited for long, the next ones are computed in the caller's
            thread.

    Attributes:
        are_short: Whether those of the last task did.
    """

    def __init__(
        self,
        load: Callable[[Value], Loaded],
        finish: Callable[[Value, Loaded], Result],
        size_of: Callable[[Value], int],
        compute_threads: int,
        read_threads: int = 0,
        max_bytes: int = 64 << 20,
        short_seconds: float = SHORT_SECONDS,
    ) -> None:
        self._load = load
        self._finish = finish
        self._size_of = size_of
        self._max_bytes = max_bytes
        self._short_seconds = short_seconds
        self.are_short = False
        self._chunk_bytes = min(CHUNK_BYTES, max_bytes)
        self._is_inline = compute_threads == 1 and not read_threads
        self._turn = Lock()
        self._compute = ThreadPoolExecutor(compute_threads, thread_name_prefix="compute")
        self._read = ThreadPoolExecutor(read_threads, "read") if read_threads else None
        self._max_values = 4 * CHUNK_VALUES * compute_threads + 2 * read_threads

    def map(self, values: Iterable[Value]) -> Iterator[Result]:
        """Yields one result for each value, in the order of the values.

        Several threads may do this at once. Values of the next iteration are begun when all
        those of the one before have been: so that no thread is idle in between.

        The first exception ends the iteration; work not yet begun and results of the
        same task are dropped.
        """
        return self._in_this_thread(values) if self._is_inline else self._in_threads(values)

    def _in_this_thread(self, values: Iterable[Value]) -> Iterator[Result]:
        with self._turn:
            for value in values:
                yield self._finish(value, self._load(value))

    def _in_threads(self, values: Iterable[Value]) -> Iterator[Result]:
        submit = self._submit_read if self._read else self._submit_chunk
        chunk_values = 1 if self._read else CHUNK_VALUES
        pending: collections.deque[tuple[Future[list[Result]], int, int]] = collections.deque()
        under_way_bytes = under_way_values = 0
        try:
            with self._turn:
                for chunk, size_bytes in self._chunks(values, chunk_values):
                    while pending and (
                        self.are_short
                        or under_way_bytes + size_bytes > self._max_bytes
                        or under_way_values + len(chunk) > self._max_values
                    ):
                        future, done_bytes, done_values = pending.popleft()
                        under_way_bytes -= done_bytes
                        under_way_values -= done_values
                        yield from future.result()
                    if self.are_short:
                        yield from self._load_and_finish(chunk)
                        continue
                    pending.append((submit(chunk), size_bytes, len(chunk)))
                    under_way_bytes += size_bytes
                    under_way_values += len(chunk)
            while pending:
                yield from pending.popleft()[0].result()
        finally:
            for future, _, _ in pending:
                future.cancel()

    def close(self) -> None:
        """Waits for the threads to end; values not yet begun are dropped."""
        for pool in filter(None, (self._read, self._compute)):
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit_chunk(self, chunk: list[Value]) -> Future[list[Result]]:
        return self._compute.submit(self._load_and_finish, chunk)

    def _load_and_finish(self, chunk: list[Value]) -> list[Result]:
        began, began_here = time.perf_counter(), time.thread_time()
        results = [self._finish(value, self._load(value)) for value in chunk]
        passed_s, computed_s = time.perf_counter() - began, time.thread_time() - began_here
        short_seconds = self._short_seconds * len(chunk)
        self.are_short = computed_s < short_seconds and passed_s < _MAX_WAITS * short_seconds
        return results

    def _submit_read(self, chunk: list[Value]) -> Future[list[Result]]:
        assert self._read is not None  # noqa: S101 - chosen in map()
        result: Future[list[Result]] = Future()
        task = self._read.submit(self._load_then_finish, chunk[0], result)
        task.add_done_callback(lambda task: _pass_on_cancel(task, result))
        return result

    def _load_then_finish(self, value: Value, result: Future[list[Result]]) -> None:
        """Runs in a reading thread, and passes on to a computing one."""
        if not result.set_running_or_notify_cancel():
            return
        try:
            loaded = self._load(value)
            task = self._compute.submit(self._finish_into, value, loaded, result)
            task.add_done_callback(lambda task: _pass_on_cancel(task, result))
        except BaseException as error:
            result.set_exception(error)

    def _finish_into(self, value: Value, loaded: Loaded, result: Future[list[Result]]) -> None:
        try:
            result.set_result([self._finish(value, loaded)])
        except BaseException as error:
            result.set_exception(error)

    def _chunks(
        self, values: Iterable[Value], max_values: int
    ) -> Iterator[tuple[list[Value], int]]:
        """Values that one task handles, and their bytes: large ones go alone."""
        chunk: list[Value] = []
        chunk_bytes = 0
        for value in values:
            size_bytes = self._size_of(value)
            full = len(chunk) == max_values or chunk_bytes + size_bytes > self._chunk_bytes
            if chunk and full:
                yield chunk, chunk_bytes
                chunk, chunk_bytes = [], 0
            chunk.append(value)
            chunk_bytes += size_bytes
        if chunk:
            yield chunk, chunk_bytes


def _pass_on_cancel(task: Future[None], result: Future[Any]) -> None:
    """Nobody may wait for ever for what a closed pool has dropped."""
    if task.cancelled() and not result.cancel():
        result.set_exception(CancelledError())
