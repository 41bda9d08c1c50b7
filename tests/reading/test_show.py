"""The contact sheet: pictures, labels, boxes; rejects; in a terminal that can, the sheet itself."""

import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios

import pytest
from PIL import Image

from imagenet_beam.pipeline.reading.pictures import Tile, contact_sheet, decoded
from imagenet_beam.pipeline.reading.shown import record_tiles, reject_tiles
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import framed
from imagenet_beam.transforms.storage.files import Storage

FLAGS = ("--train_shards=2", "--validation_shards=1", "--resize=longer:64", "--max_rejects=99")
SIDE, MARGIN, CAPTION = 160, 6, 17
RED = (0xFF, 0x3B, 0x30)


@pytest.fixture(scope="module")
def written(hard, convert, tmp_path_factory):
    out = tmp_path_factory.mktemp("show") / "out"
    assert convert(*hard.flags, f"--output_dir={out}", *FLAGS).status == 0
    return out


def sheet_of(tiles, **options):
    return Image.open(io.BytesIO(contact_sheet(tiles, **options))).convert("RGB")


def test_pictures_stand_in_rows_with_their_captions():
    red, blue = Image.new("RGB", (40, 20), "red"), Image.new("L", (20, 40), 100)
    sheet = sheet_of([Tile(red, "a red one"), Tile(blue, "a gray one"), Tile(None, "none")],
                     columns=2)  # fmt: skip
    across, down = SIDE + MARGIN, SIDE + CAPTION + MARGIN
    assert sheet.size == (2 * across + MARGIN, 2 * down + MARGIN)
    assert sheet.getpixel((MARGIN + SIDE // 2, MARGIN + SIDE // 2)) == (255, 0, 0)
    assert sheet.getpixel((MARGIN + SIDE // 2, MARGIN + 5)) == (255, 255, 255)  # beside a wide one
    assert sheet.getpixel((across + MARGIN + SIDE // 2, MARGIN + 5)) == (100, 100, 100)
    for column, row in ((0, 0), (1, 0), (0, 1)):
        left, top = MARGIN + column * across, MARGIN + row * down + SIDE
        caption = sheet.crop((left, top, left + SIDE, top + CAPTION)).convert("L")
        assert caption.getextrema()[0] < 100, "nothing is written there"


def test_boxes_are_drawn_where_they_are():
    white = Image.new("RGB", (160, 80), "white")
    sheet = sheet_of([Tile(white, "", [(0.25, 0.5, 0.75, 1.0)])])
    top = MARGIN + 40
    frame = [(40, 40), (80, 40), (119, 40), (40, 60), (119, 60), (80, 79)]
    for x, y in frame:
        around = [
            sheet.getpixel((MARGIN + x + dx, top + y + dy))
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
        ]
        assert RED in around, (x, y)
    assert sheet.getpixel((MARGIN + 80, top + 60)) == (255, 255, 255)
    assert sheet.getpixel((MARGIN + 20, top + 60)) == (255, 255, 255)


def test_records_come_with_class_and_boxes(hard, convert, tmp_path):
    from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet

    write_imagenet(tmp_path / "in", SyntheticImageNet(classes=3, train_per_class=4))
    archive = tmp_path / "in" / "ILSVRC2012_"
    flags = (
        f"--train_archive={archive}img_train.tar", f"--devkit={archive}devkit_t12.tar.gz",
        f"--bounding_boxes={archive}bbox_train_v2.tar.gz", "--train_shards=1",
    )  # fmt: skip
    assert convert(*flags, f"--output_dir={tmp_path / 'out'}").status == 0
    tiles = record_tiles(str(tmp_path / "out"), "", 99, Storage())
    assert len(tiles) == 12
    assert {tile.caption for tile in tiles} >= {"tench (n01440764)"}
    assert any(list(tile.boxes) for tile in tiles)
    assert RED in {colour for _, colour in sheet_of(tiles).getcolors(1 << 24)}


@pytest.mark.parametrize("wanted", ["n01440764", "tench", "TENCH", "Tinca tinca"])
def test_one_class_is_found_by_each_of_its_names(written, wanted):
    tiles = record_tiles(str(written), wanted, 3, Storage())
    assert [tile.caption for tile in tiles] == ["tench (n01440764)"] * 3


def test_a_shard_is_shown_alone(written):
    shard = written / "validation-00000-of-00001"
    assert len(record_tiles(str(shard), "", 99, Storage())) == 20


def test_rejects_are_shown_as_far_as_they_go(written):
    tiles = {tile.caption: tile.image for tile in reject_tiles(str(written), "", 99, Storage())}
    assert len(tiles) == 10
    seen = {caption.rpartition(": ")[2] for caption, image in tiles.items() if image is not None}
    assert "truncated" in seen and "empty" not in seen and "too_large" not in seen


def test_rejects_without_their_archive_have_no_picture(written, tmp_path):
    out = shutil.copytree(written, tmp_path / "out")
    rejects = out / "rejects.jsonl"
    rejects.write_text(
        re.sub(r'"archive": "[^"]*"', '"archive": "/nowhere.tar"', rejects.read_text())
    )
    assert {tile.image for tile in reject_tiles(str(out), "", 99, Storage())} == {None}
    rejects.write_text("{}\n")
    with pytest.raises(InputError, match="is damaged in line 1"):
        reject_tiles(str(out), "", 99, Storage())


def test_damaged_images_are_shown_up_to_the_damage():
    buffer = io.BytesIO()
    Image.new("RGB", (400, 400), (10, 200, 30)).save(buffer, "JPEG")
    data = buffer.getvalue()
    image = decoded(data[: len(data) - len(data) // 4])
    assert image.size == (400, 400)
    assert min(image.crop((0, 0, 8, 8)).tobytes()[1::3]) > 150
    assert decoded(b"nothing") is None
    assert decoded(b"") is None


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--class=unicorn"], "--class=unicorn is none of the 5 classes"),
        (["--count=0"], "--count=0 is out of range"),
        (["--count=many"], "--count: 'many' is not accepted"),
    ],
)
def test_what_cannot_be_shown_is_said(written, capsys, flags, sentence):
    assert main(["show", str(written), *flags]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_without_rejects_says_so(clean, convert, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        convert(*clean.validation_flags, f"--output_dir={out}", "--validation_shards=1").status == 0
    )
    assert main(["show", str(out), "--rejects"]) == 2
    assert f"{out} has no rejects" in capsys.readouterr().err


def test_without_a_terminal_the_sheet_is_a_file(written, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["show", str(written), "--count=5"]) == 0
    assert capsys.readouterr().out == "sheet.png\n"
    assert main(["show", str(written), "--rejects", "--output=r.png"]) == 0
    assert capsys.readouterr().out == "r.png\n"
    for name, tiles in (("sheet.png", 5), ("r.png", 10)):
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
            assert image.width == min(6, tiles) * (SIDE + MARGIN) + MARGIN


def test_records_of_another_program_are_shown(tmp_path, capsys):
    from imagenet_beam.transforms.records.example import serialize_example

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    features = {"image": buffer.getvalue(), "label": 3, "file_name": "three.png"}
    shard = tmp_path / "some.tfrecord"
    shard.write_bytes(b"".join(framed(serialize_example(features))))
    (tile,) = record_tiles(str(shard), "", 9, Storage())
    assert (tile.caption, tile.image.size) == ("three.png", (8, 8))


def in_a_terminal(answer, *arguments, folder, size=(40, 100, 1000, 800)):
    """Runs the command in a terminal that answers what it is asked; gives what is written there."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", *size))
    program = "import sys; from imagenet_beam.runners.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=there, stdout=there, stderr=there, cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
    )  # fmt: skip
    os.close(there)
    written = b""
    while True:
        try:
            part = os.read(here, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
        if (asked := answer(part)) is not None:
            os.write(here, asked)
    os.close(here)
    assert process.wait(60) == 0, written[-2000:]
    return written


def sixel(asked):
    """Answers what a terminal is asked for its primary device attributes: 4 is sixel."""
    return b"\x1b[?62;4c" if b"\x1b[c" in asked else None


def test_a_terminal_of_no_size_gets_the_files_name(written, tmp_path):
    asked = ("show", written, "--count=2")
    shown = in_a_terminal(sixel, *asked, folder=tmp_path, size=(0, 0, 0, 0))
    assert b"sheet.png" in shown


def test_a_terminal_with_sixel_shows_the_sheet(written, tmp_path):
    shown = in_a_terminal(sixel, "show", written, "--count=2", folder=tmp_path)
    assert b"\x1bP" in shown, shown[:500]
    assert not (tmp_path / "sheet.png").exists()


def test_a_terminal_without_pictures_gets_the_files_name(written, tmp_path):
    def answer(asked):
        return b"\x1b[?62;22c" if b"\x1b[c" in asked else None

    shown = in_a_terminal(answer, "show", written, "--count=2", folder=tmp_path)
    assert b"\x1bP" not in shown
    assert b"sheet.png" in shown
    assert (tmp_path / "sheet.png").exists()


def test_rejects_of_one_class(written):
    storage = Storage()
    everything = reject_tiles(str(written), "", 99, storage)
    lines = [json.loads(line) for line in (written / "rejects.jsonl").read_text().splitlines()]
    wnid = lines[0]["wnid"]
    expected = [f"{one['filename']}: {one['reason']}" for one in lines]
    assert [tile.caption for tile in everything] == expected
    some = reject_tiles(str(written), wnid, 99, storage)
    assert [tile.caption for tile in some] == [
        caption for caption, one in zip(expected, lines, strict=True) if one["wnid"] == wnid
    ]
    with pytest.raises(InputError, match="has no rejects of `class`=n00000000"):
        reject_tiles(str(written), "n00000000", 99, storage)


def test_the_sheet_is_a_png(written, tmp_path, capsys):
    assert main(["show", str(written), f"--output={tmp_path}/x.jpg"]) == 2
    assert "accepted is a path ending with .png" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
