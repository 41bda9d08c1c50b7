"""Threads, order, bounded memory: and no way to hang."""

import threading
import time
from concurrent.futures import CancelledError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagenet_beam.transforms.threads.ordered import CHUNK_VALUES, OrderedPool

READ_THREADS = pytest.mark.parametrize("read_threads", [0, 3])


@pytest.fixture(autouse=True)
def no_hang():
    """Fails, instead of waiting for ever, when threads are left behind."""
    before = threading.active_count()
    yield
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def within(seconds, function):
    """Runs a function that must come back."""
    outcome = []

    def run():
        try:
            outcome.append(("result", function()))
        except BaseException as error:
            outcome.append(("error", error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, "it hangs"
    kind, value = outcome[0]
    if kind == "error":
        raise value
    return value


def pool_of(load=lambda value: value, finish=lambda value, data: data, **options):
    options = {"size_of": lambda value: 1, "compute_threads": 3, "short_seconds": 0, **options}
    return OrderedPool(load, finish, **options)


def test_one_thread_is_the_callers_own():
    """Two would take turns at the interpreter's lock, at twice the price of a short step."""
    here = threading.get_ident()
    pool = pool_of(finish=lambda *_: threading.get_ident() == here, compute_threads=1)
    assert list(pool.map(range(3))) == [True, True, True]
    pool.close()


@pytest.mark.parametrize("short_seconds", [0, float("inf")])
def test_short_values_are_the_callers_own_once_that_is_known(short_seconds):
    here = threading.get_ident()
    pool = pool_of(
        finish=lambda *_: threading.get_ident() == here,
        compute_threads=2,
        short_seconds=short_seconds,
    )
    list(pool.map(range(CHUNK_VALUES)))
    assert list(pool.map(range(100))) == [bool(short_seconds)] * 100
    pool.close()


def test_values_that_have_become_long_go_to_threads_again():
    here, seconds = threading.get_ident(), [0.0]

    def finish(value, _):
        end = time.thread_time() + seconds[0]
        while time.thread_time() < end:
            pass
        return threading.get_ident() == here

    pool = pool_of(finish=finish, compute_threads=2, short_seconds=0.1)
    list(pool.map(range(CHUNK_VALUES)))
    assert pool.are_short
    assert list(pool.map(range(1))) == [True]
    seconds[0] = 0.11
    assert list(pool.map(range(1))) == [True]
    assert not pool.are_short
    assert list(pool.map(range(1))) == [False]
    pool.close()


@pytest.mark.parametrize(("waits", "are_short"), [(2, True), (9, False)])
def test_what_waits_a_little_is_short_and_what_waits_for_a_disk_is_not(waits, are_short):
    """For the interpreter's lock a value waits in any thread, and longer where there are more."""
    pool = pool_of(lambda _: time.sleep(waits * 0.2), compute_threads=2, short_seconds=0.2)
    list(pool.map(range(1)))
    assert pool.are_short == are_short
    pool.close()


@READ_THREADS
def test_results_come_in_the_order_of_the_values(read_threads):
    def load(value):
        time.sleep(0.002 * (value * 7 % 5))
        return value * 10

    def finish(value, loaded):
        time.sleep(0.002 * (value * 3 % 4))
        return value, loaded, threading.current_thread().name.split("_")[0]

    pool = pool_of(load, finish, read_threads=read_threads)
    results = within(30, lambda: list(pool.map(range(80))))
    pool.close()
    assert results == [(value, value * 10, "compute") for value in range(80)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=40),
    st.integers(0, 3),
    st.integers(1, 60),
    st.integers(1, 3),
    st.sampled_from([0, 20e-6, float("inf")]),
)
def test_any_sizes_come_through_in_order(
    sizes, read_threads, max_bytes, compute_threads, short_seconds
):
    pool = pool_of(
        size_of=lambda value: value[1],
        read_threads=read_threads,
        max_bytes=max_bytes,
        compute_threads=compute_threads,
        short_seconds=short_seconds,
    )
    values = list(enumerate(sizes))
    assert within(30, lambda: list(pool.map(values))) == values
    pool.close()


class Gauge:
    """What was loaded and not yet taken by the consumer, at most."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0

    def add(self, amount):
        with self.lock:
            self.now += amount
            self.most = max(self.most, self.now)


@READ_THREADS
@pytest.mark.parametrize(
    ("sizes", "most"), [([10] * 60, 100), ([30] * 40, 90), ([90, 20, 250, 10, 95] * 6, 250)]
)
def test_no_more_than_max_bytes_is_under_way(read_threads, sizes, most):
    gauge = Gauge()

    def load(size):
        gauge.add(size)
        time.sleep(0.001)
        return size

    def finish(size, loaded):
        gauge.add(-size)
        return size

    pool = pool_of(load, finish, size_of=int, read_threads=read_threads, max_bytes=100)
    submitted = Gauge()
    results = []
    for size in pool.map(tracked(sizes, submitted)):
        submitted.add(-size)
        results.append(size)
    pool.close()
    assert results == sizes
    assert gauge.most <= most
    # one value is looked at before there is room for it, one chunk is being handed out
    assert submitted.most <= max(most, 100) + max(sizes) * (CHUNK_VALUES + 1)


def tracked(sizes, gauge):
    for size in sizes:
        gauge.add(size)
        yield size


def test_a_value_larger_than_max_bytes_goes_alone():
    running, together = Gauge(), []

    def load(size):
        running.add(1)
        together.append((size, running.now))
        time.sleep(0.01)
        running.add(-1)
        return size

    pool = pool_of(load, size_of=int, max_bytes=100)
    sizes = [1, 1, 500, 1, 1]
    assert list(pool.map(sizes)) == sizes
    pool.close()
    assert (500, 1) in together


def test_without_reading_threads_few_values_are_taken_in_advance():
    taken = Gauge()
    pool = pool_of(compute_threads=2)
    results = pool.map(tracked([1] * 1000, taken))
    next(results)
    assert taken.now <= 4 * CHUNK_VALUES * 2 + CHUNK_VALUES + 1
    results.close()
    pool.close()


@READ_THREADS
@pytest.mark.parametrize("where", ["load", "finish"])
def test_the_first_exception_ends_the_iteration(read_threads, where):
    started = []

    def fail(value, step):
        if (value, step) == (20, where):
            raise KeyError("the twentieth")
        return value

    def load(value):
        started.append(value)
        time.sleep(0.001)
        return fail(value, "load")

    pool = pool_of(load, lambda value, _: fail(value, "finish"), read_threads=read_threads)
    results = []

    def consume():
        for result in pool.map(range(100_000)):
            results.append(result)

    with pytest.raises(KeyError, match="the twentieth"):
        within(30, consume)
    pool.close()
    begun = 20 if read_threads else 20 // CHUNK_VALUES * CHUNK_VALUES
    assert results == list(range(begun)), "what the failing task had done is dropped with it"
    assert len(started) < 10 * CHUNK_VALUES, "work that had not begun is dropped"


@READ_THREADS
def test_an_exception_of_the_input_is_passed_on(read_threads):
    def values():
        yield 1
        raise OSError("no more")

    pool = pool_of(read_threads=read_threads)
    with pytest.raises(OSError, match="no more"):
        within(10, lambda: list(pool.map(values())))
    assert within(10, lambda: list(pool.map([1, 2]))) == [1, 2], "the pool lives on"
    pool.close()


@READ_THREADS
def test_an_iteration_may_be_given_up(read_threads):
    loaded = []
    pool = pool_of(
        lambda value: loaded.append(value) or time.sleep(0.005), read_threads=read_threads
    )
    results = pool.map(range(1000))
    next(results)
    results.close()
    within(10, pool.close)
    assert len(loaded) < 10 * CHUNK_VALUES
    within(10, pool.close)


@READ_THREADS
def test_giving_up_drops_what_has_not_begun(read_threads):
    loaded = []
    pool = pool_of(
        lambda value: loaded.append(value) or time.sleep(0.01),
        compute_threads=1,
        read_threads=min(read_threads, 1),
    )
    results = pool.map(range(1000))
    next(results)
    results.close()
    time.sleep(0.3)
    assert len(loaded) <= 3 * CHUNK_VALUES
    pool.close()


@READ_THREADS
def test_room_that_results_leave_is_used_again(read_threads):
    together = threading.Barrier(2, timeout=5)
    pool = pool_of(
        lambda value: together.wait(),
        lambda value, _: value,
        compute_threads=2,
        read_threads=min(read_threads, 2),
        max_bytes=2 * CHUNK_VALUES,
    )
    values = range(10 * CHUNK_VALUES)
    assert within(30, lambda: list(pool.map(values))) == list(values)
    pool.close()


@pytest.mark.parametrize(("compute_threads", "read_threads"), [(3, 0), (3, 3), (1, 2)])
def test_the_next_iteration_begins_before_the_one_before_has_ended(compute_threads, read_threads):
    next_begun = threading.Event()

    def load(value):
        if value >= 100:
            next_begun.set()
        return value

    pool = pool_of(load, compute_threads=compute_threads, read_threads=read_threads)

    def first():
        for value in pool.map(range(100)):
            assert value < 99 or next_begun.wait(10)

    thread = threading.Thread(target=lambda: within(30, first))
    thread.start()
    assert within(30, lambda: list(pool.map(range(100, 200)))) == list(range(100, 200))
    thread.join(30)
    pool.close()


@READ_THREADS
def test_waiting_for_a_closed_pool_is_an_error_and_no_hang(read_threads):
    begin = threading.Event()
    pool = pool_of(lambda value: begin.wait(10), compute_threads=2, read_threads=read_threads)
    results = pool.map(range(1000))
    threading.Timer(0.05, begin.set).start()
    next(results)
    begin.clear()
    threading.Timer(0.05, begin.set).start()
    within(20, pool.close)
    with pytest.raises((CancelledError, RuntimeError)):
        within(10, lambda: list(results))


def test_a_computation_dropped_by_close_is_an_error_and_no_hang():
    begin = threading.Event()
    pool = pool_of(
        finish=lambda value, _: begin.wait(10) and value, compute_threads=1, read_threads=4
    )
    results = pool.map(range(1, 6))
    threading.Timer(0.2, begin.set).start()
    consumer = threading.Thread(target=pool.close)
    with pytest.raises((CancelledError, RuntimeError)):
        first = threading.Thread(target=consumer.start)
        threading.Timer(0.1, first.start).start()
        within(10, lambda: list(results))
    consumer.join(10)


def test_nothing_gives_nothing():
    pool = pool_of()
    assert list(pool.map([])) == []
    pool.close()
