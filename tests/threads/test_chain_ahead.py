"""The order of a chain, while its links are forged in threads."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.threads import chain_ahead
from imagenet_beam.transforms.threads.chain_ahead import ChainAhead


@pytest.fixture
def make():
    made = []

    def make(threads):
        made.append(ChainAhead(threads))
        return made[-1]

    yield make
    for chain in made:
        chain.close()


def chained(chain, iterables):
    for key, values in enumerate(iterables):
        for found, chunk in chain.add(key, values):
            yield from ((found, value) for value in chunk)
    for found, chunk in chain.drain():
        yield from ((found, value) for value in chunk)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 3))
def test_it_yields_what_a_chain_does(lengths, threads):
    chain = ChainAhead(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_ahead, "CHUNK_VALUES", 3)
        found = list(chained(chain, (iter(range(length)) for length in lengths)))
    chain.close()
    assert found == [(key, i) for key, length in enumerate(lengths) for i in range(length)]


def test_as_many_are_read_at_once_as_there_are_threads(make):
    together = threading.Barrier(4)

    def wait_for_the_others():
        together.wait(10)
        yield 1

    found = list(chained(make(4), (wait_for_the_others() for _ in range(8))))
    assert found == [(key, 1) for key in range(8)]


def test_no_more_is_begun_than_may_be_held(make, monkeypatch):
    monkeypatch.setattr(chain_ahead, "CHUNK_VALUES", 5)
    begun = []

    def lazily(key):
        begun.append(key)
        yield from range(1_000)

    chain = make(2)
    first = next(chained(chain, map(lazily, range(100))))
    time.sleep(0.05)
    assert first == (0, 0)
    assert len(begun) <= 2 * 2 + 1


def test_an_error_comes_in_its_turn_and_the_chain_can_be_used_again(make):
    def fails():
        yield 1
        raise KeyError("damaged")

    chain = make(2)
    values = chained(chain, [iter([1, 2]), fails(), iter([3])])
    assert [next(values), next(values)] == [(0, 1), (0, 2)]
    with pytest.raises(KeyError, match="damaged"):
        list(values)
    chain.drop()
    assert list(chained(chain, [iter([4])])) == [(0, 4)]
