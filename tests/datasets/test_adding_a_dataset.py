"""docs/adding-a-dataset.md does what it says: one new file, one registration."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from imagenet_beam.pipeline.datasets import registry
from imagenet_beam.pipeline.datasets.base import KnownSplit, SmallDataset

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-dataset.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def register(text: str) -> str:
    """Applies the page's diff to the registry: one import, one line changed."""
    added, before, after = (line[1:] + "\n" for line in block("diff").splitlines())
    assert text.count(before) == 1
    first_import = text.index("from imagenet_beam.pipeline.datasets.")
    return (text[:first_import] + added + text[first_import:]).replace(before, after)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """A copy of the program in which the page has been followed."""
    root = tmp_path_factory.mktemp("copy")
    for part in ("pipeline", "transforms", "runners"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, root / "imagenet_beam" / part, ignore=ignored)
    folder = root / "imagenet_beam" / "pipeline" / "datasets"
    (folder / "fashion_mnist.py").write_text(block("python"))
    table = folder / "registry.py"
    table.write_text(register(table.read_text()))
    return root


def run(program: Path, *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagenet_beam", *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(program)},
        capture_output=True,
        text=True,
    )


def test_the_example_of_the_page_converts(program, mnist, examples, pixels, tmp_path):
    output = tmp_path / "out"
    flags = ["--dataset=fashion_mnist", f"--input={mnist.folder}", f"--output_dir={output}"]
    done = run(program, "convert", *flags)
    assert done.returncode == 0, done.stderr
    assert (output / "fashion_mnist-train-00002-of-00003").exists()
    records = examples(output, "fashion_mnist-train")
    assert len(records) == 30
    for record in records:
        index = int(record["image/filename"][0][len("train_") : -len(".png")])
        assert np.array_equal(pixels(record), mnist.written.train.images[index])
        assert record["image/class/label"] == [mnist.written.train.labels[index]]
    names = {record["image/class/label"][0]: record["image/class/text"][0] for record in records}
    assert (names[0], names[9]) == (b"T-shirt/top", b"Ankle boot")


def test_the_example_can_be_downloaded(program):
    shown = run(program, "download", "--help").stdout
    assert "fashion_mnist" in shown


def cifar100_archive(path: Path, images: np.ndarray) -> None:
    """Two label bytes, coarse and fine, before the pixels of each image."""
    labels = np.arange(len(images), dtype=np.uint8)[:, np.newaxis]
    rows = np.concatenate([labels // 5, labels, images], axis=1).tobytes()
    with tarfile.open(path, "w:gz") as tar:
        for name in ("train", "test"):
            info = tarfile.TarInfo(f"cifar-100-binary/{name}.bin")
            info.size = len(rows)
            tar.addfile(info, io.BytesIO(rows))


def test_cifar100_has_a_kind_already(monkeypatch, to_records, examples, pixels, tmp_path):
    dataset = SmallDataset(
        name="cifar100",
        classes=tuple(f"class {number}" for number in range(100)),
        splits={"train": KnownSplit(50_000, shards=2), "test": KnownSplit(10_000, shards=1)},
        kind="cifar100",
        archives=("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"),
    )
    monkeypatch.setitem(registry.SMALL_DATASETS, "cifar100", dataset)
    images = np.random.default_rng(0).integers(0, 256, (100, 3072), dtype=np.uint8)
    cifar100_archive(tmp_path / "cifar-100-binary.tar.gz", images)
    output = to_records("cifar100", f"--input={tmp_path}")
    planes = images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    records = examples(output, "cifar100-train")
    assert {record["image/class/label"][0] for record in records} == set(range(100))
    for record in records:
        number = record["image/class/label"][0]
        assert np.array_equal(pixels(record), planes[number])
        assert record["image/class/text"] == [f"class {number}".encode()]


def test_without_downloads_a_path_has_to_be_given(monkeypatch, convert, tmp_path):
    dataset = SmallDataset("mine", ("a", "b"), {"train": KnownSplit(2, 1)}, kind="idx")
    monkeypatch.setitem(registry.SMALL_DATASETS, "mine", dataset)
    done = convert("--dataset=mine", f"--output_dir={tmp_path}/out")
    assert (done.status, "--input is missing; give the files of mine" in done.message) == (2, True)
