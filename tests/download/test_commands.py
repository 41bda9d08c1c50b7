"""The command, ImageNet's own rules, the cache, and the table of sources."""

import argparse
import io
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.pipeline.download.client import TransferOptions, redact
from imagenet_beam.pipeline.download.imagenet import credentials_from, download_urls, sources_of
from imagenet_beam.pipeline.download.parts import PartFile, RemoteFile
from imagenet_beam.pipeline.download.sources import IMAGENET_2012, SOURCES, cache_dir
from imagenet_beam.pipeline.download.transfer import download_dataset
from imagenet_beam.pipeline.progress import ShownProgress, in_units
from imagenet_beam.runners.commands.download import add_download_parser, run_download
from imagenet_beam.transforms.errors import InputError

VALIDATION = "ILSVRC2012_img_val.tar"


def run(*flags, sources=SOURCES, imagenet=IMAGENET_2012):
    parser = argparse.ArgumentParser()
    add_download_parser(parser.add_subparsers())
    return run_download(parser.parse_args(["download", *flags]), sources, imagenet)


@pytest.fixture
def known(site):
    return (site.put(VALIDATION, b"v" * 5000), site.put("ILSVRC2012_devkit_t12.tar.gz", b"d" * 9))


def test_a_data_set_goes_to_the_folder_and_its_paths_are_printed(site, tmp_path, capsys):
    sources = {"mnist": (site.put("a.gz", b"first"), site.put("b.gz", b"second"))}
    assert run("--dataset=mnist", f"--output_dir={tmp_path}/out", sources=sources) == 0
    assert (tmp_path / "out" / "a.gz").read_bytes() == b"first"
    out, log = capsys.readouterr()
    assert out == f"{tmp_path}/out/a.gz\n{tmp_path}/out/b.gz\n"
    assert "downloading a.gz: 0 bytes of 5 bytes (0 %)\nchecking a.gz" in log


def test_without_a_folder_it_goes_to_the_cache(site, tmp_path, capsys):
    sources = {"mnist": (site.put("a.gz", b"first"),)}
    assert run("--dataset=mnist", f"--download_dir={tmp_path}/c", sources=sources) == 0
    assert run("--dataset=mnist", sources=sources) == 0
    assert capsys.readouterr().out == f"{tmp_path}/c/mnist/a.gz\n{tmp_path}/cache/mnist/a.gz\n"


def test_what_the_cache_has_is_not_fetched_again(site, options, tmp_path):
    sources = {"mnist": (site.put("a.gz", b"first"),)}
    for _ in range(2):
        paths = download_dataset("mnist", tmp_path / "mnist", sources, options)
        assert paths == {"a.gz": tmp_path / "mnist" / "a.gz"}
    assert len(site.requests) == 2
    with pytest.raises(InputError, match="--dataset=imagenet2012 cannot be downloaded"):
        download_dataset("imagenet2012", tmp_path, sources, options)


def test_the_cache_folder_is_the_flag_s_or_the_environment_s_or_the_usual_one(tmp_path):
    environ = {"IMAGENET_BEAM_CACHE": "/env", "XDG_CACHE_HOME": "/xdg"}
    assert cache_dir("/flag", environ) == Path("/flag")
    assert cache_dir("", environ) == Path("/env")
    assert cache_dir("", {"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/imagenet-beam")
    assert cache_dir("", {}) == Path("~/.cache/imagenet-beam").expanduser()
    with pytest.raises(InputError, match=r"--download_dir=gs://b is not on this machine"):
        cache_dir("gs://b", {})
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"IMAGENET_BEAM_CACHE=.*/file is not a folder"):
        cache_dir("", {"IMAGENET_BEAM_CACHE": f"{tmp_path}/file"})


