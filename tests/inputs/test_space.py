"""The estimate of the output, against what is written; and the refusal."""

import dataclasses

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.pipeline.space import check_free, check_space, estimate_bytes
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import Storage


@pytest.fixture(scope="module")
def large(write_archives, tmp_path_factory):
    """Pictures that are large against the headers of a tar."""
    return write_archives(
        tmp_path_factory.mktemp("large"),
        classes=2,
        train_per_class=10,
        validation_per_class=1,
        hard_images=False,
        image_width=200,
        image_height=150,
    )


class FullDisk(Storage):
    def free_bytes(self, directory):
        return 1000


def config(large, output, resize, storage=None):
    return ConvertConfig(
        output_dir=str(output),
        splits=imagenet2012.splits(str(large.train), train_shards=1),
        labels=LabelSource(devkit=str(large.devkit)),
        image=ImageOptions(resize=Resize.parse(resize)),
        storage=storage or Storage(),
    )


@pytest.mark.parametrize("resize", ["none", "shorter:64"])
def test_the_estimate_is_near_what_is_written(resize, large, convert, tmp_path):
    asked = config(large, tmp_path, resize)
    sizes = {str(large.train): large.train.stat().st_size}
    estimate = estimate_bytes(asked, asked.splits[0], sizes)
    done = convert(
        f"--train_archive={large.train}",
        f"--devkit={large.devkit}",
        f"--resize={resize}",
        "--train_shards=1",
        f"--output_dir={tmp_path}/out",
    )
    assert done.status == 0, done.message
    written = (tmp_path / "out" / "train-00000-of-00001").stat().st_size
    assert 0.7 < estimate / written < 1.4


def test_too_little_room_is_refused_before_the_job(large, tmp_path):
    sizes = {str(large.train): large.train.stat().st_size}
    full = config(large, tmp_path, "none", FullDisk())
    with pytest.raises(InputError, match=r"has 1\.0 kB free, and the TFRecords will take about"):
        check_space(full, full.splits, sizes)
    check_space(full, full.splits, sizes, left={"train": 0.0, "validation": 0.0})
    check_space(dataclasses.replace(full, expect="any"), full.splits, sizes)


def test_held_out_images_are_estimated_once(large, tmp_path):
    asked = config(large, tmp_path, "none")
    train = asked.splits[0]
    sizes = {str(large.train): large.train.stat().st_size}
    kept, held = (Selection(holdout_per_class=5, is_holdout=is_held) for is_held in (False, True))
    both = (
        dataclasses.replace(train, selection=kept),
        dataclasses.replace(train, name="test", source_split="train", selection=held),
    )
    split = dataclasses.replace(asked, splits=both)
    estimates = [estimate_bytes(split, item, sizes) for item in split.splits]
    assert estimates == [estimate_bytes(asked, train, sizes), 0]


def test_the_sentence_says_what_to_do():
    check_free("out", 10**9, 10**9)
    with pytest.raises(InputError) as refused:
        check_free("out", 10**9, 3 * 10**9)
    assert str(refused.value) == (
        "`output_dir`=out has 1.0 GB free, and the TFRecords will take about 3.0 GB; give a folder "
        "with more room or a smaller `image.resize`, or `expect`=any to try all the same"
    )
