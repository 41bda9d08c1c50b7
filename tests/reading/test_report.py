"""The report: its numbers are the manifest's, its names are harmless, and it looks right."""

import base64
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from browser import dom, screenshot
from PIL import Image

from imagenet_beam.pipeline.output import OutputFolder
from imagenet_beam.pipeline.reading.facts import read_facts
from imagenet_beam.pipeline.reading.page import make_page
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.storage.files import Storage

FLAGS = ("--train_shards=3", "--validation_shards=2", "--resize=longer:40", "--max_rejects=99")
PAGE_COLOUR = (0xF5, 0xF5, 0xF7)
MAX_BYTES = 2_000_000


@pytest.fixture(scope="module")
def written(hard, convert, tmp_path_factory):
    """A small set with repairs and rejects, and its report."""
    out = tmp_path_factory.mktemp("report") / "out"
    finished = convert(*hard.flags, f"--output_dir={out}", *FLAGS, "--report")
    assert finished.status == 0, finished.message
    assert f"report: {out / 'report.html'}" in finished.message
    return out


@pytest.fixture(scope="module")
def manifest(written):
    return json.loads((written / "manifest.json").read_text())


class Elements(html.parser.HTMLParser):
    """The elements of a page: tag, attributes and all text inside."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])
        if tag not in ("img", "meta", "br"):
            self._open.append(self.found[-1])

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def texts(self, **wanted):
        """The texts of the elements that have these attributes."""
        wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
        return [
            text.strip()
            for _, attributes, text in self.found
            if all(attributes.get(name) == value for name, value in wanted.items())
        ]


@pytest.fixture(scope="module")
def elements(written):
    return Elements(dom(written / "report.html"))


def number(text):
    return int(text.replace(",", ""))


def test_the_numbers_that_a_browser_shows_are_the_manifests(elements, manifest):
    splits = manifest["splits"]
    for name in ("images", "records", "rejects"):
        (shown,) = elements.texts(id=name)
        assert number(shown) == sum(entry[name] for entry in splits.values())
    assert elements.texts(id="classes") == [str(manifest["classes"]["count"])]
    assert all(elements.texts(data_split=split) for split in splits)
    for name in ("images", "records", "rejects", "image_bytes", "bytes"):
        shown = [number(text) for text in elements.texts(data_name=name)]
        assert shown == [splits[split][name] for split in ("train", "validation")]
    for name in ("classes", "shards"):
        shown = [number(text) for text in elements.texts(data_name=name)]
        assert shown == [len(splits[split][name]) for split in ("train", "validation")]


def test_each_repair_has_its_count_and_a_picture(elements, manifest):
    counts = {}
    for entry in manifest["splits"].values():
        for note, count in entry["notes"].items():
            counts[note] = counts.get(note, 0) + count
    assert len(counts) >= 8
    for note, count in counts.items():
        (text,) = elements.texts(data_note=note)
        words = note.replace(":", ": ").replace("_", " ")
        assert text.startswith(f"{words}{count} record"), text
    notes = next(i for i, (_, attrs, _) in enumerate(elements.found) if attrs.get("id") == "notes")
    pictures = [
        attrs["src"] for tag, attrs, _ in elements.found[notes:] if tag == "img" and "src" in attrs
    ]
    assert len(pictures) >= len(counts)
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)


def test_each_reject_has_its_reason_and_those_that_can_be_seen_a_picture(written, elements):
    lines = list(map(json.loads, (written / "rejects.jsonl").read_text().splitlines()))
    assert len(lines) == 10
    shown = [attrs["data-reason"] for _, attrs, _ in elements.found if "data-reason" in attrs]
    assert sorted(shown) == sorted(line["reason"] for line in lines)
    text = " ".join(text for tag, _, text in elements.found if tag == "table")
    for line in lines:
        for name in ("filename", "archive", "detail"):
            assert " ".join(line[name].split()) in " ".join(text.split())
    seen = {attrs.get("alt") for tag, attrs, _ in elements.found if tag == "img"}
    assert {line["filename"] for line in lines if line["reason"] == "truncated"} <= seen
    assert not {line["filename"] for line in lines if line["reason"] == "empty"} & seen


def test_samples_of_each_class_are_shown(elements, manifest):
    labels = [attrs["aria-label"] for tag, attrs, _ in elements.found if tag == "i"]
    names = {wnid for label in labels for wnid in re.findall(r"n\d{8}", label)}
    assert names == set(manifest["splits"]["train"]["classes"])
    records = [records for _, records in manifest["splits"]["train"]["classes"].values()]
    assert len(labels) == sum(min(4, count) for count in records)


@pytest.mark.parametrize(("width", "height"), [(1280, 1400), (400, 1400)])
def test_it_fits_wide_and_narrow_windows(written, tmp_path, width, height):
    page = tmp_path / "report.html"
    shutil.copy(written / page.name, page)
    path = screenshot(page, width, height, tmp_path / "shot.png")
    with Image.open(path) as image:
        image = image.convert("RGB")
        assert image.size == (width, height)
        assert len(image.resize((100, 100)).getcolors(10_000)) > 50
        for column in (0, width - 1):  # nothing is cut off at the sides
            side = image.crop((column, 0, column + 1, height))
            assert side.getcolors() == [(height, PAGE_COLOUR)]


def test_the_page_is_small_and_asks_for_nothing(written):
    page = (written / "report.html").read_text()
    assert len(page.encode()) < MAX_BYTES
    sources = re.findall(r"""(?:src|href)=["']?([^"' >]{0,40})""", page)
    assert sources and all(source.startswith("data:") for source in sources)
    assert all(url.startswith("data:") for url in re.findall(r"url\((.{5})", page))
    assert "<script" not in page
    assert "default-src 'none'; img-src data:" in page


def test_the_same_set_gives_the_same_page(written):
    assert make_page(str(written), Storage()) == make_page(str(written), Storage())


def test_names_are_text_whatever_they_are(tmp_path, convert):
    names = ["<script>alert(1)", '"><img src=x onerror=alert(2)>', "{{ 7 * 7 }}"]
    for number, wnid in enumerate(names):
        folder = tmp_path / "in" / wnid
        folder.mkdir(parents=True)
        for image in range(3):
            colour = (number * 80, image * 80, 100)
            Image.new("RGB", (30, 20), colour).save(folder / f"<script>{number}{image}.jpg")
        (folder / f"<b onload=alert(3)>{number}.jpg").write_bytes(b"\xff\xd8 cut")
    out = tmp_path / "out"
    finished = convert(
        f"--train_directory={tmp_path / 'in'}", f"--output_dir={out}", "--train_shards=1",
        "--allow_any_class_names", "--max_rejects=9", "--report",
    )  # fmt: skip
    assert finished.status == 0, finished.message
    elements = Elements(dom(out / "report.html"))
    tags = {tag for tag, _, _ in elements.found}
    assert not tags & {"script", "b onload"}
    assert not [attrs for _, attrs, _ in elements.found if {"onerror", "onload"} & attrs.keys()]
    text = " ".join(text for tag, _, text in elements.found if tag == "main")
    for name in (*names, "<b onload=alert(3)>0.jpg"):
        assert name in text


def test_a_thousand_classes_stay_below_two_megabytes(tmp_path, convert):
    folder = tmp_path / "in"
    for number in range(1000):
        (folder / f"n{number:08d}").mkdir(parents=True)
        noise = Image.frombytes("RGB", (48, 48), os.urandom(48 * 48 * 3))
        noise.save(folder / f"n{number:08d}" / f"{number}.jpg", quality=85)
    out = tmp_path / "out"
    flags = (f"--train_directory={folder}", "--train_shards=4", "--resize=none")
    finished = convert(*flags, f"--output_dir={out}", "--report")
    assert finished.status == 0, finished.message
    page = (out / "report.html").read_text()
    assert len(page.encode()) < MAX_BYTES
    assert page.count("<i role") == 1000


def test_the_time_of_the_last_run_is_that_of_its_files(written, tmp_path):
    out = shutil.copytree(written, tmp_path / "out")
    for path in out.rglob("*"):
        os.utime(path, (1000, 1000))
    for receipt in (out / ".imagenet-beam" / "receipts").iterdir():
        os.utime(receipt, (1010, 1010))
    os.utime(out / ".imagenet-beam" / "plan.json", (1005, 1005))
    os.utime(out / "manifest.json", (1025, 1025))
    folder = OutputFolder(str(out), Storage(), frozenset())
    facts = read_facts(folder)
    assert (facts.seconds, facts.images_done) == (20, 55)
    first = out / ".imagenet-beam" / "receipts" / "train-00000-of-00003.json"
    os.utime(first, (1004, 1004))  # of an earlier run
    assert read_facts(folder).images_done == 45
    os.utime(out / "train-00001-of-00003", (1011, 1011))  # copied, so nothing is known
    assert read_facts(folder).seconds == 0


def test_what_is_not_finished_has_no_report(written, tmp_path, capsys):
    out = shutil.copytree(written, tmp_path / "out")
    (out / "manifest.json").unlink()
    assert main(["report", str(out)]) == 2
    assert f"{out} has no manifest.json" in capsys.readouterr().err


def test_the_page_may_go_elsewhere(written, tmp_path, capsys):
    page = tmp_path / "pages" / "mine.html"
    assert main(["report", str(written), f"--output={page}"]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_bytes() == (written / "report.html").read_bytes()


def test_the_summary_names_the_command(hard, convert, written, tmp_path):
    out = shutil.copytree(written, tmp_path / "an out")
    finished = convert(*hard.flags, f"--output_dir={out}", *FLAGS)
    assert f"\n  imagenet-beam report '{out}'\n" in finished.message


def test_convert_loads_nothing_of_what_draws_the_report():
    probe = (
        "import sys\n"
        "import imagenet_beam.runners.cli as cli, imagenet_beam.runners.commands.convert\n"
        "cli.build_parser()\n"
        "drawing = {'matplotlib', 'jinja2', 'textual_image'} & set(sys.modules)\n"
        "assert not drawing, drawing\n"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("schema", ["tfds", "tpu"])
def test_each_schema_has_a_report(clean, convert, tmp_path, schema):
    out = tmp_path / "out"
    flags = (f"--schema={schema}", "--train_shards=2", "--validation_shards=1")
    assert convert(*clean.flags, f"--output_dir={out}", *flags, "--report").status == 0
    (page,) = out.rglob("report.html")
    elements = Elements(page.read_text())
    assert elements.texts(id="records") == ["36"]
    labels = {attrs["aria-label"] for tag, attrs, _ in elements.found if tag == "i"}
    assert len(labels) == 4


def test_a_set_without_classes_has_a_report(tmp_path, convert):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (30, 20)).save(folder / f"ILSVRC2012_test_{number + 1:08d}.JPEG")
    out = tmp_path / "out"
    flags = (f"--test_directory={folder}", f"--output_dir={out}", "--test_shards=1")
    finished = convert(*flags, "--report")
    assert finished.status == 0, finished.message
    assert (out / "report.html").read_text().count("<i role") == 5


def test_the_page_holds_the_pictures_of_the_records(written, examples):
    page = (written / "report.html").read_text()
    (data,) = re.findall(r"background-image: url\(data:image/jpeg;base64,([^)]*)\)", page)
    with Image.open(io.BytesIO(base64.b64decode(data))) as sheet:
        first = re.search(r'aria-label="([^"]*)" style="background-position:-0px -0px"', page)
        wnid = re.search(r"n\d{8}", first[1])[0].encode()
        tile = sheet.convert("RGB").crop((0, 0, 112, 112)).resize((8, 8), Image.Resampling.BOX)
    record = next(r for r in examples(written, "train") if r["image/class/synset"] == [wnid])
    with Image.open(io.BytesIO(record["image/encoded"][0])) as image:
        image = image.convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side)).resize((8, 8), 4)
    pairs = zip(tile.tobytes(), square.tobytes(), strict=True)
    assert sum(abs(one - other) for one, other in pairs) / (8 * 8 * 3) < 12


def test_no_more_than_eight_shards_are_read(clean, convert, tmp_path):
    """So that it takes seconds, whatever the size of the set."""
    out = tmp_path / "out"
    flags = ("--train_shards=20", "--validation_shards=1", "--resize=longer:40")
    assert convert(*clean.flags, f"--output_dir={out}", *flags).status == 0
    page = make_page(str(out), Storage())
    for number in range(8, 20):
        (out / f"train-{number:05d}-of-00020").unlink()
    seconds = re.compile(r"<div class=\"card\"><b>[0-9,]+/s</b>.*?</div>")
    assert seconds.sub("", make_page(str(out), Storage())) == seconds.sub("", page)


def test_what_is_no_output_folder_has_no_report(tmp_path, capsys):
    assert main(["report", f"{tmp_path}/none"]) == 2
    assert "none does not exist, or is empty" in capsys.readouterr().err
    (tmp_path / "a.txt").touch()
    assert main(["report", str(tmp_path)]) == 2
    assert "is no output folder of this program" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]
