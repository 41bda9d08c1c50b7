"""A byte range as a file: equal to the bytes themselves, however it is read."""

import io

from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.archives.ranges import RangedFile

DATA = bytes(range(256)) * 4


class Reader:
    name = "a"
    size_bytes = len(DATA)

    def __init__(self):
        self.asked = []

    def read(self, offset_bytes, length_bytes):
        self.asked.append((offset_bytes, length_bytes))
        return DATA[offset_bytes : offset_bytes + length_bytes]


STEPS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 700)),
    st.tuples(st.just("seek"), st.integers(0, 1200), st.just(io.SEEK_SET)),
    st.tuples(st.just("seek"), st.integers(0, 300), st.just(io.SEEK_CUR)),
    st.tuples(st.just("seek"), st.integers(-300, 100), st.just(io.SEEK_END)),
    st.tuples(st.just("tell")),
)


@given(
    st.integers(0, 1024),
    st.integers(300, 1024),
    st.integers(1, 600),
    st.integers(0, 900),
    st.lists(STEPS, max_size=30),
)
def test_it_behaves_as_a_file_of_these_bytes(offset, size, block_bytes, max_block_bytes, steps):
    size = min(size, len(DATA) - offset)
    model = io.BytesIO(DATA[offset : offset + size])
    file = RangedFile(Reader(), offset, size, block_bytes, max_block_bytes)
    for method, *arguments in steps:
        assert getattr(file, method)(*arguments) == getattr(model, method)(*arguments)


def test_small_reads_share_a_block_and_seeking_reads_nothing():
    reader = Reader()
    file = RangedFile(reader, 100, 900, block_bytes=64)
    file.seek(500)
    file.seek(10)
    assert reader.asked == []
    assert b"".join(file.read(16) for _ in range(4)) == DATA[110:174]
    assert reader.asked == [(110, 64)]
    file.seek(20)
    assert file.read(30) == DATA[120:150]
    assert reader.asked == [(110, 64)], "looking back within the block is free"


def test_a_read_across_the_block_fetches_the_rest_only():
    reader = Reader()
    file = RangedFile(reader, 0, 1024, block_bytes=64)
    file.read(60)
    assert file.read(200) == DATA[60:260]
    assert reader.asked == [(0, 64), (64, 196)]


def test_nothing_beyond_the_range_is_asked_for():
    reader = Reader()
    file = RangedFile(reader, 100, 50, block_bytes=4096)
    assert file.read() == DATA[100:150]
    assert file.read(10) == file.read(None) == b""
    assert reader.asked == [(100, 50)]
    file.seek(1000)
    assert file.read(1) == b""


class Endless:
    """A terabyte of nothing, and how much of it was asked for at once."""

    name = "b"
    size_bytes = 1 << 40

    def __init__(self):
        self.asked = []

    def read(self, offset_bytes, length_bytes):
        self.asked.append(length_bytes)
        return bytes(length_bytes)


def read_headers(gaps, max_block_bytes):
    """What is asked for where these many bytes lie between headers."""
    reader = Endless()
    file = RangedFile(reader, 0, reader.size_bytes, max_block_bytes=max_block_bytes)
    for gap in gaps:
        file.read(512)
        file.seek(gap, io.SEEK_CUR)
    return reader.asked


GAPS = st.one_of(st.integers(0, 300_000), st.integers(0, 40 << 20))


def test_blocks_grow_while_members_are_small_and_are_small_again_behind_a_large_one():
    small, large = [100_000] * 400, [20_000_000] * 3
    first = read_headers([*small, *large, *small], 8 << 20)
    # 4 KiB, eightfold each time, then 8 MiB until all 40 MB are read.
    growth = [4096, 4096 * 8, 4096 * 64, 4096 * 512]
    assert first[:4] == growth
    assert first[4:9] == [8 << 20] * 5
    assert first[9:12] == [4096] * 3
    assert first[12:15] == growth[1:]


@given(st.lists(GAPS, max_size=60))
def test_blocks_stay_at_one_page_unless_they_may_grow(gaps):
    assert set(read_headers(gaps, 0)) <= {4096}


@given(st.lists(GAPS, max_size=60), st.integers(4096, 8 << 20))
def test_growing_blocks_cost_no_request_more_and_are_bounded(gaps, max_block_bytes):
    asked = read_headers(gaps, max_block_bytes)
    assert len(asked) <= len(read_headers(gaps, 0))
    assert max(asked, default=0) <= max_block_bytes


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=300))
def test_small_members_are_read_through(gaps):
    asked = read_headers(gaps, 8 << 20)
    total_bytes = sum(gaps) + 512 * len(gaps)
    assert len(asked) <= 5 + total_bytes / (8 << 20)


def test_a_buffered_reader_can_be_laid_on_top():
    file = io.BufferedReader(RangedFile(Reader(), 10, 300), buffer_size=32)
    assert file.read(100) == DATA[10:110]
    file.seek(-5, io.SEEK_END)
    assert file.read() == DATA[305:310]
    assert file.readable()
    assert file.seekable()
