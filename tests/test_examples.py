"""The examples run, and do what they say."""

import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from PIL import Image

from imagenet_beam.pipeline.synthetic.imagenet import Expected, SyntheticImageNet, write_imagenet
from imagenet_beam.transforms.records.example import parse_example
from imagenet_beam.transforms.records.framing import read_records

EXAMPLES = Path(__file__).parents[1] / "examples"
DROPPED = "n02963159"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Expected]:
    folder = tmp_path_factory.mktemp("examples")
    spec = SyntheticImageNet(
        classes=40,
        train_per_class=2,
        validation_per_class=1,
        image_width=48,
        image_height=40,
        bad_images=True,
    )
    return folder, write_imagenet(folder, spec)


def test_the_etl_adds_a_feature_and_drops_a_class(
    archives: tuple[Path, Expected], tmp_path: Path
) -> None:
    folder, expected = archives
    assert DROPPED in expected.wnids
    build = runpy.run_path(str(EXAMPLES / "inside_an_etl.py"))["build"]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        build(
            pipeline,
            str(folder / "ILSVRC2012_img_train.tar"),
            str(folder / "ILSVRC2012_devkit_t12.tar.gz"),
            str(tmp_path / "etl"),
        )
    records = {}
    for path in sorted(tmp_path.glob("etl-*-of-00004")):
        with path.open("rb") as file:
            for data in read_records(file, path.name):
                record = parse_example(data)
                records[record["image/filename"][0].decode()] = record
    kept = {
        name: wnid
        for name, wnid in expected.train.items()
        if wnid != DROPPED and expected.fates.get(name, "record") == "record"
    }
    assert {name: r["image/class/synset"][0].decode() for name, r in records.items()} == kept
    for record in records.values():
        picture = Image.open(io.BytesIO(record["image/encoded"][0]))
        assert min(picture.size) == 128
        assert 0 < record["image/brightness"][0] < 1


class Demo(NamedTuple):
    """What `make demo` wrote, and what it said."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    run = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py", folder / "demo"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "HOME": str(folder)},
    )
    assert run.returncode == 0, run.stderr
    return Demo(folder / "demo", run.stdout)


@pytest.mark.xdist_group("demo")
def test_the_demo_shows_what_came_out(demo: Demo) -> None:
    assert "train-00000-of-00004" in demo.said
    assert "flowers-train-00000-of-0000" in demo.said
    assert "flowers-validation-00000-of-00001" in demo.said
    for folder in (demo.folder, demo.folder / "flowers"):
        sheet = Image.open(folder / "records.png")
        colors = sheet.convert("RGB").getcolors(maxcolors=1 << 24)
        assert colors is not None and len(colors) > 1000  # pictures, not an empty sheet


def train(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / "train.py", directory],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_a_network_learns_the_demo(demo: Demo) -> None:
    pytest.importorskip("tensorflow")
    run = train(demo.folder / "tfrecords")
    assert run.returncode == 0, run.stderr
    said = re.search(r"(\d+) of 50 validation images right", run.stdout)
    assert said and int(said[1]) >= 45


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_labels_that_are_off_by_one_fail_it(demo: Demo, tmp_path: Path) -> None:
    """As if nothing told that the first label is 1."""
    pytest.importorskip("tensorflow")
    shutil.copytree(demo.folder / "tfrecords", tmp_path / "own")
    path = tmp_path / "own" / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["classes"]["label_base"] == 1
    manifest["classes"]["label_base"] = 0
    path.write_text(json.dumps(manifest))
    assert train(tmp_path / "own").returncode != 0
