"""The classes of a data set and the numbers that readers see for them."""

import csv
import functools
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.plain_text import ODD, plain_json, shown

LABEL_BASES = (0, 1)
LABEL_ORDERS = ("wnid", "ilsvrc2012_id", "listed")
CLASSES_CSV_START = "# label_order="

_COMMENT = re.compile(
    rf"{CLASSES_CSV_START}(?P<order>{'|'.join(LABEL_ORDERS)}) label_base=(?P<base>[01])"
    r"(?P<escaped> escaped=1)?[,\s]*"
)  # spreadsheets fill up rows with commas
_TEXT_MARK = "'"
_FORMULAS = ("=", "+", "-", "@")
_CSV_HEADER = ["label", "ilsvrc2012_id", "wnid", "text", "unique_name"]


class ClassInfo(NamedTuple):
    """One class.

    Attributes:
        wnid: The key: "n01440764", or a folder's name where a data set has no WordNet ids.
        text: Its name and synonyms, the most usual first: "tench, Tinca tinca"; "" if unknown.
        ilsvrc2012_id: The devkit's number, counted from 1; 0 if unknown.
    """

    wnid: str
    text: str = ""
    ilsvrc2012_id: int = 0


@dataclass(frozen=True)
class ClassTable:
    """All classes in label order: class *i* has the label `base + i`.

    Three numberings are in use and people mix them up, so order and base are
    part of the table and are written wherever the table is written.

    Attributes:
        classes: The classes in label order.
        base: The label of the first class, 0 or 1. With 1, label 0 is reserved for "background".
        order: How the classes were ordered, one of `LABEL_ORDERS`.
    """

    classes: tuple[ClassInfo, ...]
    base: int = 1
    order: str = "wnid"

    def __post_init__(self) -> None:
        if self.base not in LABEL_BASES:
            raise InputError(
                f"`labels.base`={self.base} cannot be used; it is 1 (0 means background) or 0 (no "
                "background)"
            )
        if self.order not in LABEL_ORDERS:
            raise InputError(f"`labels.order`={self.order} is unknown; it is wnid or ilsvrc2012_id")
        if len(self._positions) != len(self.classes):
            raise InputError(
                f"the class {_first_repeated(info.wnid for info in self.classes)} is listed twice;"
                " each class may have one label only"
            )

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {info.wnid: index for index, info in enumerate(self.classes)}

    @classmethod
    def build(
        cls, classes: Iterable[ClassInfo], base: int = base, order: str = order
    ) -> "ClassTable":
        """Orders the classes and numbers them.

        Args:
            classes: Every class once, in any order.
            base: The first label.
            order: "wnid" sorts by wnid (Caffe, torchvision, TFDS with base 0;
                inception and slim with base 1), "ilsvrc2012_id" by the devkit's
                number, "listed" keeps the given order.

        Raises:
            InputError: The order needs numbers that are not known, or a class is repeated.
        """
        listed = tuple(classes)
        if order == "wnid":
            listed = tuple(sorted(listed, key=lambda info: info.wnid))
        elif order == "ilsvrc2012_id":
            _check_ids(listed)
            listed = tuple(sorted(listed, key=lambda info: info.ilsvrc2012_id))
        return cls(listed, base, order)

    def __contains__(self, wnid: object) -> bool:
        return wnid in self._positions

    def __len__(self) -> int:
        return len(self.classes)

    def label_of(self, wnid: str) -> int:
        """The label of a class; raises KeyError for an unknown one."""
        return self.base + self._positions[wnid]

    def info(self, wnid: str) -> ClassInfo:
        """What is known about a class; raises KeyError for an unknown one."""
        return self.classes[self._positions[wnid]]

    def unique_names(self) -> tuple[str, ...]:
        """One short name a class, in label order, no two alike ignoring case.

        It is the first lemma. Where two classes share it, as the two cranes do,
        each takes a lemma that the others lack, "maillot (tank suit)", and failing
        that its wnid, "crane (n03126707)". The names do not depend on the order.
        """
        names = _unique_names(sorted(self.classes, key=lambda info: info.wnid))
        return tuple(names[info.wnid] for info in self.classes)


def _check_ids(classes: tuple[ClassInfo, ...]) -> None:
    unknown = [info.wnid for info in classes if info.ilsvrc2012_id < 1]
    if unknown:
        raise InputError(
            "`labels.order`=ilsvrc2012_id needs the ILSVRC2012_ID of every class, but"
            f" {len(unknown)} of {len(classes)} classes have none (the first is {unknown[0]});"
            " give `labels.devkit` or map_clsloc.txt, or use `labels.order`=wnid"
        )
    if len({info.ilsvrc2012_id for info in classes}) != len(classes):
        number = _first_repeated(info.ilsvrc2012_id for info in classes)
        raise InputError(
            f"`labels.order`=ilsvrc2012_id needs one ILSVRC2012_ID a class, but {number} stands"
            " for more than one; use `labels.order`=wnid"
        )


def _first_repeated(keys: Iterable[object]) -> object:
    return next(key for key, count in Counter(keys).items() if count > 1)


def lemmas(text: str) -> tuple[str, ...]:
    """The synonyms in a class's text, with single blanks."""
    parts = (" ".join(part.split()) for part in text.split(","))
    return tuple(part for part in parts if part)


