"""Names and texts with control characters, or with those that turn text around."""

import csv
import io
import json

import pytest

from imagenet_beam.pipeline.manifest_file import manifest_json
from imagenet_beam.pipeline.progress import Display, View
from imagenet_beam.pipeline.reading.page import make_page
from imagenet_beam.runners.cli import main
from imagenet_beam.runners.steps import say
from imagenet_beam.transforms.elements import Reject, ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import (
    ClassInfo,
    ClassTable,
    classes_csv,
    labels_txt,
    read_classes_csv,
)
from imagenet_beam.transforms.plain_text import clean_name, plain_json, shown, shown_lines
from imagenet_beam.transforms.records.receipts import reject_lines
from imagenet_beam.transforms.storage.files import Storage

ODD = "a\x00b\x1b[2Jc\x7fd\x9be\u2028f\u202eg\u2066h\u200fi\u061cj"
ESCAPED = r"a\x00b\x1b[2Jc\x7fd\x9be\u2028f\u202eg\u2066h\u200fi\u061cj"


def has_odd(text):
    return any(ord(c) < 32 or (c in ODD and not c.isprintable()) for c in text.replace("\n", ""))


def test_what_is_shown():
    assert shown(ODD) == shown_lines(ODD) == ESCAPED
    assert (shown("a\nb\udce9"), shown_lines("a\nb\r")) == (r"a\nb\udce9", "a\nb\\r")
    assert shown("é, 日本, שלום") == "é, 日本, שלום"
    text = plain_json(json.dumps({"x": ODD + "\n\udce9"}, ensure_ascii=False, indent=1))
    assert json.loads(text) == {"x": ODD + "\n\udce9"}
    assert not has_odd(text)
    assert text.encode()


def test_names_in_records_keep_what_can_be_written():
    assert clean_name("a\u202eb\x1b\udce9") == "a\u202eb\\x1b\\xe9"
    assert clean_name(r"C:\dogs\é.jpg") == r"C:\dogs\é.jpg"
    alike = "a\nb", r"a\nb", r"a\\nb", "a\\\nb", "a\udce9", r"a\xe9", "a\\"
    assert len({clean_name(name) for name in alike}) == len(alike)


def test_rejects_and_manifest_hold_the_true_text_without_odd_characters():
    reject = Reject("x.tar", ODD, 0, ODD, "damaged", "é")
    receipt = ShardReceipt("train-00000-of-00001", 1, 0, 0, 0, rejects=(reject,))
    line = reject_lines("train", [receipt])
    assert json.loads(line)["filename"] == ODD
    assert '"detail": "é"' in line
    data = manifest_json({"splits": {"train": {"classes": {ODD: [1, 1]}}}}).decode()
    assert json.loads(data)["splits"]["train"]["classes"] == {ODD: [1, 1]}
    assert not has_odd(line) and not has_odd(data)


TABLE = ClassTable(
    (
        ClassInfo("n1", f"{ODD}, second"),
        ClassInfo("=cmd|' /C calc'!A0", "@x"),
        ClassInfo("'quoted", "\t=1"),
        ClassInfo("-1", '+"é"\\x1b'),
        ClassInfo("n2\r\n", "usual"),
    ),
    0,
    "listed",
)


def test_no_cell_of_classes_csv_is_a_formula_and_all_are_read_back():
    text = classes_csv(TABLE)
    comment, _, rest = text.partition("\n")
    assert comment == "# label_order=listed label_base=0 escaped=1"
    rows = list(csv.reader(io.StringIO(rest)))
    assert [row[2] for row in rows[1:]] == [
        "n1",
        "'=cmd|' /C calc'!A0",
        "''quoted",
        "'-1",
        r"n2\r\n",
    ]
    assert all(cell[:1] not in "=+-@\t\r" for row in rows for cell in row if cell)
    assert not has_odd(text)
    assert read_classes_csv(text, "classes.csv") == TABLE


