"""Readers that are open in a process: one for each path, and nobody waits for another path."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage import files
from imagenet_beam.transforms.storage.files import Storage

SLOW, QUICK = "gs://bucket/slow.tar", "gs://bucket/quick.tar"
DEADLINE_SECONDS = 10


class Network:
    """A backend whose first opening of the slow path waits."""

    def __init__(self):
        self.opened = []
        self.begun = threading.Event()
        self.answer = threading.Event()
        self.error = None

    def open_ranges(self, path):
        self.opened.append(path)
        if path == SLOW:
            self.begun.set()
            assert self.answer.wait(DEADLINE_SECONDS)
        if self.error:
            raise self.error
        return object()


@pytest.fixture
def network(monkeypatch):
    network = Network()
    monkeypatch.setattr(files, "_open_readers", files._OpenReaders())
    monkeypatch.setattr(files, "_backend_for", lambda scheme, storage: network)
    yield network
    network.answer.set()


@pytest.fixture
def pool(network):
    pool = ThreadPoolExecutor(8)
    yield pool
    network.answer.set()
    pool.shutdown()


def test_one_slow_opening_keeps_nobody_from_another_path(network, pool):
    slow = pool.submit(Storage().open_ranges, SLOW)
    assert network.begun.wait(DEADLINE_SECONDS)
    assert pool.submit(Storage().open_ranges, QUICK).result(DEADLINE_SECONDS)
    assert not slow.done()


def test_threads_that_ask_for_the_same_path_share_one_opening(network, pool):
    readers = [pool.submit(Storage().open_ranges, SLOW) for _ in range(8)]
    assert network.begun.wait(DEADLINE_SECONDS)
    network.answer.set()
    assert len({reader.result(DEADLINE_SECONDS) for reader in readers}) == 1
    assert network.opened == [SLOW]


def test_a_failure_is_told_to_all_who_wait_and_tried_again_by_the_next(network, pool):
    network.error = InputError("slow.tar may not be accessed")
    readers = [pool.submit(Storage().open_ranges, SLOW) for _ in range(2)]
    network.answer.set()
    for reader in readers:
        with pytest.raises(InputError, match="may not be accessed"):
            reader.result(DEADLINE_SECONDS)
    network.error = None
    assert Storage().open_ranges(SLOW) is Storage().open_ranges(SLOW)


def test_a_path_that_was_looked_up_anew_is_opened_anew(network):
    first = Storage().open_ranges(QUICK)
    files._open_readers.forget(Storage(), QUICK)
    assert Storage().open_ranges(QUICK) is not first
    assert network.opened == [QUICK] * 2


def test_no_more_are_kept_than_the_limit(network, monkeypatch):
    monkeypatch.setattr(files, "_MAX_OPEN_FILES", 2)
    for path in ("gs://b/0", "gs://b/1", "gs://b/0", "gs://b/2", "gs://b/0", "gs://b/1"):
        Storage().open_ranges(path)
    assert network.opened == ["gs://b/0", "gs://b/1", "gs://b/2", "gs://b/1"]
