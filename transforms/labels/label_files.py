"""The label files that people have, recognised by what is in them, not by their names.

Everything here is keyed by wnid or by the number in a validation image's name.
Joining by position instead shifts all later labels as soon as one file is missing.
"""

import enum
import itertools
import operator
import re
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeVar

from imagenet_beam.transforms.archives.official_names import WNID, is_wnid, validation_number
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import CLASSES_CSV_START, lemmas
from imagenet_beam.transforms.labels.known_answers import BY_ID, ZERO_BASED, numbering_of

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")

_NUMBER = re.compile(r"[0-9]{1,9}")
_NAME_AND_NUMBER = re.compile(r"\S+[ \t]+[0-9]{1,9}")
_WNID_NUMBER_WORD = re.compile(rf"({WNID.pattern})[ \t]+([0-9]{{1,9}})[ \t]+(\S+)")
_WNID_AND_TEXT = re.compile(rf"({WNID.pattern})[ \t]+(\S.*)")
_SOLUTION_HEADER = "ImageId,PredictionString"
_SHOWN_CHARACTERS = 60


class LabelFileKind(enum.Enum):
    """What a label file is, with the reader for it."""

    CLASS_LIST = "a list of classes, one wnid a line"  # read_class_list
    VALIDATION_WNIDS = "one wnid for each validation image"  # read_validation_wnids
    CAFFE_LABELS = "lines of file name and 0-based label"  # read_caffe_labels
    LOC_SOLUTION = "Kaggle's LOC_val_solution.csv"  # read_loc_solution
    GROUND_TRUTH = "the devkit's ground truth, one ILSVRC2012_ID a line"  # read_ground_truth
    CLASS_TEXTS = "lines of wnid and text"  # read_class_texts
    MAP_CLSLOC = "lines of wnid, ILSVRC2012_ID and name"  # read_map_clsloc
    CLASSES_CSV = "the classes.csv of an earlier run"  # classes.read_classes_csv


def sniff_label_file(data: bytes, name: str) -> LabelFileKind:
    """Tells what kind of label file this is by its content.

    A list of wnids in which some appear more than once labels the validation
    images; one without repetitions lists the classes.

    Raises:
        InputError: It is none of the kinds.
    """
    lines = _lines(data, name)
    sample = lines[:20]
    if lines[0] == _SOLUTION_HEADER:
        return LabelFileKind.LOC_SOLUTION
    if lines[0].startswith(CLASSES_CSV_START):
        return LabelFileKind.CLASSES_CSV
    if all(map(is_wnid, sample)):
        repeated = len(set(lines)) < len(lines)
        return LabelFileKind.VALIDATION_WNIDS if repeated else LabelFileKind.CLASS_LIST
    if all(_WNID_NUMBER_WORD.fullmatch(line) for line in sample):
        return LabelFileKind.MAP_CLSLOC
    if all(_WNID_AND_TEXT.fullmatch(line) for line in sample):
        return LabelFileKind.CLASS_TEXTS
    if all(_NAME_AND_NUMBER.fullmatch(line) for line in sample):
        return LabelFileKind.CAFFE_LABELS
    if all(map(_NUMBER.fullmatch, sample)):
        return LabelFileKind.GROUND_TRUTH
    raise InputError(
        f"{name} is no label file: it starts with {_shown(lines[0])}; expected lines such as"
        " 'n01440764', 'n01440764 tench, Tinca tinca', 'n01440764 449 tench',"
        f" 'ILSVRC2012_val_00000001.JPEG 65' or the header '{_SOLUTION_HEADER}'"
    )


def is_classes_csv(data: bytes, name: str) -> bool:
    """Whether this is the `classes.csv` of an earlier run; for files that may be anything else."""
    return decode_text(data, name).startswith(CLASSES_CSV_START)


def is_ground_truth(data: bytes, name: str) -> bool:
    """Whether this is a list of numbers; for files that may be anything else."""
    try:
        return sniff_label_file(data, name) is LabelFileKind.GROUND_TRUTH
    except InputError:
        return False


def read_class_list(data: bytes, name: str, any_names: bool = False) -> tuple[str, ...]:
    """Reads classes, one a line: `imagenet_lsvrc_2015_synsets.txt`, Caffe's `synsets.txt`.

    With `any_names` also classes that are no wnids, for data sets that have none.
    """
    lines = _lines(data, name)
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not any_names and not is_wnid(line):
            _refuse(name, number, line, "a wnid such as n01440764")
        if seen.setdefault(line, number) != number:
            raise InputError(
                f"line {number} of {name} repeats {line} of line {seen[line]}; a class list names"
                " each class once, a file with one wnid for each validation image is none"
            )
    return tuple(lines)


