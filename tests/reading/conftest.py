"""A small ImageNet with boxes, converted in several ways, each once."""

import gzip
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "attack"))

from imagenet_beam.pipeline.synthetic.imagenet import Expected

SHARDS = ("--train_shards=4", "--validation_shards=2", "--test_shards=1", "--resize=none")


class Source(NamedTuple):
    """The archives' folder, and what a converter should find in them."""

    folder: Path
    expected: Expected

    @property
    def flags(self) -> list[str]:
        """Convert all splits."""
        name = f"{self.folder}/ILSVRC2012_"
        return [
            f"--train_archive={name}img_train.tar",
            f"--validation_archive={name}img_val.tar",
            f"--test_archive={name}img_test_v10102019.tar",
            f"--devkit={name}devkit_t12.tar.gz",
            *SHARDS,
        ]

    @property
    def boxes(self) -> str:
        """The flag that gives the training boxes."""
        return f"--bounding_boxes={self.folder}/ILSVRC2012_bbox_train_v2.tar.gz"


@pytest.fixture(scope="session")
def source(tmp_path_factory, write_archives) -> Source:
    folder = tmp_path_factory.mktemp("source")
    archives = write_archives(
        folder,
        classes=4,
        train_per_class=12,
        validation_per_class=4,
        test_images=3,
        hard_images=False,
        boxes=True,
    )
    return Source(folder, archives.expected)


@pytest.fixture(scope="session")
def made(source, convert, tmp_path_factory):
    """`made(*flags)`: a folder that nobody may change, converted once with these flags."""
    folders: dict[tuple, Path] = {}

    def make(*flags) -> Path:
        if flags not in folders:
            folders[flags] = tmp_path_factory.mktemp("made") / "tfrecords"
            done = convert(*source.flags, *flags, f"--output_dir={folders[flags]}")
            assert done.status == 0, done.message
        return folders[flags]

    return make


@pytest.fixture(scope="session")
def inception(made, source) -> Path:
    """The default schema, labels from 1, boxes."""
    return made(source.boxes)


@pytest.fixture
def own(inception, tmp_path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(inception, tmp_path / "own"))


@pytest.fixture
def bare(inception, tmp_path) -> Path:
    """The training shards of it alone, without anything beside them."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for path in inception.glob("train-*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def gzipped(bare, tmp_path, monkeypatch) -> Path:
    """The same shards as gzip files; what is decompressed goes to the folder `cache`."""
    monkeypatch.setenv("IMAGENET_BEAM_CACHE", str(tmp_path / "cache"))
    for path in sorted(bare.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    return bare
