"""Each label file through its flag: exact labels, and refusals where two contradict."""

import csv
import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.flags import flag_of
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable, classes_csv
from imagenet_beam.transforms.labels.read import load_labels
from imagenet_beam.transforms.labels.rule import with_classes
from imagenet_beam.transforms.labels.source import Labels, LabelSource
from imagenet_beam.transforms.storage.files import Storage

FULL = Path(__file__).parents[2].parent / "shared" / "data" / "labels_full"
STORAGE = Storage()


@pytest.fixture
def files(official):
    """The folder of label files that belongs to the official archives."""
    return official.train.parent / "labels"


def load(**flags) -> Labels:
    return load_labels(LabelSource(**flags), STORAGE)


def truth_of(official):
    return {int(name[15:23]): wnid for name, wnid in official.expected.validation.items()}


@pytest.mark.parametrize(
    "flags",
    [
        {"validation_labels": ("imagenet_2012_validation_synset_labels.txt",)},
        {"validation_labels": ("LOC_val_solution.csv",)},
        {"validation_labels": ("val.txt",), "labels_file": "synsets.txt"},
        {"validation_labels": ("val.txt", "LOC_val_solution.csv"), "labels_file": "synsets.txt"},
    ],
    ids=["synset_labels", "kaggle", "caffe", "two_that_agree"],
)
def test_validation_labels_of_each_kind(flags, files, official):
    paths = {
        name: tuple(str(files / path) for path in value)
        if isinstance(value, tuple)
        else str(files / value)
        for name, value in flags.items()
    }
    assert load(**paths).truth == truth_of(official)


@pytest.mark.parametrize("form", ["tar.gz", "tar", "folder"])
def test_the_devkit_in_each_form(form, official, tmp_path):
    devkit = official.devkit
    if form != "tar.gz":
        with tarfile.open(devkit) as tar:
            if form == "folder":
                devkit = tmp_path / "kit"
                tar.extractall(devkit, filter="data")
            else:  # what browsers on macOS leave
                devkit = tmp_path / "kit.tar"
                devkit.write_bytes(gzip.decompress(official.devkit.read_bytes()))
    labels = load(devkit=str(devkit))
    assert labels.truth == truth_of(official)
    assert [info.wnid for info in labels.classes.classes] == list(official.expected.wnids)
    assert {info.wnid: info.text for info in labels.classes.classes} == official.expected.words


@pytest.mark.parametrize(
    "name", ["imagenet_metadata.txt", "synset_words.txt", "LOC_synset_mapping.txt"]
)
def test_words_of_each_kind(name, files, official):
    found = with_classes(
        load(class_names=(str(files / name),)), official.expected.wnids, LabelSource()
    )
    assert {info.wnid: info.text for info in found.classes.classes} == official.expected.words


def test_map_clsloc_gives_the_order_by_ilsvrc2012_id(files, official):
    source = LabelSource(class_names=(str(files / "map_clsloc.txt"),), order="ilsvrc2012_id")
    table = with_classes(load_labels(source, STORAGE), official.expected.wnids, source).classes
    ids = official.expected.ilsvrc_ids
    assert {wnid: table.label_of(wnid) for wnid in ids} == ids


def test_a_labels_file_fixes_classes_and_order(files, official, tmp_path):
    turned = list(reversed(official.expected.wnids))
    path = tmp_path / "classes"
    path.write_text("\n".join(turned))
    table = load(labels_file=str(path), devkit=str(official.devkit), order="listed", base=0).classes
    assert [table.label_of(wnid) for wnid in turned] == [0, 1, 2, 3]
    assert table.info(turned[0]).text == official.expected.words[turned[0]]


def test_the_converted_labels_follow_order_and_base(official, convert, examples, tmp_path):
    done = convert(
        f"--validation_archive={official.validation}",
        f"--devkit={official.devkit}",
        "--label_order=ilsvrc2012_id",
        "--label_base=0",
        "--validation_shards=2",
        f"--output_dir={tmp_path}/out",
    )
    assert done.status == 0, done.message
    ids = official.expected.ilsvrc_ids
    for record in examples(tmp_path / "out", "validation"):
        wnid = official.expected.validation[record["image/filename"][0].decode()]
        assert record["image/class/label"] == [ids[wnid] - 1]
        assert record["image/class/synset"] == [wnid.encode()]
    written = (tmp_path / "out" / "classes.csv").read_text()
    assert written.startswith("# label_order=ilsvrc2012_id label_base=0\n")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["classes"] == {"count": 4, "label_base": 0, "label_order": "ilsvrc2012_id"}
    again = load(labels_file=str(tmp_path / "out" / "classes.csv"), order="listed", base=0)
    rows = list(csv.DictReader(io.StringIO(written.partition("\n")[2])))
    assert [str(again.classes.label_of(row["wnid"])) for row in rows] == ["0", "1", "2", "3"]


EDITED = {
    "as_written": lambda text: text.encode(),
    "mark": lambda text: text.encode("utf-8-sig"),
    "utf16": lambda text: text.encode("utf-16"),
    "spreadsheet": lambda text: text.replace("\n", ",,,\r\n", 1).encode("utf-8-sig"),
}


