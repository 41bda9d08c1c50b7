"""docs/adding-a-dataset.md does what it says: in a package of one's own, and in this project."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from imagenet_beam.pipeline.datasets import registry
from imagenet_beam.pipeline.datasets.base import SPLIT_INPUTS, Dataset, KnownSplit
from imagenet_beam.transforms.images.options import ImageOptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-dataset.md").read_text()
METADATA = "runners/dataflow/flex_template_metadata.json"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def install(folder: Path, target: Path, module: str) -> Path:
    """Builds the page's package with this module, and installs its wheel into a folder.

    Another module than the page's has another data set, `more_clothes`.
    """
    folder.mkdir()
    project = block("toml")
    if module != block("python"):
        project = project.replace("\nfashion_mnist = ", "\nmore_clothes = ")
    (folder / "pyproject.toml").write_text(project)
    (folder / "fashion_mnist_beam.py").write_text(module)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    options = ["--no-deps", "--no-index"]
    build = ["wheel", "--no-build-isolation", *options, "--wheel-dir", str(folder), str(folder)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    assert "fashion_mnist_beam.py" in zipfile.ZipFile(wheel).namelist()
    subprocess.run([*pip, "install", *options, "--target", str(target), str(wheel)], check=True)
    return target


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The folder into which the page's package has been installed."""
    folder = tmp_path_factory.mktemp("package")
    return install(folder / "source", folder / "site", block("python"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Path:
    """The same of a package that cannot be imported."""
    folder = tmp_path_factory.mktemp("broken")
    return install(folder / "source", folder / "site", "import nowhere\n")


def follow_the_diff(text: str) -> str:
    """A file as the page's diff changes it, unless somebody has done it here."""
    if "fashion_mnist" in text:
        return text
    for hunk in block("diff").split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(before) == 1, before
        text = text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))
    return text


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the project in which the page has been followed."""
    root = tmp_path_factory.mktemp("copy")
    for part in ("pipeline", "transforms", "runners"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    shutil.copytree(ROOT / "src", root / "src", symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", root)
    folder = root / "pipeline" / "datasets"
    (folder / "fashion_mnist.py").write_text(block("python"))
    table = folder / "registry.py"
    table.write_text(follow_the_diff(table.read_text()))
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    commands = ["set -e", block("sh")]
    subprocess.run(["sh", "-c", "\n".join(commands)], cwd=root, env=environment, check=True)
    return root


@pytest.fixture(params=["package", "checkout"])
def path(request) -> str:
    """What PYTHONPATH is after one of the two recipes."""
    if request.param == "checkout":
        return str(request.getfixturevalue("checkout") / "src")
    return os.pathsep.join([str(request.getfixturevalue("package")), str(ROOT / "src")])


def run(path: str, *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagenet_beam", *map(str, command)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_the_example_of_the_page_converts(path, mnist, examples, pixels, tmp_path):
    output = tmp_path / "out"
    flags = ["--dataset=fashion_mnist", f"--input={mnist.folder}", f"--output_dir={output}"]
    done = run(path, "convert", *flags)
    assert done.returncode == 0, done.stderr
    assert (output / "fashion_mnist-train-00000-of-00001").exists()
    records = examples(output, "fashion_mnist-train")
    assert len(records) == 30
    for record in records:
        index = int(record["image/filename"][0][len("train_") : -len(".png")])
        assert np.array_equal(pixels(record), mnist.written.train.images[index])
        assert record["image/class/label"] == [mnist.written.train.labels[index]]
    names = {record["image/class/label"][0]: record["image/class/text"][0] for record in records}
    assert (names[0], names[9]) == (b"T-shirt/top", b"Ankle boot")


def test_the_example_can_be_downloaded(path):
    for command in ("download", "convert"):
        assert "fashion_mnist" in run(path, command, "--help").stdout


def test_what_the_page_says_to_write_again_is_up_to_date(checkout):
    (dataset,) = (each for each in parameters(checkout) if each["name"] == "dataset")
    assert "fashion_mnist" in dataset["regexes"][0]
    assert len(parameters(checkout)) == len(parameters(ROOT))


def test_the_page_leaves_code_that_is_formatted(checkout):
    datasets = checkout / "pipeline" / "datasets"
    for check in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", datasets],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def parameters(root: Path) -> list[dict]:
    return json.loads((root / METADATA).read_text())["parameters"]


def test_a_broken_package_is_named_where_its_data_set_is_asked_for(broken, mnist, tmp_path):
    path = os.pathsep.join([str(broken), str(ROOT / "src")])
    output = f"--output_dir={tmp_path}/out"
    done = run(path, "convert", "--dataset=more_clothes", output)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr == (
        "imagenet-beam: more_clothes of the package fashion-mnist-beam cannot be loaded "
        "(ModuleNotFoundError: No module named 'nowhere'); update that package or uninstall it\n"
    )
    done = run(path, "convert", "--dataset=mnist", f"--input={mnist.folder}", output)
    assert done.returncode == 0, done.stderr


def test_another_object_of_a_package_is_no_data_set(tmp_path):
    wrong = install(tmp_path / "source", tmp_path / "site", "FASHION_MNIST = 'none'\n")
    done = run(
        os.pathsep.join([str(wrong), str(ROOT / "src")]),
        "download",
        "--dataset=more_clothes",
    )
    assert done.returncode == 2
    assert "more_clothes of the package fashion-mnist-beam is 'none', not a Dataset" in done.stderr


def test_other_data_sets_are_not_imported_before_they_are_asked_for(broken):
    probe = (
        "import sys\n"
        "from imagenet_beam.runners.cli import main\n"
        "assert main(['convert', '--dataset=mnist', '--train_shards=x']) == 2\n"
        "assert 'fashion_mnist_beam' not in sys.modules\n"
        "assert 'apache_beam' not in sys.modules\n"
    )
    path = os.pathsep.join([str(broken), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


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
    dataset = Dataset(
        name="cifar100",
        splits={
            "train": KnownSplit(50_000, shards=2, label_from="index"),
            "test": KnownSplit(10_000, shards=1, label_from="index"),
        },
        classes=tuple(f"class {number}" for number in range(100)),
        kind="cifar100",
        archives=("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"),
    )
    monkeypatch.setitem(registry.BUILT_IN, "cifar100", dataset)
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


def test_a_data_set_can_have_archives_for_each_split(
    monkeypatch, flowers, convert, to_records, examples, tmp_path
):
    dataset = Dataset(
        name="petals",
        splits={"train": KnownSplit(30, shards=1), "test": KnownSplit(30, shards=1)},
        classes=("tulips", "sunflowers", "roses", "dandelion", "daisy"),
        parameters=SPLIT_INPUTS,
        image=ImageOptions(),
    )
    monkeypatch.setitem(registry.BUILT_IN, "petals", dataset)
    archive = flowers.folder / "flower_photos.tgz"
    output = to_records("petals", f"--test_archive={archive}", "--resize=none")
    records = examples(output, "petals-test")
    labels = {r["image/class/text"][0].decode(): r["image/class/label"][0] for r in records}
    assert labels == {name: number for number, name in enumerate(dataset.classes)}
    assert not list(output.glob("petals-train-*"))
    done = convert("--dataset=petals", f"--input={archive}", f"--output_dir={tmp_path}/other")
    assert (done.status, "--input is not for --dataset=petals" in done.message) == (2, True)


def test_without_downloads_a_path_has_to_be_given(monkeypatch, convert, tmp_path):
    dataset = Dataset("mine", {"train": KnownSplit(2, 1)}, ("a", "b"), kind="idx")
    monkeypatch.setitem(registry.BUILT_IN, "mine", dataset)
    done = convert("--dataset=mine", f"--output_dir={tmp_path}/out")
    assert (done.status, "--input is missing; give the files of mine" in done.message) == (2, True)
