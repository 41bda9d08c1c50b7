"""The devkit: real MATLAB files, packed in each way that people have them."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo
from imagenet_beam.transforms.labels.devkit import (
    Devkit,
    parse_devkit,
    read_devkit,
    truth_by_number,
)
from imagenet_beam.transforms.labels.matfile import MatFileError, read_structs

SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "ilsvrc_sample"
FIELDS = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height"]
ROWS: list[tuple[Any, ...]] = [
    (1, "n02119789", "kit fox, Vulpes macrotis", "small fox", 0, [], 0),
    (2, "n02100735", "English setter", "", 0, [], 0),
    (3, "n03710637", "maillot ✓", "a swimsuit", 0, [], 0),
    (4, "n00001740", "entity", "that which exists", 3, [1, 2, 3], 1),
]
TRUTH = b"3\n1\n3\n2\n"


def make_meta(
    rows: list[tuple[Any, ...]] = ROWS, variable: str = "synsets", compress: bool = True
) -> bytes:
    synsets = np.empty((len(rows), 1), dtype=[(name, object) for name in FIELDS])
    for index, row in enumerate(rows):
        synsets[index, 0] = tuple(
            np.array(value, float) if isinstance(value, list) else value for value in row
        )
    out = io.BytesIO()
    savemat(out, {"first": np.arange(3.0), variable: synsets}, do_compression=compress)
    return out.getvalue()


def make_tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def make_kit(folder: str = "ILSVRC2012_devkit_t12/data/") -> bytes:
    return make_tar(
        {
            f"{folder}._meta.mat": b"AppleDouble",
            f"{folder}meta.mat": make_meta(),
            f"{folder}ILSVRC2012_validation_ground_truth.txt": TRUTH,
        }
    )


KIT = Devkit(
    classes=(
        ClassInfo("n02119789", "kit fox, Vulpes macrotis", 1),
        ClassInfo("n02100735", "English setter", 2),
        ClassInfo("n03710637", "maillot ✓", 3),
    ),
    ground_truth=(3, 1, 3, 2),
    internal=1,
)


@pytest.mark.parametrize("folder", ["ILSVRC2012_devkit_t12/data/", "./", ""])
@pytest.mark.parametrize("packed", [True, False])
def test_the_kit_is_read_however_it_is_packed(folder: str, packed: bool) -> None:
    data = make_kit(folder)
    assert read_devkit(gzip.compress(data) if packed else data, "kit") == KIT


def test_truth_by_number_counts_from_one() -> None:
    assert truth_by_number(KIT) == {
        1: "n03710637",
        2: "n02119789",
        3: "n03710637",
        4: "n02100735",
    }


@pytest.mark.parametrize("compress", [True, False])
def test_meta_mat_compressed_or_not(compress: bool) -> None:
    assert parse_devkit(make_meta(compress=compress), TRUTH + b"\n\n", "kit") == KIT


def test_windows_line_ends_in_the_ground_truth() -> None:
    assert parse_devkit(make_meta(), b"3\r\n1\r\n", "kit").ground_truth == (3, 1)


def with_first_size(size_bytes: int) -> bytes:
    """The kit with another length, in base 256, in its first header."""
    header = bytearray(make_kit()[:512])
    header[124:136] = b"\xff" + size_bytes.to_bytes(11, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + make_kit()[512:]


def _without(name: str) -> bytes:
    members = {"meta.mat": make_meta(), "ILSVRC2012_validation_ground_truth.txt": TRUTH}
    del members[name]
    return make_tar(members)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "kit.tar is empty"),
        (b"<!DOCTYPE html>\n<title>Log in</title>", "kit.tar holds an HTML"),
        (gzip.compress(b"<html>"), "kit.tar holds an HTML"),
        (b"n01440764\n" * 200, "kit.tar holds a file that starts with .*, not a tar archive"),
        (gzip.compress(make_kit())[:-20], "kit.tar is damaged or truncated near byte"),
        (make_kit()[:2000], "kit.tar is truncated"),
        (with_first_size(-1 << 20), "kit.tar has a damaged header at byte 0"),
        (with_first_size(-512), "kit.tar has a damaged header at byte 0"),
        (gzip.compress(bytes(65 << 20)), "kit.tar is an empty tar archive"),
        (
            gzip.compress(make_tar({"large": bytes(65 << 20)})),
            "kit.tar unpacks to more than 64 MB",
        ),
        (_without("meta.mat"), "kit.tar has no meta.mat inside"),
        (
            _without("ILSVRC2012_validation_ground_truth.txt"),
            "kit.tar has no ILSVRC2012_validation_ground_truth.txt inside",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_file_as_the_kit_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^`labels.devkit`: {sentence}"):
        read_devkit(data, "kit.tar")


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        (b"n01440764\n" * 50, "cannot be read: it is not a MATLAB 5 file"),
        (make_meta()[:-30], "cannot be read: it is cut off, or damaged"),
        (make_meta(variable="classes"), "cannot be read: it has no list of structs `synsets`"),
        (make_meta(ROWS[3:]), "has no class without children"),
        (make_meta([ROWS[0], ROWS[0]]), "has two classes with one wnid"),
        (make_meta([(0, *ROWS[0][1:])]), "has the ILSVRC2012_ID 0.0 for n02119789"),
        (make_meta([(1, "", *ROWS[0][2:])]), "has a class without a WNID"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_meta_mat_is_refused(meta: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^`labels.devkit`: meta.mat in kit {sentence}"):
        parse_devkit(meta, TRUTH, "kit")


@pytest.mark.parametrize(
    ("truth", "sentence"),
    [
        (b"", "is empty"),
        (b"1\ntwo\n", "is 'two'; expected the ILSVRC2012_ID of a class, 1 to 3"),
        (b"1\n4\n", "is '4'"),
        (b"1\n\n2\n", "is ''"),
        (b"1\n" + b"9" * 5000, "is '9999"),
    ],
)
def test_a_wrong_ground_truth_is_refused(truth: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_devkit(make_meta(), truth, "kit")


def test_a_variable_that_inflates_without_end_is_refused() -> None:
    with pytest.raises(MatFileError, match="unpacks to more than 1 MB"):
        read_structs(make_meta([(1, "n1", " " * (2 << 20), "", 0, [], 0)]), "synsets", [], 1 << 20)


@settings(deadline=None)
@given(data=st.data(), compress=st.booleans())
def test_a_damaged_meta_mat_raises_nothing_else(data: st.DataObject, compress: bool) -> None:
    meta = bytearray(make_meta(compress=compress))
    for _ in range(data.draw(st.integers(1, 4))):
        meta[data.draw(st.integers(0, len(meta) - 1))] = data.draw(st.integers(0, 255))
    try:
        kit = parse_devkit(bytes(meta), b"1\n", "kit")
    except InputError as error:
        assert str(error).startswith("`labels.devkit`: ")
    else:
        assert kit.ground_truth == (1,)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of real photographs is not here")
def test_the_sample_kit_agrees_with_the_sample_labels() -> None:
    kit = read_devkit((SAMPLE / "ILSVRC2012_devkit_t12.tar.gz").read_bytes(), "kit")
    listed = (SAMPLE / "labels" / "imagenet_2012_validation_synset_labels.txt").read_text().split()
    assert (len(kit.classes), len(kit.ground_truth), kit.internal) == (100, 200, 3)
    assert truth_by_number(kit) == dict(enumerate(listed, 1))
