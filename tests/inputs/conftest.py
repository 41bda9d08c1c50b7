"""The same pictures in every form that people have, made from one set of official archives."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest


class Pictures(NamedTuple):
    """The members of the official archives by name."""

    train: Mapping[str, bytes]
    validation: Mapping[str, bytes]
    test: Mapping[str, bytes]
    truth: Mapping[str, str]

    def wnid(self, name: str) -> str:
        """The class of a training or validation image."""
        return self.truth.get(name) or name.partition("_")[0]


def members(data: bytes) -> dict[str, bytes]:
    """The files of a tar by base name; class tars are looked into."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            content = tar.extractfile(member).read()
            if member.name.endswith(".tar"):
                found |= members(content)
            else:
                found[member.name.rpartition("/")[2]] = content
    return found


@pytest.fixture(scope="session")
def official(tmp_path_factory, write_archives):
    """16 training, 8 validation and 4 test images in 4 classes."""
    return write_archives(
        tmp_path_factory.mktemp("official"),
        classes=4,
        train_per_class=4,
        validation_per_class=2,
        test_images=4,
        hard_images=False,
        image_width=16,
        image_height=16,
        boxes=True,
    )


@pytest.fixture(scope="session")
def pictures(official) -> Pictures:
    test = official.train.with_name("ILSVRC2012_img_test_v10102019.tar")
    return Pictures(
        members(official.train.read_bytes()),
        members(official.validation.read_bytes()),
        members(test.read_bytes()),
        official.expected.validation,
    )


@pytest.fixture(scope="session")
def shards(official, convert, tree, tmp_path_factory):
    """What the official archives become: the shards' bytes by name."""
    output = tmp_path_factory.mktemp("reference") / "out"
    test = official.train.with_name("ILSVRC2012_img_test_v10102019.tar")
    done = convert(*official.flags, f"--test_archive={test}", *small_shards(), *to(output))
    assert done.status == 0, done.message
    return records_only(tree(output))


def small_shards() -> list[str]:
    return ["--train_shards=3", "--validation_shards=2", "--test_shards=1"]


def to(output: Path) -> list[str]:
    return [f"--output_dir={output}", "--resize=none"]


def records_only(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        name: data for name, data in files.items() if "-of-" in name and not name.startswith(".")
    }


@pytest.fixture
def same(convert, tree, tmp_path, shards) -> Callable[..., None]:
    """`same("train", *flags)`: converts, and compares the split with the official archive's."""

    def check(splits: str, *flags: object) -> str:
        output = tmp_path / "out"
        done = convert(*flags, *small_shards(), *to(output))
        assert done.status == 0, done.message
        names = tuple(splits.split())
        expected = {name: data for name, data in shards.items() if name.startswith(names)}
        assert records_only(tree(output)) == expected
        return done.message

    return check


@pytest.fixture
def refused(convert, tmp_path) -> Callable[..., str]:
    """`refused(*flags)`: the sentence with which a conversion is refused."""

    def check(*flags: object) -> str:
        output = tmp_path / "refused"
        done = convert(*flags, *small_shards(), *to(output))
        assert done.status == 2, done.message
        assert not list(output.glob("*-of-*"))
        return done.message

    return check


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """A tar, compressed or not: modes `w`, `w:gz`, `w:bz2`, `w:xz`."""
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def make():
    """The writers of forms, by name."""

    class Make:
        tar = staticmethod(write_tar)
        zip = staticmethod(write_zip)
        tree = staticmethod(write_tree)

    return Make


@pytest.fixture(scope="session")
def reader():
    """`reader(data, name)`: a file in memory that is read by ranges."""

    class Reader:
        def __init__(self, data: bytes, name: str) -> None:
            self.data, self.name, self.size_bytes = data, name, len(data)

        def read(self, offset_bytes: int, length_bytes: int) -> bytes:
            return self.data[offset_bytes : offset_bytes + length_bytes]

    return Reader
