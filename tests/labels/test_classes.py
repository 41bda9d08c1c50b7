"""Class tables: the label numberings, unique names and the files written from them."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import (
    ClassInfo,
    ClassTable,
    classes_csv,
    labels_txt,
    read_classes_csv,
)

TENCH = ClassInfo("n01440764", "tench, Tinca tinca", 449)
KIT_FOX = ClassInfo("n02119789", "kit fox, Vulpes macrotis", 1)
BIRD = ClassInfo("n02012849", "crane", 429)
MACHINE = ClassInfo("n03126707", "crane", 663)


@pytest.mark.parametrize(
    ("base", "order", "tench", "fox"),
    [(1, "wnid", 1, 2), (0, "wnid", 0, 1), (1, "ilsvrc2012_id", 2, 1), (0, "listed", 1, 0)],
)
def test_order_and_base_decide_the_label(base: int, order: str, tench: int, fox: int) -> None:
    table = ClassTable.build([KIT_FOX, TENCH], base, order)
    assert (table.label_of("n01440764"), table.label_of("n02119789")) == (tench, fox)
    assert (table.base, table.order, len(table)) == (base, order, 2)


def test_a_table_answers_for_its_classes_only() -> None:
    table = ClassTable.build([KIT_FOX, TENCH])
    assert "n01440764" in table
    assert "n00000000" not in table
    assert table.info("n01440764") == TENCH
    with pytest.raises(KeyError):
        table.label_of("n00000000")


def test_a_table_survives_pickling() -> None:
    table = ClassTable.build([KIT_FOX, TENCH], 0, "ilsvrc2012_id")
    copy = pickle.loads(pickle.dumps(table))  # noqa: S301
    assert copy == table
    assert copy.label_of("n01440764") == 1
    assert copy != ClassTable.build([KIT_FOX, TENCH], 1, "ilsvrc2012_id")


@pytest.mark.parametrize(
    ("classes", "base", "order", "sentence"),
    [
        ([ClassInfo("n01440764"), KIT_FOX], 1, "ilsvrc2012_id", "1 of 2 classes have none"),
        ([TENCH, KIT_FOX._replace(ilsvrc2012_id=449)], 1, "ilsvrc2012_id", "449 stands for more"),
        ([TENCH, TENCH], 1, "wnid", "n01440764 is listed twice"),
        ([TENCH], 2, "wnid", "`labels.base`=2 cannot be used"),
        ([TENCH], 1, "name", "`labels.order`=name is unknown"),
    ],
)
def test_what_cannot_be_numbered_is_refused(
    classes: list[ClassInfo], base: int, order: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        ClassTable.build(classes, base, order)


def test_names_that_clash_are_told_apart() -> None:
    texts = {
        "n02012849": "crane",
        "n03126707": "crane",
        "n02113186": "Cardigan, Cardigan Welsh corgi",
        "n02963159": "cardigan",
        "n03710637": "maillot",
        "n03710721": "maillot, tank suit",
        "n04355933": "sunglasses",
        "n04356056": "sunglasses, dark glasses, shades",
        "n03773504": "missile",
        "n04008634": "missile, missile, projectile",
        "n01440764": "tench, Tinca tinca",
        "roses": "",
    }
    table = ClassTable.build([ClassInfo(*item) for item in texts.items()], order="listed")
    assert table.unique_names() == (
        "crane (n02012849)",
        "crane (n03126707)",
        "Cardigan (Cardigan Welsh corgi)",
        "cardigan (n02963159)",
        "maillot (n03710637)",
        "maillot (tank suit)",
        "sunglasses (n04355933)",
        "sunglasses (dark glasses)",
        "missile (n03773504)",
        "missile (projectile)",
        "tench",
        "roses",
    )


def test_a_text_that_equals_a_name_made_unique() -> None:
    third = ClassInfo("n09000000", "Crane (N03126707)")
    names = ClassTable.build([BIRD, MACHINE, third]).unique_names()
    assert names == ("crane (n02012849)", "crane (n03126707) 2", "Crane (N03126707)")


_WORD = st.sampled_from(["a", "A", "b", "a (b)", "A (b) 2", "a (a)", "ß", "SS", "", " a ", "b  a"])
_CLASSES = st.lists(
    st.builds(ClassInfo, _WORD | st.text(max_size=4), st.lists(_WORD, max_size=3).map(",".join)),
    unique_by=lambda info: info.wnid,
    max_size=12,
)


@given(classes=_CLASSES)
def test_names_are_always_unique_ignoring_case(classes: list[ClassInfo]) -> None:
    names = ClassTable.build(classes).unique_names()
    assert len({name.casefold() for name in names}) == len(classes)
    backwards = ClassTable.build(classes[::-1], order="listed").unique_names()
    assert sorted(backwards) == sorted(names)


def test_labels_txt_is_what_slim_reads() -> None:
    classes = [TENCH, BIRD, MACHINE]
    assert labels_txt(ClassTable.build(classes)) == (
        "0:background\n1:tench\n2:crane (n02012849)\n3:crane (n03126707)\n"
    )
    assert labels_txt(ClassTable.build(classes, base=0)).startswith("0:tench\n1:crane")


def test_classes_csv_says_order_and_base_first() -> None:
    table = ClassTable.build([TENCH, ClassInfo("n01443537")], 0)
    assert classes_csv(table) == (
        "# label_order=wnid label_base=0\n"
        "label,ilsvrc2012_id,wnid,text,unique_name\n"
        '0,449,n01440764,"tench, Tinca tinca",tench\n'
        "1,,n01443537,,n01443537\n"
    )


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=9)


@given(
    classes=st.lists(
        st.builds(ClassInfo, _TEXT, _TEXT, st.integers(0, 9)), unique_by=lambda info: info.wnid
    ),
    base=st.sampled_from([0, 1]),
)
def test_classes_csv_is_read_back(classes: list[ClassInfo], base: int) -> None:
    table = ClassTable.build(classes, base, "listed")
    assert read_classes_csv(classes_csv(table), "classes.csv") == table


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("# label", "label", "its first line does not say"),
        ("label_base=1", "label_base=7", "its first line does not say"),
        ("ilsvrc2012_id,", "id,", "its second line is not"),
        ("2,1,n02119789", "3,1,n02119789", "where label 2 should stand"),
        ("2,1,n02119789", "2,one,n02119789", "where label 2 should stand"),
        ("Vulpes", '"Vulpes', "is not the classes.csv"),
    ],
)
def test_another_csv_is_refused(old: str, new: str, sentence: str) -> None:
    text = classes_csv(ClassTable.build([TENCH, KIT_FOX]))
    with pytest.raises(InputError, match=sentence):
        read_classes_csv(text.replace(old, new), "classes.csv")


def test_a_class_that_is_called_by_its_own_name_keeps_its_commas():
    table = ClassTable((ClassInfo("boat, large", "boat, large"), ClassInfo("boat, small")), 0)
    assert table.unique_names()[0] == "boat, large"
