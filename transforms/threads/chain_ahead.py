"""A chain of iterables, of which the next ones are read ahead in threads."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

CHUNK_VALUES = 4096
"""Values taken at once: more than any class of ImageNet has, so that most iterables are done
with, and have given up what they hold, before their turn comes."""


@dataclass(frozen=True)
class _Begun(Generic[Key, Value]):
    """One iterable, and the chunk of it that is being taken."""

    key: Key
    values: Iterator[Value]
    chunk: Future[list[Value]]


class ChainAhead(Generic[Key, Value]):
    """Yields the values of iterables in the order in which these were added.

    While the first ones are used, a chunk of each of the next is taken in a thread:
    for iterables that mostly wait. Two chunks of the first one and one chunk of each
    of twice as many others as there are threads are in memory at most.

    Args:
        threads: How many iterables are read at once.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
        self._begun: collections.deque[_Begun[Key, Value]] = collections.deque()

    def add(self, key: Key, values: Iterator[Value]) -> Iterator[tuple[Key, list[Value]]]:
        """Begins an iterable; yields chunks of earlier ones when enough have been begun."""
        self._begun.append(_Begun(key, values, self._take(values)))
        while len(self._begun) > 2 * self._threads:
            yield from self._finish_first()

    def drain(self) -> Iterator[tuple[Key, list[Value]]]:
        """Yields all that is left."""
        while self._begun:
            yield from self._finish_first()

    def drop(self) -> None:
        """Forgets what was begun."""
        while self._begun:
            self._begun.popleft().chunk.cancel()

    def close(self) -> None:
        """Waits for the threads to end; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, values: Iterator[Value]) -> Future[list[Value]]:
        return self._pool.submit(lambda: list(itertools.islice(values, CHUNK_VALUES)))

    def _finish_first(self) -> Iterator[tuple[Key, list[Value]]]:
        first = self._begun.popleft()
        taken = first.chunk.result()
        while len(taken) == CHUNK_VALUES:
            chunk = self._take(first.values)
            yield first.key, taken
            taken = chunk.result()
        yield first.key, taken
