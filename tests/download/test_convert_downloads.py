"""`convert` and `download` of the command line, against a server on this machine."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from imagenet_beam.pipeline.datasets import registry
from imagenet_beam.pipeline.synthetic.small_sets import write_mnist
from imagenet_beam.runners import cli
from imagenet_beam.runners.commands import download as download_command


@pytest.fixture
def files(site, tmp_path, monkeypatch) -> dict[str, bytes]:
    """A small MNIST that the server offers in place of the real one, by file name."""
    write_mnist(tmp_path / "made", train=12, test=10)
    files = {path.name: path.read_bytes() for path in (tmp_path / "made").glob("*.gz")}
    downloads = tuple(site.put(name, data) for name, data in files.items())
    mnist = dataclasses.replace(registry.BUILT_IN["mnist"], downloads=downloads)
    monkeypatch.setitem(registry.BUILT_IN, "mnist", mnist)
    return files


def test_without_a_path_convert_downloads_into_the_cache(site, files, convert, tmp_path, examples):
    flags = ["--dataset=mnist", f"--output_dir={tmp_path}/out", f"--download_dir={tmp_path}/kept"]
    done = convert(*flags)
    assert done.status == 0, done.message
    assert "downloading train-images-idx3-ubyte.gz" in done.message
    kept = tmp_path / "kept" / "mnist"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == files
    assert len(examples(tmp_path / "out", "mnist-train")) == 12
    requests = len(site.requests)
    shutil.rmtree(tmp_path / "out")
    assert convert(*flags).status == 0
    assert len(site.requests) == requests


def test_the_environment_says_where_the_cache_is(files, convert, tmp_path):
    assert convert("--dataset=mnist", f"--output_dir={tmp_path}/out").status == 0
    assert {path.name for path in (tmp_path / "cache" / "mnist").iterdir()} == set(files)


def test_a_flag_that_is_wrong_is_told_before_anything_is_downloaded(site, files, convert, tmp_path):
    done = convert("--dataset=mnist", f"--output_dir={tmp_path}/out", "--resize=huge")
    assert done.status == 2
    assert site.requests == []


def test_a_download_that_fails_ends_convert_with_1(site, files, convert, tmp_path):
    site.files.clear()
    done = convert("--dataset=mnist", f"--output_dir={tmp_path}/out")
    assert done.status == 1
    assert done.message.splitlines()[-1].startswith("imagenet-beam: ")
    assert "could not be downloaded" in done.message
    assert not Path(tmp_path / "out").exists()


def test_download_is_a_command(files, tmp_path, capsys):
    assert cli.main(["download", "--dataset=mnist", f"--output_dir={tmp_path}/d"]) == 0
    paths = capsys.readouterr().out.split()
    assert {Path(path).name: Path(path).read_bytes() for path in paths} == files
    assert cli.main(["download", "--dataset=svhn"]) == 2
    assert "--dataset: invalid choice: 'svhn'" in capsys.readouterr().err


def test_ctrl_c_ends_a_download_as_shells_expect(files, tmp_path, capsys, monkeypatch):
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(download_command, "_run", interrupt)
    assert cli.main(["download", "--dataset=mnist", f"--output_dir={tmp_path}"]) == 130
    message = capsys.readouterr().err
    assert message == "\nimagenet-beam: interrupted; the same command continues\n"