def read_validation_wnids(data: bytes, name: str) -> dict[int, str]:
    """Reads `imagenet_2012_validation_synset_labels.txt`: line *i* is of validation image *i*."""
    wnids: dict[int, str] = {}
    for number, line in enumerate(_lines(data, name), 1):
        if not is_wnid(line):
            _refuse(name, number, line, "a wnid such as n01440764")
        wnids[number] = sys.intern(line)  # one string a class, not one an image
    return wnids


def read_caffe_labels(data: bytes, name: str, wnids: Sequence[str]) -> dict[int, str]:
    """Reads Caffe's `val.txt`, lines of file name and label: number in the name → wnid.

    `wnids` are the classes of label 0, 1, 2, …: Caffe's `synsets.txt`, or all wnids sorted.

    Raises:
        InputError: A line or label cannot be right, or it is `test.txt`, whose
            labels are all zero because nobody outside knows them.
    """
    pairs = [_caffe_line(line, number, name) for number, line in enumerate(_lines(data, name), 1)]
    labels = {label for _, label in pairs}
    found = numbering_of(dict(pairs))
    if found not in ("", ZERO_BASED):
        raise InputError(
            f"{name} is no val.txt of Caffe: the labels of images 1 to 6 are {found}, where "
            f"Caffe's are {ZERO_BASED}; give Caffe's, or the devkit"
        )
    _check_caffe_labels(labels, len(pairs), name, wnids)
    return _unrepeated(((image, wnids[label]) for image, label in pairs), name, 1, "image")


def _caffe_line(line: str, number: int, name: str) -> tuple[int, int]:
    if not _NAME_AND_NUMBER.fullmatch(line):
        _refuse(name, number, line, "'ILSVRC2012_val_00000001.JPEG 65'")
    path, label = line.split()
    filename = path.replace("\\", "/").rpartition("/")[2]
    if filename.lower().startswith("ilsvrc2012_test_"):
        raise InputError(
            f"{name} lists test images, which have no labels: the zeros in Caffe's test.txt stand"
            " for 'unknown'; give val.txt"
        )
    image = validation_number(filename)
    if image is None:
        _refuse(name, number, line, "a name such as ILSVRC2012_val_00000001.JPEG")
    return image, int(label)


def _check_caffe_labels(labels: set[int], count: int, name: str, wnids: Sequence[str]) -> None:
    if labels == {0} and count > 1 and len(wnids) > 1:
        raise InputError(
            f"{name} has label 0 for each of its {count} images: it is no list of labels"
            " (in Caffe's test.txt the zeros stand for 'unknown'); give val.txt"
        )
    if max(labels) < len(wnids):
        return
    hint = (
        "; its labels seem to count from 1, or to be ILSVRC2012_IDs, which are other numbers"
        if max(labels) == len(wnids) > min(labels) > 0
        else ""
    )
    raise InputError(
        f"{name} has the label {max(labels)}, but with {len(wnids)} classes its labels go"
        f" from 0 to {len(wnids) - 1}{hint}"
    )


def read_ground_truth(data: bytes, name: str, wnids: Mapping[int, str]) -> dict[int, str]:
    """Reads `ILSVRC2012_validation_ground_truth.txt`: line *i* is of validation image *i*.

    `wnids` are the classes by ILSVRC2012_ID.
    """
    lines = _lines(data, name)
    for number, line in enumerate(lines, 1):
        if not _NUMBER.fullmatch(line):
            _refuse(name, number, line, "an ILSVRC2012_ID such as 490")
    ids = dict(enumerate(map(int, lines), 1))
    found = numbering_of(ids)
    if found not in ("", BY_ID):
        raise InputError(
            f"{name} is not the devkit's ground truth: its first six numbers are {found}, where "
            f"those of the ground truth are {BY_ID}; give the ground truth, or the devkit"
        )
    unknown = next((number for number, known in ids.items() if known not in wnids), None)
    if unknown:
        expected = f"the ILSVRC2012_ID of a class, {min(wnids)} to {max(wnids)}"
        _refuse(name, unknown, lines[unknown - 1], expected)
    return {number: wnids[known] for number, known in ids.items()}