def test_a_download_that_fails_exits_with_1(site, tmp_path, capsys):
    sources = {"mnist": (replace(site.put("a.gz", b"first"), sha256="00"),)}
    assert run("--dataset=mnist", f"--output_dir={tmp_path}", sources=sources) == 1
    assert "imagenet-beam: a.gz could not be downloaded: a.gz has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=mnist", "--url=https://h/x"], "--url is for --dataset=imagenet2012"),
        (["--dataset=imagenet2012", "--from_dir=x", "--torrent_hint"], "exclude each other"),
        (["--dataset=mnist", "--connections=0"], "--connections=0 is out of range"),
        (["--dataset=mnist", "--output_dir=gs://b"], "--output_dir=gs://b is not on this machine"),
        (["--dataset=imagenet2012", "--url=ftp://h/x"], "--url=ftp://h/x is not an address"),
        (["--dataset=imagenet2012", "--url=https://h/"], "does not end in a file name"),
        (["--dataset=imagenet2012", "--url=https://h/a/.."], "does not end in a file name"),
        (["--dataset=imagenet2012", "--url=https://h/a/..%2Fx"], "does not end in a file name"),
        (["--dataset=imagenet2012", "--url=https://[h/x"], "--url is not an address"),
        (["--dataset=imagenet2012", "--from_dir=nowhere"], "holds none of the archives"),
    ],
)
def test_wrong_flags_exit_with_2(flags, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(*flags) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_password_on_the_command_line_is_refused_and_not_repeated(capsys, tmp_path):
    flags = ["--dataset=imagenet2012", f"--output_dir={tmp_path}"]
    assert run(*flags, "--url=https://me:hush@h/a/b/x.tar?k=hush") == 2
    message = capsys.readouterr().err
    assert "--url=https://h/…/x.tar holds a user name or password" in message
    assert "~/.netrc" in message
    assert "hush" not in message


def test_imagenet_without_anything_is_explained(capsys, tmp_path):
    assert run("--dataset=imagenet2012", f"--output_dir={tmp_path}") == 2
    message = capsys.readouterr().err
    assert "https://image-net.org/download.php" in message
    assert "non-commercial" in message
    assert run("--dataset=imagenet2012", "--torrent_hint") == 0
    assert "academictorrents.com" in capsys.readouterr().out


def test_imagenet_from_links(site, known, tmp_path, capsys):
    site.put("other.tar", b"o" * 10)
    urls = [f"--url={site.url}{name}?token=hidden" for name in (VALIDATION, "other.tar")]
    flags = ["--dataset=imagenet2012", f"--output_dir={tmp_path}"]
    assert run(*flags, *urls, imagenet=known) == 0
    out, log = capsys.readouterr()
    assert out == f"{tmp_path / VALIDATION}\n{tmp_path / 'other.tar'}\n"
    assert "no checksum is known for other.tar" in log
    assert "hidden" not in out + log


def test_several_links_of_one_archive_are_its_mirrors(known):
    (source,) = sources_of([f"https://a/{VALIDATION}", f"https://b/x/{VALIDATION}"], IMAGENET_2012)
    assert source.urls == (f"https://a/{VALIDATION}", f"https://b/x/{VALIDATION}")
    assert source.size_bytes == 6_744_924_160


def test_login_from_the_environment(site, known, options, tmp_path):
    site.login = "me:hush"
    environ = {"IMAGENET_BEAM_USER": "me", "IMAGENET_BEAM_PASSWORD": "hush"}
    options = replace(options, credentials=credentials_from(environ))
    assert "hush" not in repr(options)
    paths = download_urls([site.url + VALIDATION], tmp_path, options, known=known)
    assert paths[VALIDATION].read_bytes() == b"v" * 5000
    assert credentials_from({}) is None
    with pytest.raises(InputError, match="only one of the environment variables"):
        credentials_from({"IMAGENET_BEAM_USER": "me"})


def test_nothing_secret_is_logged(site, known, options, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    site.answer(status=503)
    site.answer(status=503)
    download_urls([f"{site.url}{VALIDATION}?token=hidden"], tmp_path, options, known=known)
    assert "hidden" not in caplog.text


@pytest.mark.parametrize("flag", ["--from_dir", "--output_dir"])
def test_archives_that_lie_there_are_checked_and_left_alone(known, tmp_path, capsys, flag):
    (tmp_path / VALIDATION).write_bytes(b"v" * 5000)
    flags = ["--dataset=imagenet2012", f"{flag}={tmp_path}"]
    assert run(*flags, imagenet=known) == 0
    out, log = capsys.readouterr()
    assert out == f"{tmp_path / VALIDATION}\n"
    assert f"{VALIDATION} is right\nILSVRC2012_devkit_t12.tar.gz is not there\n" in log
    (tmp_path / VALIDATION).write_bytes(b"w" * 5000)
    assert run(*flags, imagenet=known) == 2
    assert f"{tmp_path / VALIDATION} has the sha256" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [VALIDATION]


def test_the_dogs_are_not_taken_for_the_training_images(known, tmp_path, capsys):
    flags = ["--dataset=imagenet2012", f"--output_dir={tmp_path}"]
    assert run(*flags, "--url=https://h/ILSVRC2012_img_train_t3.tar") == 2
    assert "holds only the dogs of task 3" in capsys.readouterr().err
    (tmp_path / VALIDATION).write_bytes(b"v" * 5000)
    (tmp_path / "ILSVRC2012_img_train_t3.tar").write_bytes(b"dogs")
    assert run(*flags, imagenet=known) == 0
    assert "holds only the dogs of task 3" in capsys.readouterr().err


def test_the_table_is_well_formed():
    files = [file for files in SOURCES.values() for file in files]
    assert len(SOURCES["mnist"]) == 4
    for file in [*files, *IMAGENET_2012]:
        assert file.md5 or file.sha256
        assert re.fullmatch("([0-9a-f]{32})?", file.md5)
        assert re.fullmatch("([0-9a-f]{64})?", file.sha256)
    for file in files:
        assert len(file.urls) >= 2
        assert file.size_bytes
        assert all(url.endswith("/" + file.name) for url in file.urls)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/f.tar", "https://host/f.tar"),
        ("https://u:p@host:8080/a/f.tar?t=1#x", "https://host:8080/…/f.tar"),
        ("https://host/a/b%20c.tar", "https://host/…/b c.tar"),
    ],
)
def test_addresses_are_shown_without_what_may_be_secret(url, shown):
    assert redact(url) == shown


