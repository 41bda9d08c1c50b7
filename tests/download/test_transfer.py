"""One file from a server that behaves, and from servers that do not."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from imagenet_beam.pipeline.download.client import TransferOptions
from imagenet_beam.pipeline.download.errors import DownloadError
from imagenet_beam.pipeline.download.progress import SilentProgress
from imagenet_beam.pipeline.download.transfer import download_file
from imagenet_beam.transforms.core.errors import InputError

DATA = hashlib.shake_256(b"data").digest(3500)
OTHER = hashlib.shake_256(b"other").digest(3500)
PROBE = "bytes=0-0"


class Recorder(SilentProgress):
    """Keeps what was said, and the bytes that were counted since the last start."""

    def __init__(self):
        self.said = []
        self.done_bytes = {}

    def start(self, task, total_bytes, done_bytes=0):
        self.task = task
        self.done_bytes[task] = done_bytes

    def advance(self, size_bytes):
        self.done_bytes[self.task] += size_bytes

    def say(self, message):
        self.said.append(message)


class Interrupting(SilentProgress):
    """Presses Ctrl-C once the file has got so many bytes."""

    def __init__(self, after_bytes):
        self._left = after_bytes

    def tick(self):
        if self._left <= 0:
            raise KeyboardInterrupt

    def advance(self, size_bytes):
        self._left -= size_bytes


def names_in(folder):
    return sorted(path.name for path in folder.glob("f.tar*"))


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
    assert any("starting anew" in said for said in progress.said)


def test_200_to_every_range_but_the_first_ends_in_one_whole_request(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    for _ in range(3):
        site.answer()
        site.answer(ignore_range=True)
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.ranges == [PROBE, "bytes=0-999"] * 3 + [""]


@pytest.mark.parametrize("length_by", [700, -700])
@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_wrong_length_once(site, options, tmp_path, length_by, has_ranges):
    source = site.put("f.tar", DATA)
    site.has_ranges = has_ranges
    if has_ranges:
        site.answer()
        site.answer(length_by=length_by)
        assert download_file(source, tmp_path, options).read_bytes() == DATA
    else:
        site.answer(length_by=length_by)
        with pytest.raises(DownloadError, match=rf"offers {3500 + length_by:,} bytes; f.tar has 3"):
            download_file(source, tmp_path, options)


def test_a_wrong_length_always(site, options, tmp_path):
    source = replace(site.put("f.tar", DATA), size_bytes=0)
    site.has_ranges = False
    for _ in range(3):
        site.answer(length_by=700)
    with pytest.raises(DownloadError, match=r"broke off .*, after several attempts"):
        download_file(source, tmp_path, options)


@pytest.mark.parametrize("has_validators", [True, False])
def test_an_interrupted_run_is_continued(site, options, tmp_path, has_validators):
    source = site.put("f.tar", DATA)
    site.has_validators = has_validators
    site.answer()
    site.answer()
    site.answer(hang_after=300)
    with pytest.raises(KeyboardInterrupt):
        download_file(source, tmp_path, options, Interrupting(1000))
    assert names_in(tmp_path) == ["f.tar.part", "f.tar.part.json"]
    site.requests.clear()
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.ranges[0] == PROBE
    assert site.ranges[1] in ("bytes=1000-1999", "bytes=1300-1999")
    assert site.ranges[2:] == ["bytes=2000-2999", "bytes=3000-3499"]
    assert names_in(tmp_path) == ["f.tar"]


def test_notes_without_their_bytes_are_not_believed(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer()
    site.answer()
    site.answer(hang_after=0)
    with pytest.raises(KeyboardInterrupt):
        download_file(source, tmp_path, options, Interrupting(1000))
    (tmp_path / "f.tar.part").unlink()
    assert download_file(source, tmp_path, options).read_bytes() == DATA


def test_a_file_that_changed_between_two_runs_starts_anew(site, options, tmp_path):
    source = site.put("f.tar", OTHER)
    site.answer()
    site.answer()
    site.answer(hang_after=0)
    with pytest.raises(KeyboardInterrupt):
        download_file(source, tmp_path, options, Interrupting(1000))
    source = site.put("f.tar", DATA)
    site.requests.clear()
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.ranges[1] == "bytes=0-999"


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_that_changes_within_a_run_starts_anew(site, options, tmp_path, knows_if_range):
    site.knows_if_range = knows_if_range
    site.put("f.tar", OTHER)
    site.answer()
    site.answer()
    site.answer(before=lambda site: site.put("f.tar", DATA))
    source = replace(site.put("f.tar", OTHER), md5="", sha256="")
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.requests[2].if_range == f'"{hashlib.sha256(OTHER).hexdigest()[:12]}"'
    assert site.ranges[3:5] == [PROBE, "bytes=0-999"]


def test_a_file_that_became_shorter(site, options, tmp_path):
    site.answer()
    site.answer()
    site.answer(before=lambda site: site.put("f.tar", DATA[:500]))
    source = replace(site.put("f.tar", OTHER), md5="", sha256="", size_bytes=0)
    site.has_validators = False
    assert download_file(source, tmp_path, options).read_bytes() == DATA[:500]


@pytest.mark.parametrize("notes", ["", "{}", "[]", '{"size_bytes": 3500}', "null"])
def test_notes_that_are_damaged_are_not_believed(site, options, tmp_path, notes):
    source = site.put("f.tar", DATA)
    (tmp_path / "f.tar.part").write_bytes(OTHER)
    (tmp_path / "f.tar.part.json").write_text(notes)
    assert download_file(source, tmp_path, options).read_bytes() == DATA


def test_a_wrong_checksum_keeps_the_file_aside_and_tries_the_mirror(site, options, tmp_path):
    right = site.put("mirror/f.tar", DATA)
    site.put("f.tar", OTHER)
    source = replace(right, urls=(site.url + "f.tar", *right.urls))
    progress = Recorder()
    assert download_file(source, tmp_path, options, progress).read_bytes() == DATA
    assert (tmp_path / "f.tar.wrong-1").read_bytes() == OTHER
    assert any("has the sha256" in said and "f.tar.wrong-1" in said for said in progress.said)
    source = replace(source, urls=source.urls[:1], name="f.tar.again")
    with pytest.raises(DownloadError, match=r"has the sha256 .* is kept as f.tar.again.wrong-1"):
        download_file(source, tmp_path, options)
    assert not (tmp_path / "f.tar.again").exists()
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_each_checksum_counts(site, options, tmp_path, kind):
    source = replace(site.put("f.tar", DATA), **{kind: "00"})
    with pytest.raises(DownloadError, match=f"has the {kind} .* instead of 00"):
        download_file(source, tmp_path, options)


def test_a_web_page_instead_of_the_file(site, options, tmp_path):
    known = site.put("f.tar", DATA)
    site.files["/f.tar"] = page = b"<!DOCTYPE html><title>Please log in</title>"
    site.answer(ignore_range=True, headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(DownloadError, match=r"offers 43 bytes, an HTML page, .* f.tar has 3,500"):
        download_file(known, tmp_path, options)
    unknown = replace(known, size_bytes=0, md5="", sha256="")
    with pytest.raises(DownloadError, match=r"f\.tar is an HTML .* login page .*wrong-1"):
        download_file(unknown, tmp_path, options)
    assert (tmp_path / "f.tar.wrong-1").read_bytes() == page


def test_redirects_are_followed(site, options, tmp_path):
    site.put("elsewhere/f.tar", DATA)
    source = replace(site.put("f.tar", DATA), urls=(site.url + "go",))
    for _ in range(5):
        site.answer(status=302, headers={"Location": "/elsewhere/f.tar"})
        site.answer()
    assert download_file(source, tmp_path, options).read_bytes() == DATA


def test_endless_redirects_end(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    for _ in range(40):
        site.answer(status=302, headers={"Location": "/f.tar"})
    with pytest.raises(DownloadError, match="cannot be reached"):
        download_file(source, tmp_path, options)


def test_files_stay_packed_although_the_server_calls_gzip_an_encoding(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    for _ in range(5):
        site.answer(headers={"Content-Encoding": "x-gzip"})
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert {request.accept_encoding for request in site.requests} == {"identity"}


def test_login_from_netrc_and_nothing_of_it_in_messages(site, options, tmp_path):
    source = site.put("secret-folder/f.tar", DATA)
    source = replace(source, urls=(source.urls[0] + "?token=hidden",))
    site.login = "me:hush"
    with pytest.raises(DownloadError, match=r"\d/…/f.tar answers 401 .*~/.netrc") as caught:
        download_file(source, tmp_path, options)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hush\n")
    (tmp_path / "netrc").chmod(0o600)
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert all(secret not in str(caught.value) for secret in ("hush", "hidden", "secret-folder"))


def test_the_host_is_named_when_it_cannot_be_reached_and_the_token_is_not(options, tmp_path, site):
    source = replace(site.put("f.tar", DATA), urls=("http://127.0.0.1:9/hidden/f.tar?t=hidden",))
    with pytest.raises(DownloadError, match=r"127.0.0.1:9/…/f.tar .*refused") as caught:
        download_file(source, tmp_path, options)
    assert "hidden" not in str(caught.value)


def test_the_proxy_of_the_environment_is_used(site, options, tmp_path, monkeypatch):
    source = site.put("f.tar", DATA)
    site.files["http://data.invalid/f.tar"] = DATA
    monkeypatch.setenv("http_proxy", site.url)
    source = replace(source, urls=("http://data.invalid/f.tar",))
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert site.requests[0].path == "http://data.invalid/f.tar"


def test_a_server_that_sends_nothing_is_left(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    site.answer()
    site.answer(hang_after=10)
    options = replace(options, read_timeout_seconds=0.3)
    began = time.monotonic()
    assert download_file(source, tmp_path, options).read_bytes() == DATA
    assert time.monotonic() - began < 20  # the server would hang for 30 seconds
    assert site.ranges[2] in ("bytes=0-999", "bytes=10-999")


def test_too_little_room_is_said_before_anything_is_fetched(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    options = replace(options, free_bytes=lambda folder: 3499)
    with pytest.raises(DownloadError, match=r"3.5 kB free, but f.tar needs 3.5 kB more"):
        download_file(source, tmp_path, options)
    assert site.ranges == [PROBE]
    assert names_in(tmp_path) == []


FULL_DISK = """
import json, resource, sys
from pathlib import Path
from imagenet_beam.pipeline.download.client import TransferOptions
from imagenet_beam.pipeline.download.errors import DownloadError
from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.pipeline.download.transfer import download_file
resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
try:
    download_file(SourceFile("f.tar", (sys.argv[1],)), Path(sys.argv[2]), TransferOptions())