def _lemmas_of(info: ClassInfo) -> tuple[str, ...]:
    """The synonyms of a class, at least one."""
    if info.text == info.wnid:  # one name, not a list of synonyms, even with a comma in it
        return (" ".join(info.text.split()),)
    return lemmas(info.text) or (info.wnid,)


def _unique_names(classes: list[ClassInfo]) -> dict[str, str]:
    synonyms = {info.wnid: _lemmas_of(info) for info in classes}
    rivals: dict[str, list[str]] = {}
    for wnid, words in synonyms.items():
        rivals.setdefault(words[0].casefold(), []).append(wnid)
    names = {wnid: words[0] for wnid, words in synonyms.items()}
    taken = {folded for folded, wnids in rivals.items() if len(wnids) == 1}
    for wnids in rivals.values():
        if len(wnids) > 1:
            known = Counter(
                lemma for wnid in wnids for lemma in {word.casefold() for word in synonyms[wnid]}
            )
            for wnid in wnids:
                candidates = _told_apart(wnid, synonyms[wnid], known)
                names[wnid] = next(name for name in candidates if name.casefold() not in taken)
                taken.add(names[wnid].casefold())
    return names


def _told_apart(wnid: str, words: tuple[str, ...], known: Counter[str]) -> Iterator[str]:
    """Names for a class whose first lemma others have too, best first, without end.

    `known` counts how many of the classes with this first lemma have each lemma, ignoring case.
    """
    for lemma in words[1:]:
        if known[lemma.casefold()] == 1:
            yield f"{words[0]} ({lemma})"
    yield f"{words[0]} ({wnid})"
    for number in itertools.count(2):  # texts may be anything, even another name in parentheses
        yield f"{words[0]} ({wnid}) {number}"


def labels_txt(table: ClassTable) -> str:
    """Slim's `labels.txt`: a line `label:name` a class.

    slim's reader splits at the first colon and skips empty lines. As its own
    ImageNet file does, label 0 is "background" where labels start with 1. The
    names are unique, so that a map from names back to labels loses no class. What cannot
    be shown in them is an escape.
    """
    lines = ["0:background"] if table.base == 1 else []
    names = map(shown, table.unique_names())
    lines += [f"{label}:{name}" for label, name in enumerate(names, table.base)]
    return "".join(f"{line}\n" for line in lines)


def classes_csv(table: ClassTable) -> str:
    """The whole table as CSV, headed by a comment with its order and base.

    Where a text has a character that cannot be shown, or begins like a spreadsheet's formula,
    the comment says `escaped=1`: then all texts are those within JSON's quotes, and an
    apostrophe stands before what would begin like a formula, or with an apostrophe.
    """
    out = io.StringIO()
    names = zip(table.classes, table.unique_names(), strict=True)
    rows = [(info.ilsvrc2012_id or "", (info.wnid, info.text, name)) for info, name in names]
    is_escaped = any(ODD.search(cell) or cell[:1] in _FORMULAS for _, row in rows for cell in row)
    mark = " escaped=1" if is_escaped else ""
    out.write(f"{CLASSES_CSV_START}{table.order} label_base={table.base}{mark}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_HEADER)
    for label, (number, cells) in enumerate(rows, table.base):
        shown_cells = map(_escaped, cells) if is_escaped else cells
        writer.writerow([label, number, *shown_cells])
    return out.getvalue()


def _escaped(cell: str) -> str:
    text = plain_json(json.dumps(cell, ensure_ascii=False))[1:-1]
    return _TEXT_MARK + text if text.startswith((*_FORMULAS, _TEXT_MARK)) else text


def _unescaped(cell: str) -> str:
    text: str = json.loads(f'"{cell.removeprefix(_TEXT_MARK)}"')
    return text


def read_classes_csv(text: str, name: str) -> ClassTable:
    """Reads what `classes_csv` wrote, its line ends untouched.

    Raises:
        InputError: It is another kind of file, or was edited so that labels do not count up.
    """
    comment, _, rest = text.partition("\n")
    settings = _COMMENT.fullmatch(comment)
    if settings is None:
        raise InputError(
            f"{name} is not the classes.csv of an earlier run: its first line does not say"
            " '# label_order=… label_base=…'"
        )
    try:
        rows = list(csv.reader(io.StringIO(rest, newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{name} is not the classes.csv of an earlier run: {error}") from error
    if not rows or rows[0] != _CSV_HEADER:
        raise InputError(
            f"{name} is not the classes.csv of an earlier run: its second line is not"
            f" {','.join(_CSV_HEADER)}"
        )
    base, classes = int(settings["base"]), []
    for label, row in enumerate(rows[1:], base):
        if len(row) != len(_CSV_HEADER) or row[0] != str(label) or not (row[1] or "0").isdecimal():
            raise InputError(
                f"{name} cannot be used as classes.csv: where label {label} should stand it has"
                f" {','.join(row)!r}"
            )
        try:
            wnid, words = map(_unescaped, row[2:4]) if settings["escaped"] else row[2:4]
        except ValueError as error:
            raise InputError(
                f"{name} cannot be used as classes.csv: its first line says that texts are "
                f"escaped, and those of label {label} are not ({error})"
            ) from error
        classes.append(ClassInfo(wnid, words, int(row[1] or 0)))
    return ClassTable(tuple(classes), base, settings["order"])