def read_loc_solution(data: bytes, name: str) -> dict[int, str]:
    """Reads Kaggle's `LOC_val_solution.csv`: the first word of the second column is the wnid."""
    lines = _lines(data, name)
    if lines[0] != _SOLUTION_HEADER:
        _refuse(name, 1, lines[0], f"the header '{_SOLUTION_HEADER}'")

    def pairs() -> Iterator[tuple[int, str]]:
        for number, line in enumerate(lines[1:], 2):
            image_id, _, prediction = line.partition(",")
            image, wnid = validation_number(image_id), prediction.split(" ", 1)[0]
            if image is None or not is_wnid(wnid):
                _refuse(name, number, line, "'ILSVRC2012_val_00000001,n01751748 …'")
            yield image, sys.intern(wnid)

    return _unrepeated(pairs(), name, 2, "image")


def read_class_texts(data: bytes, name: str) -> dict[str, str]:
    """Reads `synset_words.txt`, `LOC_synset_mapping.txt`, `imagenet_metadata.txt`: wnid, text."""

    def pairs() -> Iterator[tuple[str, str]]:
        for number, line in enumerate(_lines(data, name), 1):
            match = _WNID_AND_TEXT.fullmatch(line)
            if match is None:
                _refuse(name, number, line, "'n01440764 tench, Tinca tinca'")
            yield match[1], match[2]

    return _unrepeated(pairs(), name, 1, "class")


def read_map_clsloc(data: bytes, name: str) -> dict[str, tuple[int, str]]:
    """Reads `map_clsloc.txt`: the ILSVRC2012_ID and the name of each wnid."""

    def pairs() -> Iterator[tuple[str, tuple[int, str]]]:
        for number, line in enumerate(_lines(data, name), 1):
            match = _WNID_NUMBER_WORD.fullmatch(line)
            if match is None or int(match[2]) < 1:
                _refuse(name, number, line, "'n02119789 1 kit_fox'")
            yield match[1], (int(match[2]), match[3].replace("_", " "))

    return _unrepeated(pairs(), name, 1, "class")


def merge_agreeing(
    sources: Sequence[tuple[str, Mapping[_K, _V]]],
    same: Callable[[_V, _V], bool] = operator.eq,
) -> dict[_K, _V]:
    """Merges sources, each with its name; earlier ones win.

    What only one of them has is no contradiction.

    Raises:
        InputError: Two of them contradict each other; the first three places are shown.
    """
    for (a_name, a), (b_name, b) in itertools.combinations(sources, 2):
        common = [key for key in a if key in b]
        wrong = [key for key in common if not same(a[key], b[key])]
        if wrong:
            shown = "; ".join(f"{k}: {_plain(a[k])} against {_plain(b[k])}" for k in wrong[:3])
            more = "; …" if len(wrong) > 3 else ""
            raise InputError(
                f"{a_name} and {b_name} disagree on {len(wrong)} of {len(common)} entries"
                f" ({shown}{more}); give only the one that is right"
            )
    return {key: value for _, source in reversed(sources) for key, value in source.items()}


def merge_texts(sources: Sequence[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """Merges class texts; earlier sources win.

    Files differ in how many synonyms they list, so two texts contradict each
    other only when they have no synonym in common.

    Raises:
        InputError: Two sources contradict each other.
    """
    return merge_agreeing(
        sources,
        lambda a, b: a == b or not set(lemmas(a.casefold())).isdisjoint(lemmas(b.casefold())),
    )


def decode_text(data: bytes, name: str) -> str:
    """The text of a label file, which editors may have saved in UTF-16 or with a mark.

    Raises:
        InputError: It is no text.
    """
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not a text file; expected a label file") from error


def _lines(data: bytes, name: str) -> list[str]:
    """The lines without line ends, without blank lines at the end; at least one."""
    lines = [line.strip() for line in decode_text(data, name).rstrip().split("\n")]
    if lines == [""]:
        raise InputError(f"{name} is empty; expected a label file")
    if lines[0].startswith("<"):
        raise InputError(f"{name} is a web page, probably of a failed download; download it again")
    if "" in lines:
        raise InputError(
            f"line {lines.index('') + 1} of {name} is blank although more lines follow;"
            " expected one entry a line"
        )
    return lines


def _unrepeated(pairs: Iterator[tuple[_K, _V]], name: str, first: int, what: str) -> dict[_K, _V]:
    """Collects pairs; a key that comes again must come with the same value."""
    result: dict[_K, _V] = {}
    for number, (key, value) in enumerate(pairs, first):
        if result.setdefault(key, value) != value:
            raise InputError(
                f"line {number} of {name} gives the {what} {key} as {_plain(value)}, but an"
                f" earlier line gave {_plain(result[key])}"
            )
    return result


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _shown(line: str) -> str:
    return repr(line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…")


def _refuse(name: str, number: int, line: str, expected: str) -> NoReturn:
    raise InputError(f"line {number} of {name} is {_shown(line)}; expected {expected}")
