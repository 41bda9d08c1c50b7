"""The same file is the same input, however its path is spelled; what differs is told in fields."""

import json
import shutil

import pytest

from imagenet_beam.pipeline.conversion import prepare
from imagenet_beam.pipeline.manifest_file import manifest_json
from imagenet_beam.pipeline.plan import OPTIONS, make_plan, read_plan
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.flags import with_flags
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import receipt_from_json, receipt_to_json

PLAN = ".imagenet-beam/plan.json"


@pytest.fixture(scope="module")
def folder(clean, convert, tmp_path_factory):
    """Archives, and a conversion of the validation images in 3 shards."""
    folder = tmp_path_factory.mktemp("spelled")
    shutil.copytree(clean.train.parent, folder / "archives")
    (folder / "link").symlink_to(folder / "archives")
    done = convert(*flags_of(folder, f"{folder}/archives", folder / "out"))
    assert done.status == 0, done.message
    return folder


@pytest.fixture
def out(folder, tmp_path):
    """A copy of the conversion that may be spoilt."""
    return shutil.copytree(folder / "out", tmp_path / "out")


def flags_of(folder, archives, out):
    return [
        f"--validation_archive={archives}/ILSVRC2012_img_val.tar",
        f"--devkit={archives}/ILSVRC2012_devkit_t12.tar.gz",
        "--validation_shards=3",
        f"--output_dir={out}",
    ]


def config_of(*flags):
    parser, _ = build_parser()
    return config_from_flags(parser.parse_args(["convert", *map(str, flags)]))


def refused(*flags) -> str:
    with pytest.raises(InputError) as error:
        prepare(config_of(*flags))
    return with_flags(error.value).partition("holds another conversion: ")[2].partition("; give")[0]


@pytest.mark.parametrize(
    "archives",
    ["archives", "./archives", "archives/../archives/", "{}/archives", "link", "file://{}/link"],
)
def test_the_same_files_resume_however_they_are_spelled(folder, out, monkeypatch, archives):
    monkeypatch.chdir(folder)
    stored = (out / PLAN).read_bytes()
    conversion = prepare(config_of(*flags_of(folder, archives.format(folder), out)))
    assert conversion.is_complete
    assert (out / PLAN).read_bytes() == stored


def test_wildcards_stand_for_the_files_that_they_find(folder, out):
    archive, *others = flags_of(folder, folder / "archives", out)
    assert prepare(config_of(archive.replace("img_val", "img_v*"), *others)).is_complete


def test_a_plan_with_the_paths_as_they_were_typed_is_taken_up(folder, out, monkeypatch, convert):
    """As plans were written once; its receipts stay good, and what it lacks is written."""
    monkeypatch.chdir(folder)
    old = (out / PLAN).read_text().replace(f"{folder}/archives/", "./link/")
    rewrite(out, json.loads(old))
    (out / "validation-00001-of-00003").unlink()
    done = convert(*flags_of(folder, folder / "archives", out))
    assert done.status == 0, done.message
    assert "resuming: 2 of 3 shards" in done.message
    assert json.loads((out / PLAN).read_text()) == json.loads(old)
    assert prepare(config_of(*flags_of(folder, folder / "archives", out))).is_complete


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_plan_without_an_option_has_its_first_default(folder, out, convert, name):
    """As if the option had come with the next release."""
    plan = json.loads((out / PLAN).read_text())
    del plan["options"][name]
    rewrite(out, plan)
    (out / "manifest.json").unlink()
    flags = flags_of(folder, folder / "archives", out)
    assert prepare(config_of(*flags)).shards_done == 3
    if name == "max_pixels":  # through to the end, once
        assert convert(*flags).status == 0
        assert prepare(config_of(*flags)).is_complete


def test_a_plan_without_a_choice_of_images_takes_all(folder, out):
    plan = json.loads((out / PLAN).read_text())
    for key in ("fraction", "seed", "is_holdout"):
        del plan["splits"]["validation"]["selection"][key]
    rewrite(out, plan)
    assert prepare(config_of(*flags_of(folder, folder / "archives", out))).shards_done == 3


def test_the_plan_of_a_request_has_the_recorded_names(folder):
    """A new name in plans needs its row in `OPTIONS` or its default in `Selection`: see there."""
    config = config_of(*flags_of(folder, folder / "archives", folder / "out"))
    content = make_plan(config, config.splits, {}, (), ()).content
    assert content["options"].keys() == OPTIONS.keys()
    assert {name: content["options"][name] for name in OPTIONS} == {
        "resize": "shorter:256",
        "jpeg_quality": 95,
        "apply_exif_orientation": False,
        "output_format": "JPEG",
        "verify_images": False,
        "max_pixels": 178_956_970,
        "schema": "inception",
        "output_layout": "flat",
        "label_base": 1,
        "label_order": "wnid",
        "shuffle_seed": 0,
    }


def rewrite(out, plan) -> None:
    """Stores another plan, and makes manifest and receipts those of it."""
    stored = read_plan(json.dumps(plan).encode(), "plan.json")
    (out / PLAN).write_bytes(stored.to_json())
    for path in (out / ".imagenet-beam" / "receipts").iterdir():
        receipt = receipt_from_json(path.read_bytes(), path.name)
        path.write_bytes(receipt_to_json(receipt._replace(plan=stored.fingerprint)))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["plan"] = stored.fingerprint
    (out / "manifest.json").write_bytes(manifest_json(manifest))


def test_what_differs_is_told_in_flags_and_files(folder, out):
    archives = folder / "archives"
    archive, devkit, shards, output = flags_of(folder, archives, out)
    assert refused(archive, devkit, "--validation_shards=2", "--label_base=0", output) == (
        "--label_base was 1 and is 0; --validation_shards was 3 and is 2"
    )
    assert refused(archive, devkit, shards, output, "--apply_exif_orientation") == (
        "--apply_exif_orientation was off and is on"
    )
    assert refused(archive, devkit, shards, output, "--classes=n01440764") == (
        "--classes was not given and is n01440764"
    )
    assert refused(archive, devkit, shards, output, f"--class_names={archives}/../words.txt") == (
        f"--class_names was not given and is {folder}/words.txt"
    )


@pytest.fixture(autouse=True, scope="module")
def words(folder):
    (folder / "words.txt").write_text("n01440764 tench\n")


@pytest.mark.parametrize(
    ("name", "what"),
    [("ILSVRC2012_img_val.tar", ""), ("ILSVRC2012_devkit_t12.tar.gz", " (--devkit)")],
)
def test_a_file_that_has_changed_is_named(folder, out, name, what):
    plan = json.loads((out / PLAN).read_text())
    if name in str(plan["archives"]):
        plan["archives"][f"{folder}/archives/{name}"]["version"] = "1"
    else:
        plan["label_files"][0][2] = "0" * 64
    rewrite(out, plan)
    assert refused(*flags_of(folder, folder / "archives", out)) == (
        f"{folder}/archives/{name}{what} has changed since"
    )
