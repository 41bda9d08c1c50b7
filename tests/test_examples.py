"""The examples run, and do what they say."""

import io
import runpy
import subprocess
import sys
from pathlib import Path

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


def test_the_demo_shows_what_came_out(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    run = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py", tmp_path / "demo"],
        capture_output=True,
        text=True,
        env={"PATH": path, "HOME": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr
    assert "train-00000-of-00004" in run.stdout
    assert "flowers-train-00000-of-00005" in run.stdout
    assert "flowers-validation-00000-of-00001" in run.stdout
    for folder in ("demo", "demo/flowers"):
        sheet = Image.open(tmp_path / folder / "records.png")
        colors = sheet.convert("RGB").getcolors(maxcolors=1 << 24)
        assert colors is not None and len(colors) > 1000  # pictures, not an empty sheet