@given(st.integers(0, 10_000), st.integers(1, 3000))
def test_pieces_cover_the_file_once(tmp_path_factory, size, piece_bytes):
    target = tmp_path_factory.mktemp("parts") / "f"
    with PartFile(target, piece_bytes) as part:
        part.begin(RemoteFile(size, "tag", "", is_ranged=True))
        pieces = part.missing()
        assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
        assert sum(piece.missing_bytes for piece in pieces) == size
        assert all(0 < piece.missing_bytes <= max(piece_bytes, 10) for piece in pieces)
        assert len(pieces) <= 1024


@pytest.mark.parametrize(
    ("etag", "last_modified", "expected"),
    [
        ('"a"', "Mon", '"a"'),
        ('W/"a"', "Mon", "Mon"),
        ('W/"a"', "", ""),
        ("", "Mon", "Mon"),
    ],
)
def test_only_strong_validators_are_sent(etag, last_modified, expected):
    assert RemoteFile(1, etag, last_modified).if_range == expected


def test_a_line_every_30_seconds():
    now, file = [0.0], io.StringIO()
    progress = ShownProgress(file, clock=lambda: now[0])
    progress.start("downloading x", 1000)
    for _ in range(7):
        now[0] += 10
        progress.advance(100)
    assert file.getvalue().splitlines() == [
        "downloading x: 0 bytes of 1.0 kB (0 %)",
        "downloading x: 300 bytes of 1.0 kB (30 %), 10 bytes/s",
        "downloading x: 600 bytes of 1.0 kB (60 %), 10 bytes/s",
    ]


def test_a_bar_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    with ShownProgress(file) as progress:
        progress.start("downloading x", 2000)
        progress.advance(2000)
        progress.say("[a] sentence")
        progress.start("checking x", 2000, 1000)
    assert "downloading x" in file.getvalue()
    assert "[a] sentence" in file.getvalue()
    assert "checking x: 1.0 kB of 2.0 kB (50 %)" in file.getvalue()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (147_897_477_120, "147.9 GB"), (5e15, "5000.0 TB")],
)
def test_sizes_in_units(size, text):
    assert in_units(size) == text


def test_the_default_of_the_flag_is_that_of_the_function():
    parser = argparse.ArgumentParser()
    add_download_parser(parser.add_subparsers())
    args = parser.parse_args(["download", "--dataset=mnist"])
    assert args.connections == TransferOptions().connections
