"""The output is a function of inputs and options: nothing else shows in a byte of it."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.transforms.encode_images import DecodeAndResize, ReadImages, ToExample
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.join_labels import JoinLabels, LoadLabels
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.list_images import ListImages
from imagenet_beam.transforms.write_to_tfrecord import WriteToTFRecord

SHARDS = ("--train_shards=5", "--validation_shards=3")
RESIZE = "longer:40"


@pytest.fixture(scope="module")
def one_thread(hard, convert, tree, tmp_path_factory):
    """All files that one thread writes, with ten rejects among them."""
    out = tmp_path_factory.mktemp("one_thread") / "out"
    flags = (*SHARDS, f"--resize={RESIZE}", "--threads=1")
    assert convert(*hard.flags, f"--output_dir={out}", *flags).status == 3
    files = tree(out)
    # 8 shards with receipts, manifest, rejects, labels, classes, plan and lock.
    assert len(files) == 22 and "manifest.json" in files
    return files


@pytest.mark.parametrize(
    "flags",
    [
        ("--threads=2",),
        ("--threads=5",),
        ("--threads=2", "--read_threads=7"),
        ("--shuffle=images", "--threads=2"),
        ("--shuffle=images", "--threads=1", "--read_threads=3"),
        ("--threads=2", "--direct_running_mode=multi_processing", "--direct_num_workers=2"),
    ],
    ids=" ".join,
)
def test_how_it_runs_does_not_show(hard, convert, tree, tmp_path, one_thread, flags):
    out = tmp_path / "out"
    finished = convert(*hard.flags, f"--output_dir={out}", *SHARDS, f"--resize={RESIZE}", *flags)
    assert finished.status == 3, finished.message
    assert tree(out) == one_thread


def test_the_embedded_conversion_writes_the_same(hard, tree, tmp_path, one_thread):
    config = ConvertConfig(
        output_dir=str(tmp_path / "out"),
        splits=imagenet2012.splits(str(hard.train), str(hard.validation), 5, 3),
        labels=LabelSource(devkit=str(hard.devkit)),
        image=ImageOptions(resize=Resize.parse(RESIZE)),
    )
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        manifest = pipeline | ConvertImages(config)
        assert manifest.element_type is str
    files = tree(tmp_path / "out")
    embedded_lock = {".imagenet-beam/lock": b""}  # only the command keeps others out
    assert {**embedded_lock, **files} == one_thread


def test_the_single_steps_write_the_same_shards(clean, convert, tree, tmp_path):
    whole, steps = tmp_path / "whole", tmp_path / "steps"
    flags = ("--train_shards=5", f"--resize={RESIZE}")
    finished = convert(
        f"--train_archive={clean.train}",
        f"--devkit={clean.devkit}",
        f"--output_dir={whole}",
        *flags,
    )
    assert finished.status == 0, finished.message
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        labels = pipeline | LoadLabels(LabelSource(devkit=str(clean.devkit)))
        decoded = (
            pipeline
            | beam.Create([str(clean.train)])
            | ListImages()
            | JoinLabels(labels)
            | ReadImages()
            | DecodeAndResize(ImageOptions(resize=Resize.parse(RESIZE)))
        )
        decoded.images | ToExample() | WriteToTFRecord(f"{steps}/train", num_shards=5)
    expected = {name: data for name, data in tree(whole).items() if name.startswith("train-")}
    assert len(expected) == 5
    assert tree(steps) == expected
