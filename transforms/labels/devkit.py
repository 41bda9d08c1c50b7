"""The development kit of ILSVRC 2012: the classes and the labels of the validation images."""

import io
from collections.abc import Iterator
from typing import NamedTuple

from imagenet_beam.transforms.archives.names import base_name
from imagenet_beam.transforms.archives.streams import open_stream
from imagenet_beam.transforms.archives.tar import read_member, walk_tar
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo
from imagenet_beam.transforms.labels.matfile import MatFileError, Value, read_structs

META_NAME = "meta.mat"
GROUND_TRUTH_NAME = "ILSVRC2012_validation_ground_truth.txt"

# The real kit is 2.5 MB packed; a file that unpacks to more than this is something else.
_MAX_UNPACKED_BYTES = 64 << 20

_FIELDS = ("ILSVRC2012_ID", "WNID", "words", "num_children")


class Devkit(NamedTuple):
    """What the devkit says.

    Attributes:
        classes: The leaves of the hierarchy, in the order of the kit.
        ground_truth: The ILSVRC2012_ID of validation image 1, 2, 3, … in name order.
        internal: How many ancestors were left out: entries that are no classes.
    """

    classes: tuple[ClassInfo, ...]
    ground_truth: tuple[int, ...]
    internal: int


def read_devkit(data: bytes, name: str) -> Devkit:
    """Reads the devkit archive, a `.tar.gz` or the `.tar` that browsers on macOS leave of it.

    Raises:
        InputError: It is not the devkit, or it is damaged.
    """
    found = _find_members(data, name)
    for wanted in (META_NAME, GROUND_TRUTH_NAME):
        if wanted not in found:
            raise InputError(
                f"`labels.devkit`: {name} has no {wanted} inside; give ILSVRC2012_devkit_t12.tar.gz"
                " or the folder it was extracted to"
            )
    return parse_devkit(found[META_NAME], found[GROUND_TRUTH_NAME], name)


def parse_devkit(meta_mat: bytes, ground_truth: bytes, name: str) -> Devkit:
    """Reads the content of the two files of the devkit that matter.

    Raises:
        InputError: One of the files is damaged, or they do not belong together.
    """
    classes, internal = _read_meta(meta_mat, name)
    numbers = {info.ilsvrc2012_id for info in classes}
    truth = tuple(_ground_truth(ground_truth, numbers, name))
    if not truth:
        raise InputError(f"`labels.devkit`: {GROUND_TRUTH_NAME} in {name} is empty")
    return Devkit(classes, truth, internal)


def truth_by_number(devkit: Devkit) -> dict[int, str]:
    """Returns the wnid of each validation image by the number in its file name."""
    wnids = {info.ilsvrc2012_id: info.wnid for info in devkit.classes}
    return {number: wnids[truth] for number, truth in enumerate(devkit.ground_truth, 1)}


def _find_members(data: bytes, name: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        content = open_stream(io.BytesIO(data), name)
        for member in walk_tar(content):
            if member.offset_bytes + member.size_bytes > _MAX_UNPACKED_BYTES:
                raise InputError(
                    f"{name} unpacks to more than {_MAX_UNPACKED_BYTES >> 20} MB, so it is not "
                    "the devkit"
                )
            inner = base_name(member.name)
            if inner in (META_NAME, GROUND_TRUTH_NAME) and inner not in found:
                found[inner] = read_member(content, member)
    except InputError as error:
        raise InputError(
            f"`labels.devkit`: {error} (the devkit is ILSVRC2012_devkit_t12.tar.gz or the folder "
            "that it was extracted to)"
        ) from error
    return found


def _read_meta(data: bytes, name: str) -> tuple[tuple[ClassInfo, ...], int]:
    try:
        rows = read_structs(data, "synsets", _FIELDS, _MAX_UNPACKED_BYTES)
    except MatFileError as error:
        raise InputError(
            f"`labels.devkit`: {META_NAME} in {name} cannot be read: {error}"
        ) from error
    leaves = [row for row in rows if row[3] == 0]
    if not leaves:
        raise InputError(f"`labels.devkit`: {META_NAME} in {name} has no class without children")
    classes = tuple(_class_info(row, name) for row in leaves)
    for what in ("wnid", "ilsvrc2012_id"):
        if len({getattr(info, what) for info in classes}) != len(classes):
            raise InputError(
                f"`labels.devkit`: {META_NAME} in {name} has two classes with one {what}"
            )
    return classes, len(rows) - len(classes)


def _class_info(row: tuple[Value, ...], name: str) -> ClassInfo:
    number, wnid, words, _ = row
    if not isinstance(wnid, str) or not wnid:
        raise InputError(f"`labels.devkit`: {META_NAME} in {name} has a class without a WNID")
    if not isinstance(number, float) or not number.is_integer() or number < 1:
        raise InputError(
            f"`labels.devkit`: {META_NAME} in {name} has the ILSVRC2012_ID {number} for {wnid};"
            " expected a whole number from 1"
        )
    text = " ".join(words.split()) if isinstance(words, str) else ""
    return ClassInfo(wnid, text, int(number))


def _ground_truth(data: bytes, numbers: set[int], name: str) -> Iterator[int]:
    for line_number, line in enumerate(data.rstrip().splitlines(), 1):
        word = line.strip()
        if not word.isdigit() or len(word) > 9 or int(word) not in numbers:
            shown = word[:40].decode("utf-8", "replace")
            raise InputError(
                f"`labels.devkit`: line {line_number} of {GROUND_TRUTH_NAME} in {name} is "
                f"{shown!r}; expected the ILSVRC2012_ID of a class, {min(numbers)} to "
                f"{max(numbers)}"
            )
        yield int(word)