@pytest.mark.parametrize("odd", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\u202ex", "\ud800"])
def test_each_odd_text_is_escaped(odd):
    table = ClassTable((ClassInfo("n1", odd),), 0)
    text = classes_csv(table)
    assert text.startswith("# label_order=wnid label_base=0 escaped=1\n")
    assert text.encode()
    assert read_classes_csv(text, "classes.csv") == table


def test_usual_texts_stand_as_they_always_did():
    table = ClassTable((ClassInfo("n1", "'s, a-b \\x1b"),), 0)
    expected = "# label_order=wnid label_base=0\nlabel,ilsvrc2012_id,wnid,text,unique_name\n"
    assert classes_csv(table) == expected + "0,,n1,\"'s, a-b \\x1b\",'s\n"
    assert read_classes_csv(classes_csv(table), "x") == table


def test_a_table_that_lost_its_escapes_is_refused():
    text = classes_csv(TABLE).replace(r"\u0000", r"\x")
    with pytest.raises(InputError, match="first line says that texts are escaped"):
        read_classes_csv(text, "classes.csv")


def test_labels_txt_has_a_line_for_each_class():
    lines = labels_txt(ClassTable((ClassInfo("n1", ODD), ClassInfo("n2", "x")), 0)).splitlines()
    assert lines[0].startswith(r"0:a\x00b\x1b[2Jc\x7fd\x9be")
    assert lines[1:] == ["1:x"]


def test_what_is_said_on_a_terminal(capsys, tmp_path):
    say(f"{ODD}\nnext")
    assert main(["inspect", str(tmp_path / "\x1b[2J\u202e.tar")]) == 2
    assert main(["convert", f"--train_archive=\x1b[2J\u202e\n{tmp_path}", "--output_dir=x"]) == 2
    out, err = capsys.readouterr()
    mistake = rf"imagenet-beam: --train_archive: no file is called like \x1b[2J\u202e\n{tmp_path}"
    assert err == f"{ESCAPED}\nnext\n{mistake}\n"
    assert r"\x1b[2J\u202e.tar: cannot be used" in out
    assert not has_odd(out) and not has_odd(err)


def test_progress():
    stream = io.StringIO()
    clock = iter(range(9)).__next__
    display = Display(lambda now: View(ODD, 0, 0), stream, log_seconds=0.0, clock=clock)
    display.tick()
    display.say(ODD)
    assert stream.getvalue() == f"{ESCAPED}\n{ESCAPED}\n"


def test_a_conversion_with_odd_classes(make, pictures, convert, tmp_path, capsys):
    """From class texts and names to all that is written and shown of them."""
    name, data = next(iter(pictures.train.items()))
    archive = make.tar(
        tmp_path / "x.tar", {f"{name[:9]}/{name}": data, f"{name[:9]}/\u202ex.JPEG": b"x"}
    )
    (tmp_path / "words.txt").write_text(f"{name[:9]}\t=a\x1b[2Jb\u202ec\n")
    output = tmp_path / "out"
    done = convert(
        f"--train_archive={archive}",
        f"--class_names={tmp_path}/words.txt",
        "--expect=any",
        "--train_shards=1",
        f"--output_dir={output}",
        "--report",
    )
    assert done.status == 3, done.message
    for beside in ("labels.txt", "classes.csv", "rejects.jsonl", "manifest.json"):
        text = (output / beside).read_text()
        assert not has_odd(text), beside
    [line] = (output / "rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["filename"] == f"{name[:9]}/\u202ex.JPEG"
    [info] = read_classes_csv((output / "classes.csv").read_text(), "").classes
    assert info.text == "=a\x1b[2Jb\u202ec"
    page = make_page(str(output), Storage())
    assert r"=a\x1b[2Jb\u202ec" in page and not has_odd(page)
    assert main(["verify", str(output)]) == 0, capsys.readouterr().out
