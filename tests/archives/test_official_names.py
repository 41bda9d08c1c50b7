"""What the official file names tell: number, class, and why there is no number."""

import pytest

from imagenet_beam.transforms.archives.official_names import (
    validation_number,
    why_no_number,
    wnid_in_name,
)


@pytest.mark.parametrize(
    ("filename", "number", "wnid"),
    [
        ("ILSVRC2012_val_00000293.JPEG", 293, ""),
        ("ilsvrc2012_val_00000293.jpg", 293, ""),
        ("ILSVRC2012_val_00000293", 293, ""),
        ("ILSVRC2012_val_00000293_n01440764.JPEG", 293, "n01440764"),
        ("ILSVRC2012_test_00000293.JPEG", None, ""),
        ("ILSVRC2012_val_293.JPEG", None, ""),
        ("ILSVRC2010_val_00000293.JPEG", None, ""),
        ("ILSVRC2013_val_00000293.JPEG", None, ""),
        ("n01440764_10026.JPEG", None, "n01440764"),
        ("n01440764_10026.png", None, "n01440764"),
        ("n01440764_10026_n01440764.JPEG", None, "n01440764"),
        ("n0144076_10026.JPEG", None, ""),
        ("n01440764.tar", None, ""),
        ("daisy_n1.jpg", None, ""),
    ],
)
def test_what_a_file_name_tells(filename: str, number: int | None, wnid: str) -> None:
    assert (validation_number(filename), wnid_in_name(filename)) == (number, wnid)


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("ILSVRC2010_val_00000001.JPEG", "a validation image of ILSVRC2010: labels by number"),
        ("ilsvrc2013_val_00000001_n01440764.jpg", "a validation image of ilsvrc2013: labels by"),
        (
            "ILSVRC2012_test_00000001.JPEG",
            "which is no validation image; names are like ILSVRC2012",
        ),
        ("daisy.jpg", "which is no validation image; names are like ILSVRC2012_val_00000001.JPEG"),
    ],
)
def test_why_a_name_has_no_number(filename: str, said: str) -> None:
    assert validation_number(filename) is None
    assert why_no_number(filename).startswith(f"{filename}, {said}")
