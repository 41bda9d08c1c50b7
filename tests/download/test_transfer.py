"""One file from a server that behaves, and from servers that do not."""

import time
from dataclasses import replace

import pytest
from transfers import DATA, OTHER, PROBE, Recorder, names_in

from imagenet_beam.pipeline.download.sources import DownloadError
from imagenet_beam.pipeline.download.transfer import download_file


@pytest.mark.parametrize("connections", [1, 4])
def test_a_file_comes_in_pieces_and_is_published(site, options, tmp_path, connections):
    source = site.put("f.tar", DATA)
    progress = Recorder()
    options = replace(options, connections=connections)
    path = download_file(source, tmp_path / "new", options, progress)
    assert path == tmp_path / "new" / "f.tar"
    assert path.read_bytes() == DATA
    assert sorted(site.ranges) == [
        PROBE, "bytes=0-999", "bytes=1000-1999", "bytes=2000-2999", "bytes=3000-3499",
    ]  # fmt: skip
    assert names_in(tmp_path / "new") == ["f.tar"]
    assert progress.done_bytes == {"downloading f.tar": 3500, "checking f.tar": 3500}


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is_kept_aside(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    (tmp_path / "f.tar").write_bytes(DATA)
    download_file(source, tmp_path, options)
    assert site.requests == []
    (tmp_path / "f.tar").write_bytes(OTHER)
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert (tmp_path / "f.tar.wrong-1").read_bytes() == OTHER


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001])
def test_sizes_around_a_piece(site, options, tmp_path, size):
    source = site.put("f.tar", DATA[:size])
    if size == 0:
        with pytest.raises(DownloadError, match=r"f\.tar is an empty file"):
            download_file(source, tmp_path, options)
    else:
        assert download_file(source, tmp_path, options).read_bytes() == DATA[:size]


def test_a_dropped_connection_continues_where_it_broke(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer()
    # More failures than attempts: each that brought bytes starts the count anew.
    for _ in range(5):
        site.answer(drop_after=100)
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.ranges[1:8] == [
        "bytes=0-999", "bytes=100-999", "bytes=200-999", "bytes=300-999", "bytes=400-999",
        "bytes=500-999", "bytes=1000-1999",
    ]  # fmt: skip


def test_503_and_then_fine(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer(status=503, headers={"Retry-After": "0"})
    site.answer(status=429)
    site.answer()
    site.answer(status=502)
    assert download_file(source, tmp_path, options).read_bytes() == DATA


def test_a_server_that_stays_down_is_given_up(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    for _ in range(3):
        site.answer(status=503)
    with pytest.raises(DownloadError, match=r"f\.tar answers 503 .*, after several attempts"):
        download_file(source, tmp_path, options)
    assert len(site.requests) == 3
    assert names_in(tmp_path) == []


def test_retry_after_is_obeyed_up_to_the_longest_wait(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer(status=503, headers={"Retry-After": "3600"})
    began = time.monotonic()
    download_file(source, tmp_path, replace(options, max_backoff_seconds=0.3))
    assert 0.3 <= time.monotonic() - began < 30


def test_a_server_that_denies_every_range_is_asked_once_for_the_whole(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer(status=416)
    site.answer(status=416)
    with pytest.raises(DownloadError, match="answers 416"):
        download_file(source, tmp_path, options)
    site.answer(status=416)
    assert download_file(source, tmp_path, options).read_bytes() == DATA


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_answer_that_will_not_change_is_not_asked_for_again(site, options, tmp_path, status):
    source = site.put("f.tar", DATA)
    site.answer(status=status)
    with pytest.raises(DownloadError, match=f"answers {status}"):
        download_file(source, tmp_path, options)
    assert len(site.requests) == 1


def test_a_server_without_ranges_is_read_once(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.has_ranges = False
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.ranges == [PROBE]


def test_a_server_without_ranges_starts_anew_when_it_breaks(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.has_ranges = False
    site.answer(drop_after=2000)
    progress = Recorder()
    assert download_file(source, tmp_path, options, progress).read_bytes() == DATA
    assert progress.done_bytes["downloading f.tar"] == 3500


def test_a_server_that_tells_no_length(site, options, tmp_path):
    source = replace(site.put("f.tar", DATA), size_bytes=0)
    site.has_ranges = site.has_length = False
    assert download_file(source, tmp_path, options).read_bytes() == DATA


def test_200_to_a_range_in_the_midst_is_not_written_there(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer()
    site.answer()
    site.answer(ignore_range=True)
    progress = Recorder()
    assert download_file(source, tmp_path, options, progress).read_bytes() == DATA
    assert any("starting over" in said for said in progress.said)


def test_200_to_every_range_but_the_first_ends_in_one_whole_request(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    for _ in range(3):
        site.answer()
        site.answer(ignore_range=True)
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.ranges == [PROBE, "bytes=0-999"] * 3 + [""]
