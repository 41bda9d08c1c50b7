"""The ground truth alone, and lists that are numbered or ordered otherwise than they should be."""

import tarfile

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.label_files import read_map_clsloc
from imagenet_beam.transforms.labels.read import load_labels
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.storage.files import Storage

ANSWERS = {  # image: wnid, place among the sorted wnids, ILSVRC2012_ID
    1: ("n01751748", 65, 490),
    2: ("n09193705", 970, 361),
    3: ("n02105855", 230, 171),
    4: ("n04263257", 809, 822),
    5: ("n03125729", 516, 297),
    6: ("n01735189", 57, 482),
}


def load(**flags):
    paths = {
        name: tuple(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in flags.items()
    }
    return load_labels(LabelSource(**paths), Storage())


def a_thousand() -> list[str]:
    """As many classes as ILSVRC2012 has, the known ones in their places."""
    places = {place: wnid for wnid, place, _ in ANSWERS.values()}
    wnids, last = [], 1_000_000
    for place in range(1000):
        last = int(places[place][1:]) if place in places else last + 1
        wnids.append(f"n{last:08d}")
    return wnids


@pytest.fixture
def thousand(tmp_path):
    """`synsets.txt`, `map_clsloc.txt` and whatever else is written, for a thousand classes."""
    wnids = a_thousand()
    ids = {wnid: number for wnid, _, number in ANSWERS.values()}
    free = iter(sorted({*range(1, 1001)} - {*ids.values()}))
    rows = [f"{wnid} {ids.get(wnid) or next(free)} word_{wnid}" for wnid in wnids]
    (tmp_path / "synsets.txt").write_text("\n".join(wnids))
    (tmp_path / "map_clsloc.txt").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def truth_file(official, tmp_path):
    with tarfile.open(official.devkit) as tar:
        member = next(name for name in tar.getnames() if name.endswith("ground_truth.txt"))
        (path := tmp_path / "truth").write_bytes(tar.extractfile(member).read())
    return path


def test_the_ground_truth_with_map_clsloc(truth_file, official):
    words = official.train.parent / "labels" / "map_clsloc.txt"
    labels = load(validation_labels=[truth_file], class_names=[words])
    assert labels.truth == load(devkit=official.devkit).truth


def test_a_conversion_by_the_ground_truth_alone(truth_file, official, same):
    words = official.train.parent / "labels" / "map_clsloc.txt"
    synsets = official.train.parent / "labels" / "synset_words.txt"
    same(
        "validation",
        f"--validation_archive={official.validation}",
        f"--validation_labels={truth_file}",
        f"--class_names={words},{synsets}",
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--validation_labels={truth}", "{truth} holds the devkit's ground truth, one ILSVRC2012_"),
        ("--devkit={truth}", "{truth} holds the devkit's ground truth, one ILSVRC2012_ID a line"),
        ("--class_names={truth}", "{truth} holds the devkit's ground truth, one ILSVRC2012_ID a"),
    ],
)
def test_the_ground_truth_alone_is_named_for_what_it_is(flags, said, truth_file, official, refused):
    given = flags.format(truth=truth_file)
    message = refused(f"--validation_archive={official.validation}", given)
    assert f"{given.partition('=')[0]}={said.format(truth=truth_file)}" in message
    assert ("give map_clsloc.txt as --class_names, too" in message) == ("validation" in flags)


def test_a_ground_truth_with_other_numbers(truth_file, official):
    words = official.train.parent / "labels" / "map_clsloc.txt"
    truth_file.write_text("1\n2\n5\n")
    with pytest.raises(
        InputError, match=r"line 3 of .*truth is '5'; expected the ILSVRC2012_ID of"
    ):
        load(validation_labels=[truth_file], class_names=[words])
    truth_file.write_text("1\nn01440764\n")
    with pytest.raises(InputError, match=r"truth is no label file: it starts with '1'"):
        load(validation_labels=[truth_file], class_names=[words])


def test_two_classes_of_one_number(truth_file, official, tmp_path):
    words = official.train.parent / "labels" / "map_clsloc.txt"
    (first, *_), rows = read_map_clsloc(words.read_bytes(), "").items(), []
    rows = [f"{wnid} {first[1][0]} word" for wnid in read_map_clsloc(words.read_bytes(), "")]
    (doubled := tmp_path / "doubled").write_text("\n".join(rows))
    with pytest.raises(InputError, match="gives more than one class the ILSVRC2012_ID"):
        load(validation_labels=[truth_file], class_names=[doubled])


