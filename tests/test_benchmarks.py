"""The benchmarks run, and their tables say what was measured."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from imagenet_beam.transforms.archives.tar_archives import list_span, split_archive
from imagenet_beam.transforms.storage.files import Storage

ROOT = Path(__file__).parents[1]
IMAGES = 12


def run(*words: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen photographs of which there are three, in all forms."""
    folder = tmp_path_factory.mktemp("benchmarks")
    run("-m", "benchmarks.photographs", "--images=3", f"--output={folder / 'three'}")
    source = f"--photographs={folder / 'three' / 'ILSVRC2012_img_train.tar'}"
    run("-m", "benchmarks.photographs", source, f"--images={IMAGES}", f"--output={folder / 'all'}")
    return folder / "all"


def test_all_programs_read_the_same_photographs(forms: Path) -> None:
    files = {path.name: path.read_bytes() for path in (forms / "files").glob("*/*.JPEG")}
    assert (len(files), len(set(files.values()))) == (IMAGES, 3)
    archive = str(forms / "ILSVRC2012_img_train.tar")
    reader = Storage().open_ranges(archive)
    refs = [ref for span in split_archive(reader, archive) for ref in list_span(reader, span)]
    listed = {ref.filename: reader.read(ref.offset_bytes, ref.size_bytes) for ref in refs}
    assert listed == files
    assert all(ref.filename.startswith(ref.wnid) for ref in refs)
    with tarfile.open(archive) as tar:
        assert len(tar.getnames()) == 10
    header, *addresses = (forms / "list.csv").read_text().split()
    assert header == "url"
    assert {Path(address).name for address in addresses} == set(files)


def test_the_first_table(forms: Path, tmp_path: Path) -> None:
    options = [f"--photographs={forms}", f"--work={tmp_path}", "--turns=1", "--shards=2"]
    shown = run("-m", "benchmarks.throughput", *options, "--only", "ours", "pool")
    assert [line.split(" |")[0] for line in shown.splitlines()[-2:]] == [
        "| imagenet-beam, `shorter:256`",
        "| bare Pillow pool, writes nothing",
    ]
    found = json.loads((tmp_path / "throughput.json").read_text())
    ours, pool = (found["contestants"][key] for key in ("ours", "pool"))
    assert found["images"] == IMAGES
    assert pool["output_mb"] == 0 < ours["output_mb"]
    for one in (ours, pool):
        assert 0 < one["writing_seconds"] < one["seconds"]
        assert one["images_per_second"] == pytest.approx(IMAGES / one["seconds"], rel=0.1)
        assert one["cpu_seconds"] > 0 < one["peak_mb"]


def test_growth_names_images_classes_and_base(tmp_path: Path) -> None:
    options = ["--sizes", "25:4", "--shards=2", f"--directory={tmp_path / 'growth'}"]
    shown = run("-m", "benchmarks.control_plane", *options).splitlines()[-2:]
    assert [line.split(" | ")[:2] for line in shown] == [["| 10", "10"], ["| 25", "4"]]
    base, row = json.loads((tmp_path / "growth.json").read_text())["rows"]
    above = (row["peak_mb"] - base["peak_mb"]) * 2**20 / 25
    assert shown[0].endswith("| - |")
    assert shown[1].endswith(f"| {above:,.0f} |")


def test_a_lock_limits_the_cores_that_are_of_use(tmp_path: Path) -> None:
    parts = ["--inside_us=100", "--outside_us=900", "--start_s=0", "--listing_us=0"]
    options = [f"--results={tmp_path}", "--handover_us=0", "--cores", "1", "4", "64"]
    run(ROOT / "benchmarks" / "simulate.py", *parts, *options, "--workers", "1", "1000")
    rows = json.loads((tmp_path / "simulation.json").read_text())["tables"]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    rates = [float(row[1].replace(",", "")) for row in cells[2:5]]
    assert rates[0] == pytest.approx(1000, rel=0.02)  # one core: 1 ms an image
    assert rates[1] == pytest.approx(4000, rel=0.05)  # four, with little waiting
    assert rates[2] == pytest.approx(10_000, rel=0.02)  # no more than the lock lets through
    assert cells[-2][3] == "100%"
    assert float(cells[-1][3].rstrip("%")) < 100  # 1,024 shards are two rounds of 1,000 workers
