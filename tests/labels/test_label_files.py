"""Label files: each kind recognised by content, read exactly, refused where wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.label_files import (
    LabelFileKind,
    merge_agreeing,
    merge_texts,
    read_caffe_labels,
    read_class_list,
    read_class_texts,
    read_loc_solution,
    read_map_clsloc,
    read_validation_wnids,
    sniff_label_file,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FULL = DATA / "labels_full"
SAMPLE = DATA / "ilsvrc_sample" / "labels"

WNIDS = ("n01440764", "n01443537", "n02119789")
CLASS_LIST = b"n01440764\nn01443537\nn02119789\n"
VALIDATION = b"n02119789\nn01440764\nn02119789\n"
CAFFE = b"ILSVRC2012_val_00000001.JPEG 2\nILSVRC2012_val_00000003.JPEG 0\n"
SOLUTION = (
    b"ImageId,PredictionString\n"
    b"ILSVRC2012_val_00000003,n01440764 10 10 60 60 n01440764 1 2 3 4 \n"
    b"ILSVRC2012_val_00000001,n02119789 10 10 60 60 \n"
)
TEXTS = b"n01440764 tench, Tinca tinca\nn02119789\tkit fox, Vulpes macrotis\n"
CLSLOC = b"n02119789 1 kit_fox\nn01440764 449 tench\n"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (CLASS_LIST, LabelFileKind.CLASS_LIST),
        (VALIDATION, LabelFileKind.VALIDATION_WNIDS),
        (CAFFE, LabelFileKind.CAFFE_LABELS),
        (SOLUTION, LabelFileKind.LOC_SOLUTION),
        (TEXTS, LabelFileKind.CLASS_TEXTS),
        (CLSLOC, LabelFileKind.MAP_CLSLOC),
        (b"# label_order=wnid label_base=1\nlabel,\n", LabelFileKind.CLASSES_CSV),
    ],
    ids=lambda value: value.name if isinstance(value, LabelFileKind) else "",
)
@pytest.mark.parametrize("change", ["plain", "windows", "powershell", "blank"])
def test_a_kind_is_told_by_content(data: bytes, kind: LabelFileKind, change: str) -> None:
    changed = {
        "plain": data,
        "windows": b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
        "powershell": data.decode().encode("utf-16"),
        "blank": data + b"\r\n \n\n",
    }
    assert sniff_label_file(changed[change], "any.name") is kind


def test_windows_files_are_read_like_others() -> None:
    windows = b"\xef\xbb\xbf" + TEXTS.replace(b"\n", b"\r\n") + b"\r\n"
    assert read_class_texts(windows, "f") == {
        "n01440764": "tench, Tinca tinca",
        "n02119789": "kit fox, Vulpes macrotis",
    }


def test_each_reader_gives_the_exact_labels() -> None:
    assert read_class_list(CLASS_LIST, "f") == WNIDS
    assert read_class_list(b"daisy\nroses\n", "f", any_names=True) == ("daisy", "roses")
    assert read_validation_wnids(VALIDATION, "f") == {
        1: "n02119789",
        2: "n01440764",
        3: "n02119789",
    }
    assert read_caffe_labels(CAFFE, "f", WNIDS) == {1: "n02119789", 3: "n01440764"}
    assert read_loc_solution(SOLUTION, "f") == {1: "n02119789", 3: "n01440764"}
    assert read_map_clsloc(CLSLOC, "f") == {
        "n02119789": (1, "kit fox"),
        "n01440764": (449, "tench"),
    }


def test_folders_before_names_in_val_txt() -> None:
    data = b"./val/ILSVRC2012_val_00000002.JPEG 1\nval\\ILSVRC2012_val_00000001.jpeg\t2\n"
    assert read_caffe_labels(data, "f", WNIDS) == {2: "n01443537", 1: "n02119789"}


def _caffe(data: bytes, name: str) -> dict[int, str]:
    return read_caffe_labels(data, name, WNIDS)


VAL = b"ILSVRC2012_val_0000000"


@pytest.mark.parametrize(
    ("reader", "data", "sentence"),
    [
        (sniff_label_file, b"", "f is empty"),
        (sniff_label_file, b"<!DOCTYPE html>", "f is a web page"),
        (sniff_label_file, b"\xff\xd8\xff\xe0", "f is not a text file"),
        (sniff_label_file, b"tench\n", "f is no label file: it starts with 'tench'"),
        (read_class_list, b"n01440764\nn0144\n", "line 2 of f is 'n0144'; expected a wnid"),
        (read_class_list, b"n01440764\n\nn01443537\n", "line 2 of f is blank"),
        (read_class_list, VALIDATION, "line 3 of f repeats n02119789 of line 1"),
        (read_validation_wnids, b"n01440764\n7\n", "line 2 of f is '7'; expected a wnid"),
        (_caffe, b"ILSVRC2012_test_00000001.JPEG 0\n", "f lists test images"),
        (_caffe, VAL + b"1.JPEG 0\n" + VAL + b"2.JPEG 0\n", "f has label 0 for each of its 2"),
        (_caffe, VAL + b"1.JPEG 4\n", "label 4, but with 3 classes its labels go from 0 to 2$"),
        (
            _caffe,
            VAL + b"1.JPEG 1\n" + VAL + b"2.JPEG 3\n",
            "from 0 to 2; its labels seem to count",
        ),
        (_caffe, b"n01440764/n01440764_1.JPEG 0\n", "line 1 of f .* expected a name such as"),
        (
            _caffe,
            VAL + b"1.JPEG 1\n" + VAL + b"1.JPEG 2\n",
            "line 2 of f gives the image 1 as n021",
        ),
        (
            read_loc_solution,
            b"ImageId,Label\n",
            "line 1 of f is 'ImageId,Label'; expected the head",
        ),
        (read_loc_solution, SOLUTION.replace(b",n0144", b",x"), "line 2 of f is 'ILSVRC2012_val_"),
        (read_loc_solution, SOLUTION + b"n02017213_7894,n02017213 1\n", "line 4 of f is 'n0201"),
        (read_class_texts, b"n01440764 tench\nn02119789\n", "line 2 of f is 'n02119789'; expected"),
        (read_class_texts, TEXTS + b"n01440764 carp\n", "line 3 of f gives the class n01440764 as"),
        (read_map_clsloc, b"n02119789 0 kit_fox\n", "line 1 of f is .* expected 'n02119789 1 kit"),
    ],
)
def test_what_cannot_be_right_is_refused(
    reader: Callable[[bytes, str], Any], data: bytes, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        reader(data, "f")


def test_the_first_three_disagreements_are_shown() -> None:
    a = {1: "n1", 2: "n2", 3: "n3", 4: "n4", 5: "n5"}
    b = {1: "n1", 2: "x2", 3: "x3", 4: "x4", 5: "x5", 6: "only here"}
    with pytest.raises(InputError) as refused:
        merge_agreeing([("val.txt", a), ("kit.tar", b)])
    assert str(refused.value) == (
        "val.txt and kit.tar disagree on 4 of 5 entries (2: n2 against x2; 3: n3 against x3;"
        " 4: n4 against x4; …); give only the one that is right"
    )


def test_sources_are_merged_when_they_agree() -> None:
    assert merge_agreeing([("a", {1: "n1"}), ("b", {1: "n1", 2: "n2"})]) == {1: "n1", 2: "n2"}
    assert merge_agreeing([("a", {}), ("b", {2: "n2"})]) == {2: "n2"}
    with pytest.raises(InputError, match=r"^b and c disagree on 1 of 1 entries \(2: n2 against n3"):
        merge_agreeing([("a", {1: "n1"}), ("b", {2: "n2"}), ("c", {2: "n3"})])


def test_texts_agree_when_they_share_a_synonym() -> None:
    long, short = {"n01440764": "tench, Tinca tinca"}, {"n01440764": "Tench", "n1": "x"}
    assert merge_texts([("a", long), ("b", short)]) == {**short, **long}
    with pytest.raises(InputError, match="tench, Tinca tinca against kit fox"):
        merge_texts([("a", long), ("b", {"n01440764": "kit fox"})])


@pytest.mark.skipif(not FULL.exists(), reason="the label files of ImageNet are not here")
def test_known_answers_of_imagenet() -> None:
    wnids = read_class_list((FULL / "imagenet_lsvrc_2015_synsets.txt").read_bytes(), "f")
    truth = read_validation_wnids(
        (FULL / "imagenet_2012_validation_synset_labels.txt").read_bytes(), "f"
    )
    texts = read_class_texts((FULL / "imagenet_metadata.txt").read_bytes(), "f")
    assert wnids == tuple(sorted(wnids))
    assert [truth[number] for number in (1, 2, 3)] == ["n01751748", "n09193705", "n02105855"]
    labels = [wnids.index(truth[number]) for number in range(1, 7)]
    assert labels == [65, 970, 230, 809, 516, 57]
    assert (len(wnids), len(truth), len(texts)) == (1000, 50_000, 21_842)
    assert (wnids[0], texts[wnids[0]]) == ("n01440764", "tench, Tinca tinca")
    assert wnids.index("n02119789") == 278
    assert texts["n03710721"] == "maillot, tank suit"


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of real photographs is not here")
def test_all_kinds_agree_on_the_sample() -> None:
    files = {path.name: path.read_bytes() for path in SAMPLE.iterdir()}
    wnids = read_class_list(files["synsets.txt"], "f")
    truth = read_validation_wnids(files["imagenet_2012_validation_synset_labels.txt"], "f")
    assert (len(wnids), len(truth)) == (100, 200)
    assert read_caffe_labels(files["val.txt"], "f", wnids) == truth
    assert read_loc_solution(files["LOC_val_solution.csv"], "f") == truth
    names = {
        wnid: text for wnid, (_, text) in read_map_clsloc(files["map_clsloc.txt"], "f").items()
    }
    texts = ("imagenet_metadata.txt", "synset_words.txt", "LOC_synset_mapping.txt")
    merged = merge_texts([*((n, read_class_texts(files[n], n)) for n in texts), ("clsloc", names)])
    assert merged["n01440764"] == "tench, Tinca tinca"
    assert set(merged) == set(wnids)