@pytest.mark.parametrize("any_names", [True, False])
@pytest.mark.parametrize("edited", EDITED)
def test_the_classes_csv_of_an_earlier_run_gives_all_that_it_says(any_names, edited, tmp_path):
    infos = (ClassInfo("n00000002", "tench, Tinca", 7), ClassInfo("n00000001", "kit fox", 3))
    if any_names:
        infos = (*infos, ClassInfo("daisy"))
    table = ClassTable(infos, base=0, order="listed")
    path = tmp_path / "classes.csv"
    path.write_bytes(EDITED[edited](classes_csv(table)))
    given = {"labels_file": str(path), "base": 0, "any_names": any_names}
    assert load(**given, order="listed").classes == table
    if not any_names:
        by_id = load(**given, order="ilsvrc2012_id").classes
        assert by_id.classes == infos[::-1]


def test_a_classes_csv_and_other_sources_complete_each_other(official, tmp_path):
    path, wnids = tmp_path / "classes.csv", official.expected.wnids
    path.write_text(classes_csv(ClassTable((ClassInfo(wnids[0], "", 0),), 1, "listed")))
    info = load(labels_file=str(path), devkit=str(official.devkit)).classes.info(wnids[0])
    assert info == ClassInfo(
        wnids[0], official.expected.words[wnids[0]], official.expected.ilsvrc_ids[wnids[0]]
    )
    path.write_text(classes_csv(ClassTable((ClassInfo(wnids[0], "a thing"),), 1, "listed")))
    with pytest.raises(InputError, match=r"classes.csv disagree on 1 of 1 entries"):
        load(labels_file=str(path), devkit=str(official.devkit))


def test_disagreeing_validation_labels_show_the_first_three(files, official, tmp_path):
    lines = (files / "imagenet_2012_validation_synset_labels.txt").read_text().split()
    other = tmp_path / "other.txt"
    other.write_text("\n".join([*lines[4:], *lines[:4]]))
    truth = truth_of(official)
    wrong = [n for n, wnid in enumerate([*lines[4:], *lines[:4]], 1) if truth[n] != wnid]
    with pytest.raises(InputError) as refused:
        load(devkit=str(official.devkit), validation_labels=(str(other),))
    message = str(refused.value)
    assert f"{official.devkit} and {other} disagree on {len(wrong)} of 8 entries" in message
    for number in wrong[:3]:
        assert f"{number}: {truth[number]} against" in message


def test_disagreeing_words_are_refused(official, tmp_path):
    words = tmp_path / "words"
    words.write_text("".join(f"{wnid} a thing\n" for wnid in official.expected.wnids))
    with pytest.raises(InputError, match=r"disagree on 4 of 4 entries .* against a thing"):
        load(devkit=str(official.devkit), class_names=(str(words),))


def test_a_class_list_that_is_not_the_devkits_is_refused(official, tmp_path):
    path = tmp_path / "list"
    path.write_text("n00000001\nn00000002\n")
    with pytest.raises(InputError, match=r"2 classes of the file are not in the devkit"):
        load(devkit=str(official.devkit), labels_file=str(path))


@pytest.mark.parametrize(
    ("field", "name", "better"),
    [
        ("validation_labels", "synsets.txt", "labels_file"),
        ("labels_file", "LOC_val_solution.csv", "validation_labels"),
        ("class_names", "val.txt", "validation_labels"),
        ("labels_file", "synset_words.txt", "class_names"),
    ],
)
def test_a_file_given_to_the_wrong_field_is_sent_to_the_right_one(field, name, better, files):
    value = str(files / name) if field == "labels_file" else (str(files / name),)
    with pytest.raises(InputError, match=f"give this file to `labels.{better}`"):
        load(**{field: value})


def test_caffe_numbers_need_the_list_that_they_number(files, refused, official):
    message = refused(
        f"--validation_archive={official.validation}", f"--validation_labels={files / 'val.txt'}"
    )
    assert "give Caffe's synsets.txt as --labels_file, too" in message


def test_without_labels_a_flat_validation_archive_is_refused(official, refused):
    message = refused(f"--validation_archive={official.validation}")
    assert "lies in no class folder; give --devkit, or --validation_labels" in message


@pytest.mark.skipif(not FULL.exists(), reason="the full label files are not on this machine")
def test_known_answers_of_the_full_files():
    labels = load(
        labels_file=str(FULL / "imagenet_lsvrc_2015_synsets.txt"),
        validation_labels=(str(FULL / "imagenet_2012_validation_synset_labels.txt"),),
        class_names=(str(FULL / "imagenet_metadata.txt"),),
        base=0,
        order="listed",
    )
    assert len(labels.classes) == 1000
    assert len(labels.truth) == 50_000
    assert [labels.truth[number] for number in (1, 2, 3)] == ["n01751748", "n09193705", "n02105855"]
    known = [labels.classes.label_of(labels.truth[number]) for number in range(1, 7)]
    assert known == [65, 970, 230, 809, 516, 57]
    assert labels.classes.label_of("n01440764") == 0
    assert labels.classes.label_of("n02119789") == 278
    names = [name.casefold() for name in labels.classes.unique_names()]
    assert len(set(names)) == 1000


def test_all_paths_that_are_read_are_known_with_their_fields():
    """Runners refuse by this list what their workers could not reach."""
    parser, _ = build_parser()
    fields = {
        "train_archive": "a,b*",
        "validation_directory": "c",
        "labels.devkit": "d",
        "labels.labels_file": "e",
        "labels.validation_labels": "f,g",
        "labels.class_names": "h",
        "bounding_boxes": "i,j",
        "selection.only_files": "k",
    }
    given = [f"{flag_of(field)}={value}" for field, value in fields.items()]
    args = parser.parse_args(["convert", "--output_dir=o", *given])
    expected = [(field, path) for field, value in fields.items() for path in value.split(",")]
    assert sorted(config_from_flags(args).input_paths()) == sorted(expected)
