"""--overwrite: what it removes, what it leaves alone, and what a second try makes of it."""

import json
import shutil

import pytest

from imagenet_beam.pipeline.conversion import output_folder, prepare
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX, Storage

BESIDE = {"manifest.json", "labels.txt", "classes.csv", "rejects.jsonl"}
FOLDER = "imagenet2012/5.1.0"
TFDS = {f"{FOLDER}/{name}" for name in ("features.json", "dataset_info.json", "label.labels.txt")}


@pytest.fixture(scope="module")
def finished(clean, convert, tmp_path_factory):
    """`finished[schema]`: a folder with the validation images in 3 shards."""
    folders = {}
    for schema in ("inception", "tfds"):
        folders[schema] = tmp_path_factory.mktemp("finished") / "out"
        done = convert(*flags_of(clean, folders[schema], f"--schema={schema}"))
        assert done.status == 0, done.message
    return folders


@pytest.fixture
def old(finished, tmp_path):
    """`old(schema)`: a copy that may be spoilt."""

    def copy(schema):
        return shutil.copytree(finished[schema], tmp_path / "out")

    return copy


def flags_of(clean, output, *more):
    base = "--label_base=0"
    return [*clean.validation_flags, f"--output_dir={output}", "--validation_shards=3", base, *more]


def config_of(*flags):
    parser, _ = build_parser()
    return config_from_flags(parser.parse_args(["convert", *map(str, flags)]))


def names(output):
    files = (path.relative_to(output) for path in output.rglob("*") if path.is_file())
    return {str(name) for name in files if name.parts[0] != ".imagenet-beam"}


def test_a_refusal_for_want_of_space_leaves_everything(clean, convert, old, tree, monkeypatch):
    output = old("inception")
    before = tree(output)
    monkeypatch.setattr(Storage, "free_bytes", lambda self, directory: 1000)
    refused = convert(*flags_of(clean, output, "--resize=none", "--overwrite"))
    assert refused.status == 2
    assert "has 1.0 kB free" in refused.message
    assert tree(output) == before


def test_files_of_another_schema_go(clean, convert, old):
    output = old("tfds")
    assert names(output) >= TFDS
    (output / "notes.json").write_text("stay")
    assert convert(*flags_of(clean, output, "--overwrite")).status == 0
    shards = {f"validation-0000{shard}-of-00003" for shard in range(3)}
    assert names(output) == {*BESIDE, *shards, "notes.json"}


def test_files_that_only_look_like_those_of_another_schema_stay(clean, convert, old):
    output = old("inception")
    (output / "features.json").write_text("somebody's own")
    assert convert(*flags_of(clean, output, "--resize=none", "--overwrite")).status == 0
    assert (output / "features.json").read_text() == "somebody's own"


def test_a_killed_overwrite_run_again_knows_what_is_stale(clean, convert, old):
    output = old("tfds")
    prepare(config_of(*flags_of(clean, output, "--overwrite")))  # and killed
    assert len(list(output.rglob("imagenet2012-validation.tfrecord-*"))) == 3
    assert convert(*flags_of(clean, output, "--overwrite")).status == 0
    assert not list(output.rglob("imagenet2012-*"))
    assert not names(output) & TFDS
    assert not (output / ".imagenet-beam" / "stale.json").exists()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("steps", range(8))
def test_an_overwrite_that_was_killed_before_the_new_plan_says_so(
    clean, convert, old, tree, monkeypatch, steps
):
    """Killed before each removal and each rename of its beginning."""
    output = old("inception")
    whole, done = tree(output), []

    def step(act):
        def counted(*arguments):
            if len(done) == steps:
                raise Killed
            done.append(arguments)
            act(*arguments)

        return counted

    flags = flags_of(clean, output, "--resize=none")
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "remove", step(Storage.remove))
        patch.setattr(Storage, "publish_bytes", step(Storage.publish_bytes))
        try:
            prepare(config_of(*flags, "--overwrite"))
            killed = False
        except Killed:
            killed = True
    assert killed == (steps < 7)
    plain = convert(*flags)
    if not killed:  # until the new plan was there
        assert plain.status == 0, plain.message
    else:
        assert plain.status == 2
        if not (output / ".imagenet-beam" / "plan.json").exists():
            assert plain.message.endswith(
                " holds validation-00000-of-00003, which a run with --overwrite was to replace "
                "when it was interrupted; run the same command with --overwrite again, which goes "
                "on\n"
            )
        elif steps:
            assert (
                "holds another conversion, and a run with --overwrite was interrupted there: "
                in (plain.message)
            )
        else:
            assert tree(output) == whole
        assert convert(*flags, "--overwrite").status == 0
    assert convert(*flags).message.count("is complete already") == 1
    assert not (output / ".imagenet-beam" / "stale.json").exists()


@pytest.mark.parametrize("name", sorted(TFDS))
def test_a_missing_file_beside_the_shards_is_written_again(clean, convert, old, tree, name):
    output = old("tfds")
    before = tree(output)
    (output / name).unlink()
    assert convert(*flags_of(clean, output, "--schema=tfds")).status == 0
    assert tree(output) == before


def test_a_damaged_list_of_stale_files_is_named(clean, convert, old):
    output = old("inception")
    stale = output / ".imagenet-beam" / "stale.json"
    stale.write_text("{")
    refused = convert(*flags_of(clean, output))
    assert refused.status == 2
    assert f"{stale} is not a list of this program" in refused.message


@pytest.mark.parametrize("flag", ["--overwrite", "--threads=1"])
def test_what_another_job_is_writing_in_a_folder_below_stays(clean, convert, old, flag):
    output = old("inception")
    theirs = output / "small" / f".train-00000-of-00001.0123abcd{TEMPORARY_SUFFIX}"
    theirs.parent.mkdir()
    theirs.write_bytes(b"half of a shard")
    mine = output / f".validation-00001-of-00003.0123abcd{TEMPORARY_SUFFIX}"
    mine.write_bytes(b"half of a shard")
    (output / "validation-00001-of-00003").unlink()  # so that the job runs to its end
    assert convert(*flags_of(clean, output, flag)).status == 0
    assert theirs.exists() and not mine.exists()


def test_a_job_of_ones_own_can_hold_the_folder(clean, convert, old):
    output = old("inception")
    with output_folder(config_of(*flags_of(clean, output))).exclusive():
        refused = convert(*flags_of(clean, output))
    assert refused.status == 2
    assert f"--output_dir: {output} is in use by another run; wait" in refused.message
    assert convert(*flags_of(clean, output)).status == 0


def test_the_plan_says_in_which_order_files_count(clean, old):
    plan = json.loads((old("inception") / ".imagenet-beam" / "plan.json").read_text())
    assert [entry[:2] for entry in plan["label_files"]] == [["devkit", str(clean.devkit)]]
