"""The official file names of ImageNet: the class, the number and the split that they tell."""

import re

WNID = re.compile("n[0-9]{8}")
"""The form of a WordNet id."""

_APPENDED = f"(?:_{WNID.pattern})?"  # by Hugging Face
_SUFFIX = r"\.(?P<suffix>[A-Za-z]+)"
_TRAIN_STEM = f"(?P<wnid>{WNID.pattern})_[0-9]+"
_STEM = (
    f"(?P<stem>{_TRAIN_STEM}|"
    f"(?P<challenge>ILSVRC[0-9]{{4}})_(?P<split>val|test)_(?P<number>[0-9]{{8}})){_APPENDED}"
)

OFFICIAL_NAME = re.compile(_STEM + _SUFFIX)
"""A name as in the official archives, but for what copies append; `split` is train's if None."""

_IN_ANY_CASE = re.compile(f"{_STEM}(?:{_SUFFIX})?", re.IGNORECASE)
_TRAIN_NAME = re.compile(f"{_TRAIN_STEM}{_APPENDED}(?:{_SUFFIX})?")
_WNID_AT_END = re.compile(f".*_(?P<wnid>{WNID.pattern})(?:{_SUFFIX})?")


def is_wnid(name: str) -> bool:
    """Whether a class is named by a WordNet id, such as n01440764."""
    return WNID.fullmatch(name) is not None


def wnid_in_name(filename: str) -> str:
    """The wnid that an image's name tells, or "".

    `n01440764_10026.JPEG`, and Hugging Face's names, which end with the wnid:
    `n01440764_10026_n01440764.JPEG`, `ILSVRC2012_val_00000293_n01440764.JPEG`.
    """
    match = _TRAIN_NAME.fullmatch(filename) or _WNID_AT_END.fullmatch(filename)
    return match["wnid"] if match else ""


def validation_number(filename: str) -> int | None:
    """The number of a validation image of ILSVRC2012; None for any other name.

    Other years number other pictures, to which the labels of 2012 do not belong.
    With or without suffix, and with the wnid that Hugging Face appends:
    `ILSVRC2012_val_00000293.JPEG`, `ILSVRC2012_val_00000293_n01440764.JPEG`.
    """
    match = _validation_name(filename)
    return int(match["number"]) if match and match["challenge"].upper() == "ILSVRC2012" else None


def why_no_number(filename: str) -> str:
    """What is wrong with the name of an image to which `validation_number` gives no number."""
    match = _validation_name(filename)
    if match:
        return (
            f"{filename}, a validation image of {match['challenge']}: labels by number are those of"
            " ILSVRC2012 and belong to other pictures; lay these images in class folders and"
            " give no labels by number"
        )
    return f"{filename}, which is no validation image; names are like ILSVRC2012_val_00000001.JPEG"


def _validation_name(filename: str) -> re.Match[str] | None:
    match = _IN_ANY_CASE.fullmatch(filename)
    return match if match and (match["split"] or "").lower() == "val" else None
