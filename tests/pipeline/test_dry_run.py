"""`--dry_run` says what a run would write, and writes nothing."""

import json
import re

import pytest

from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.runners.cli import main

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """More images than are sampled."""
    folder = tmp_path_factory.mktemp("inputs")
    spec = SyntheticImageNet(
        classes=10, train_per_class=30, validation_per_class=2, image_width=64, image_height=48
    )
    write_imagenet(folder, spec)
    return folder


def flags(inputs, output, *more):
    archives = [f"--train_archive={inputs / TRAIN}", f"--validation_archive={inputs / VALIDATION}"]
    devkit = f"--devkit={inputs / 'ILSVRC2012_devkit_t12.tar.gz'}"
    return ["convert", *archives, devkit, f"--output_dir={output}", "--resize=shorter:32", *more]


def rows(printed):
    """Split, images, classes, shards and bytes of the table."""
    found = {}
    for line in printed.splitlines():
        cells = re.split(r" {2,}", line)
        if len(cells) == 5 and cells[0] in ("train", "validation", "test"):
            number, unit = cells[4].split()
            units = {"bytes": 1, "kB": 1e3, "MB": 1e6}
            found[cells[0]] = (*map(int, cells[1:4]), float(number) * units[unit])
    return found


def test_what_is_said_is_what_is_then_written(inputs, tmp_path, capsys):
    output = tmp_path / "deep" / "out"
    assert main(flags(inputs, output, "--dry_run")) == 0
    printed = capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    said = rows(printed)
    assert main(flags(inputs, output)) == 0
    splits = json.loads((output / "manifest.json").read_text())["splits"]
    assert said.keys() == splits.keys()
    for name, entry in splits.items():
        counts = (entry["images"], len(entry["classes"]), len(entry["shards"]))
        assert said[name][:3] == counts
        assert said[name][3] == pytest.approx(entry["bytes"], rel=0.1)
    assert "time on this machine: about " in printed
    assert " free" in printed
    assert "requests" not in printed


def test_a_compressed_archive_and_a_selection_are_counted(inputs, tmp_path, capsys):
    import gzip

    packed = tmp_path / "train.tar.gz"
    packed.write_bytes(gzip.compress((inputs / TRAIN).read_bytes(), 1))
    more = ["--resize=shorter:32", "--max_images_per_class=3", "--dry_run"]
    devkit = f"--devkit={inputs / 'ILSVRC2012_devkit_t12.tar.gz'}"
    arguments = ["convert", f"--train_archive={packed}", devkit, f"--output_dir={tmp_path / 'o'}"]
    assert main([*arguments, *more]) == 0
    assert rows(capsys.readouterr().out)["train"][:3] == (30, 10, 1)
    assert not (tmp_path / "o").exists()


def test_what_a_run_refuses_is_refused(inputs, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(flags(inputs, output, "--train_shards=1000", "--dry_run")) == 2
    assert "--train_shards=1000 is more than the 300 images" in capsys.readouterr().err
    assert not output.exists()


def test_shards_that_are_there_already_are_told(inputs, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(flags(inputs, output)) == 0
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    (output / "manifest.json").unlink()
    capsys.readouterr()
    assert main(flags(inputs, output, "--dry_run")) == 0
    there = "in the folder: 4 of the 4 shards there already; all of this is for the whole set\n"
    assert capsys.readouterr().out.endswith(there)
    after = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert after.items() <= before.items()
    assert len(after) == len(before) - 1


def test_two_images_of_one_name_are_refused_as_in_the_run(inputs, tmp_path, capsys):
    tree = tmp_path / "train"
    for folder in ("cat", "dog"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    labels = ["--allow_any_class_names", f"--output_dir={tmp_path / 'out'}"]
    said = []
    for more in (["--dry_run"], []):
        assert main(["convert", f"--validation_directory={tree}", *labels, *more]) == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1]
    assert "two images are called ILSVRC2012_val_00000001.JPEG" in said[0]