NUMBERED = {
    "sorted wnids, counted from 0": lambda place, ilsvrc2012_id: place,
    "sorted wnids, counted from 1": lambda place, ilsvrc2012_id: place + 1,
    "ILSVRC2012_IDs, as of the devkit and map_clsloc.txt": lambda place, ilsvrc2012_id: (
        ilsvrc2012_id
    ),
    "ILSVRC2012_IDs less 1": lambda place, ilsvrc2012_id: ilsvrc2012_id - 1,
}


@pytest.mark.parametrize("numbering", NUMBERED)
def test_the_numbering_of_a_list_is_told_by_its_answers(numbering, thousand):
    numbers = {i: NUMBERED[numbering](place, own) for i, (_, place, own) in ANSWERS.items()}
    numbers |= {7: 999, 8: 1000} if numbering.startswith("ILSVRC2012_IDs,") else {7: 999}
    lines = [f"ILSVRC2012_val_{i:08d}.JPEG {number}" for i, number in numbers.items()]
    (thousand / "val.txt").write_text("\n".join(lines))
    (thousand / "truth.txt").write_text("\n".join(map(str, numbers.values())))
    expected = {i: wnid for i, (wnid, _, _) in ANSWERS.items()}
    caffe = {"validation_labels": [thousand / "val.txt"], "labels_file": thousand / "synsets.txt"}
    if numbering == "sorted wnids, counted from 0":
        assert expected.items() <= load(**caffe).truth.items()
    else:
        with pytest.raises(InputError) as refused:
            load(**caffe)
        assert f"the labels of images 1 to 6 are {numbering}, where" in str(refused.value)
    alone = {
        "validation_labels": [thousand / "truth.txt"],
        "class_names": [thousand / "map_clsloc.txt"],
    }
    if numbering.startswith("ILSVRC2012_IDs,"):
        assert expected.items() <= load(**alone).truth.items()
    else:
        with pytest.raises(InputError) as refused:
            load(**alone)
        assert f"its first six numbers are {numbering}, where those" in str(refused.value)


LISTS = {
    "wnids": lambda wnids: "\n".join(wnids.values()),
    "kaggle": lambda wnids: (
        "ImageId,PredictionString\n"
        + "\n".join(f"ILSVRC2012_val_{i:08d},{wnid} 1 1 9 9" for i, wnid in wnids.items())
    ),
    "caffe": lambda wnids: "\n".join(
        f"ILSVRC2012_val_{i:08d}.JPEG {a_thousand().index(wnid)}" for i, wnid in wnids.items()
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_with_wrong_answers_is_refused(kind, thousand):
    wnids = {i: wnid for i, (wnid, _, _) in ANSWERS.items()} | {7: "n01735189", 8: "n01735189"}
    given = {"validation_labels": [thousand / "list"], "labels_file": thousand / "synsets.txt"}
    (thousand / "list").write_text(LISTS[kind](wnids))
    assert load(**given).truth == wnids
    shifted = dict(enumerate([*wnids.values()][1:], 1))  # as where one line is missing
    (thousand / "list").write_text(LISTS[kind](shifted))
    with pytest.raises(InputError) as refused:
        load(**given)
    assert (
        "list gives the validation images of ILSVRC2012 wrong classes (image 1: n09193705, and it "
        "is n01751748; image 2: n02105855, and it is n09193705; image 3: n04263257, and it is "
        "n02105855; …)" in str(refused.value)
    )


def test_a_whole_list_is_told_without_a_list_of_classes(thousand):
    wnids = [wnid for wnid, _, _ in ANSWERS.values()] + a_thousand()
    (thousand / "list").write_text("\n".join(wnids))
    assert len(load(validation_labels=[thousand / "list"]).truth) == 1006
    (thousand / "list").write_text("\n".join(wnids[6:] + wnids[:6]))
    with pytest.raises(
        InputError, match=r"gives the validation images of ILSVRC2012 wrong classes"
    ):
        load(validation_labels=[thousand / "list"])


def test_other_classes_have_answers_of_their_own(thousand):
    wnids = a_thousand()[:-1]  # not those of ILSVRC2012
    (thousand / "list").write_text("\n".join([*wnids, wnids[0]]))
    assert load(validation_labels=[thousand / "list"]).truth[1] == wnids[0]