except DownloadError as error:
    print(error)
"""


@pytest.mark.parametrize("has_length", [True, False])
def test_a_disk_that_fills_up_on_the_way(site, tmp_path, has_length):
    source = site.put("f.tar", DATA)
    site.has_length = site.has_ranges = has_length
    command = [sys.executable, "-c", FULL_DISK, source.urls[0], str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"the disk of {tmp_path} is full; make room" in done.stdout
    assert not (tmp_path / "f.tar").exists()


def test_a_folder_that_cannot_be_written(site, options, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot be written: "):
        download_file(site.put("f.tar", DATA), tmp_path / "file" / "sub", options)


CLI = """
import argparse, signal, sys
from imagenet_beam.pipeline.download.sources import SourceFile
from imagenet_beam.runners.download_command import add_download_parser, run_download
signal.signal(signal.SIGINT, signal.default_int_handler)
parser = argparse.ArgumentParser()
add_download_parser(parser.add_subparsers())
source = SourceFile("f.tar", (sys.argv[1],), 20_000_000)
args = ["download", "--dataset=mnist", "--output_dir", sys.argv[2], "--connections=1"]
sys.exit(run_download(parser.parse_args(args), {"mnist": (source,)}))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_ended_leaves_what_the_next_one_continues(site, tmp_path, number):
    data = DATA[:1000] * 20_000
    source = site.put("f.tar", data)
    site.answer()
    site.answer()
    site.answer(hang_after=1_000_000)
    command = [sys.executable, "-c", CLI, source.urls[0], str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    notes = tmp_path / "f.tar.part.json"
    deadline = time.monotonic() + 60
    while number == signal.SIGKILL and not notes.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while len(site.requests) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert ("the same command continues" in said) == (number == signal.SIGINT)
    assert sum(json.loads(notes.read_text())["done_bytes"]) >= 16 << 20
    site.requests.clear()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{tmp_path / 'f.tar'}\n"
    assert (tmp_path / "f.tar").read_bytes() == data
    assert int(site.ranges[1].removeprefix("bytes=").partition("-")[0]) >= 16 << 20


def test_two_downloads_of_one_file_do_not_mix(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    caught = []

    class Second(SilentProgress):
        def start(self, task, total_bytes, done_bytes=0):
            if task.startswith("downloading"):
                with pytest.raises(DownloadError, match="another process is downloading") as error:
                    download_file(source, tmp_path, options)
                caught.append(error)

    assert download_file(source, tmp_path, options, Second()).read_bytes() == DATA
    assert len(caught) == 1


@pytest.mark.parametrize("connections", [0, 33])
def test_the_number_of_connections_is_bounded(connections):
    with pytest.raises(InputError, match=f"--connections={connections} is out of range"):
        TransferOptions(connections=connections)


def test_a_reader_of_the_folder_never_sees_half_a_file(site, options, tmp_path):
    source = site.put("f.tar", DATA)
    seen = []

    class Watching(SilentProgress):
        def advance(self, size_bytes):
            seen.append(os.path.exists(tmp_path / "f.tar"))

    download_file(source, tmp_path, options, Watching())
    assert seen
    assert not any(seen)
