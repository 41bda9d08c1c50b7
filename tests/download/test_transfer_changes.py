"""Files that are not what was announced, that change, and transfers that are cut off."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from transfers import DATA, OTHER, PROBE, Interrupting, Recorder, names_in

from imagenet_beam.pipeline.download.client import TransferOptions
from imagenet_beam.pipeline.download.sources import DownloadError
from imagenet_beam.pipeline.download.transfer import download_file
from imagenet_beam.pipeline.progress import Progress
from imagenet_beam.transforms.errors import InputError


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
from imagenet_beam.pipeline.download.sources import DownloadError
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
from imagenet_beam.runners.commands.download import add_download_parser, run_download
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

    class Second(Progress):
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

    class Watching(Progress):
        def advance(self, size_bytes):
            seen.append(os.path.exists(tmp_path / "f.tar"))

    download_file(source, tmp_path, options, Watching())
    assert seen
    assert not any(seen)
