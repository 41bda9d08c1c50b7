"""Paths that cannot be right: each is refused with its flag; what exists is taken literally."""

import dataclasses
import os
import shutil
import sys

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import LabelSource


@pytest.mark.parametrize(
    "flag", ["devkit", "labels_file", "validation_labels", "class_names", "only_files"]
)
def test_a_missing_small_file_is_named_with_its_flag(flag, official, refused, tmp_path):
    missing = tmp_path / "nope.txt"
    message = refused(f"--train_archive={official.train}", f"--{flag}={missing}")
    assert message == f"imagenet-beam: --{flag}: {missing} does not exist\n"


@pytest.mark.parametrize("form", ["commas", "pattern", "link"])
def test_an_archive_that_is_given_twice_is_refused(form, official, refused, tmp_path):
    path = shutil.copy(official.train, tmp_path / "train.tar")
    second = path
    if form == "link":
        second = tmp_path / "train_link.tar"
        second.symlink_to(path)
    if form == "pattern":
        second = tmp_path / "train*.tar"
    message = refused(f"--train_archive={path},{second}")
    assert f"--train_archive: {path if form != 'link' else second} is given twice" in message


@pytest.mark.skipif(sys.platform != "linux", reason="other systems make no such names")
@pytest.mark.parametrize("value", ["caf\udce9.tar", "c*.tar"])
def test_an_archive_whose_name_is_not_utf8(value, official, refused, tmp_path):
    shutil.copy(official.train, tmp_path / "caf\udce9.tar")
    message = refused(f"--train_archive={tmp_path}/{value}")
    assert "--train_archive" in message
    assert "caf\\xe9.tar has bytes in its name that are not UTF-8; rename it" in message


def test_an_output_folder_whose_name_is_not_utf8_is_not_made(official, convert, tmp_path):
    finished = convert(f"--train_archive={official.train}", f"--output_dir={tmp_path}/caf\udce9")
    assert finished.status == 2
    assert f"--output_dir={tmp_path}/caf\\xe9 has bytes in its name" in finished.message
    assert os.listdir(tmp_path) == []


def test_a_folder_with_brackets_is_that_folder(same, make, official, pictures, tmp_path):
    files = {f"{n[:9]}/{n}": data for n, data in pictures.train.items()}
    folder = make.tree(tmp_path / "data[1]", files)
    same("train", f"--train_directory={folder}", f"--devkit={official.devkit}")


def test_two_splits_of_one_name_are_refused():
    (split,) = imagenet2012.splits(train_archive="a.tar")
    other = dataclasses.replace(split, archives=("b.tar",))
    with pytest.raises(InputError, match="two splits are called train"):
        ConvertConfig("out", (split, other), LabelSource())
