"""Small twins of the data sets, and what is in them."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from imagenet_beam.pipeline.synthetic.small_sets import (
    write_cifar10,
    write_flowers,
    write_mnist,
)


class Twin(NamedTuple):
    """A folder with the files of a data set, and what was drawn into them."""

    folder: Path
    written: object


@pytest.fixture(scope="session")
def flowers(tmp_path_factory) -> Twin:
    """Six images of each class: `{"daisy/1_a.jpg": jpeg}`."""
    folder = tmp_path_factory.mktemp("flowers")
    return Twin(folder, write_flowers(folder, images_per_class=6))


@pytest.fixture(scope="session")
def cifar10(tmp_path_factory) -> Twin:
    """Twenty images in each batch."""
    folder = tmp_path_factory.mktemp("cifar10")
    return Twin(folder, write_cifar10(folder, images_per_batch=20))


@pytest.fixture(scope="session")
def mnist(tmp_path_factory) -> Twin:
    """Thirty images to train on and ten to test on."""
    folder = tmp_path_factory.mktemp("mnist")
    return Twin(folder, write_mnist(folder, train=30, test=10))


@pytest.fixture(scope="session")
def pixels():
    """`pixels(record)`: the image of a record, decoded."""
    return lambda record: np.asarray(Image.open(io.BytesIO(record["image/encoded"][0])))


@pytest.fixture
def to_records(convert, tmp_path):
    """`to_records(dataset, *flags)`: converts into a fresh folder, which it gives."""

    def run(dataset: str, *flags: object) -> Path:
        output = tmp_path / "out"
        done = convert(f"--dataset={dataset}", *flags, f"--output_dir={output}")
        assert done.status == 0, done.message
        return output

    return run
