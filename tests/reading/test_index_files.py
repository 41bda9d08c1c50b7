"""Index files: by the command, by `convert --index`, and as the tool of vahidk/tfrecord's."""

import contextlib
import io
import shutil
import subprocess

import pytest
from environments import LIGHT, environment, run_in

from imagenet_beam import Records
from imagenet_beam.runners.cli import main

SHARDS = [f"train-0000{n}-of-00004" for n in range(4)] + [
    f"validation-0000{n}-of-00002" for n in range(2)
]


@pytest.fixture(scope="session")
def indexed(made, source):
    return made(source.boxes, "--index")


def index(*args):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        status = main(["index", *map(str, args)])
    return status, errors.getvalue().splitlines()[-1]


def indexes(folder):
    return {path.name: path.read_text() for path in sorted(folder.rglob("*.idx"))}


def flags_of(source, folder, *more):
    flags = [flag for flag in source.flags if not flag.startswith("--test_")]
    return [*flags, source.boxes, f"--output_dir={folder}", *more]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def converted(source, convert, folder):
    """`converted(*flags)`: converts into the same folder again and again; gives its indexes."""

    def run(*flags):
        done = convert(*flags_of(source, folder, *flags))
        assert done.status == 0, done.message
        return indexes(folder)

    return run


def test_convert_writes_what_the_command_writes(indexed, inception, tmp_path):
    assert index(inception, f"--index_dir={tmp_path}") == (0, "7 index files for 67 records")
    assert indexes(tmp_path) == indexes(indexed)
    assert {path.parent for path in indexed.rglob("*.idx")} == {indexed}
    assert (indexed / "train-00001-of-00004.idx").read_text().startswith("0 ")


def test_the_tool_of_vahidk_writes_the_same_bytes(indexed, request, tmp_path):
    python = environment(LIGHT, request.config.cache)
    shards = [path.with_suffix("") for path in sorted(indexed.glob("*.idx"))]
    for shard in shards:
        theirs = tmp_path / f"{shard.name}.idx"
        tool = [python, "-m", "tfrecord.tools.tfrecord2idx", shard, theirs]
        subprocess.run(tool, check=True, capture_output=True)
        assert theirs.read_bytes() == (indexed / theirs.name).read_bytes()
    code = (
        "from tfrecord.reader import tfrecord_loader\n"
        "rows = tfrecord_loader('train-00000-of-00004', 'train-00000-of-00004.idx')\n"
        "print(*[bytes(row['image/filename']).decode() for row in rows])"
    )
    names = run_in(python, indexed, "-c", code).split()  # it starts anywhere
    ours = Records(indexed, "train")
    assert sorted(names) == sorted(ours[number]["filename"] for number in range(12))


def test_indexes_in_another_folder(source, convert, indexed, tmp_path):
    folder, apart = tmp_path / "out", tmp_path / "apart"
    layout = "--output_layout=by_split"
    done = convert(*flags_of(source, folder, layout, f"--index_dir={apart}"))
    assert done.status == 0, done.message
    assert not indexes(folder)
    assert indexes(apart) == {f"{name}.idx": indexes(indexed)[f"{name}.idx"] for name in SHARDS}
    shutil.move(folder / "train" / SHARDS[1], folder / "kept")
    with (folder / "kept").open("r+b") as file:
        file.seek(8)
        file.write(b"\0\0\0\0")  # a length whose checksum is wrong cannot be looked for
    shutil.move(folder / "kept", folder / "train" / SHARDS[1])
    assert Records(folder, "train", index_dir=str(apart))[12]["filename"]


def test_a_folder_that_cannot_be_written_is_named_before_anything_is(source, convert, folder):
    folder.with_name("file").write_text("")
    flags = [*source.flags, f"--output_dir={folder}", f"--index_dir={folder.with_name('file')}/a"]
    done = convert(*flags)
    assert done.status == 2 and not list(folder.glob("*"))
    assert done.message.startswith(f"imagenet-beam: --index_dir: {folder.with_name('file')}/a")


def test_a_run_that_resumes_writes_the_indexes_that_are_missing(converted, folder):
    plain = converted()
    assert plain == {}
    first = converted("--index")  # complete already: nothing but the indexes is written
    assert sorted(first) == [f"{name}.idx" for name in SHARDS]
    (folder / f"{SHARDS[0]}.idx").unlink()
    (folder / f"{SHARDS[1]}.idx").write_text("0 1\n")
    (folder / SHARDS[2]).unlink()
    (folder / f"{SHARDS[2]}.idx").unlink()
    assert converted("--index") == first


def test_an_overwrite_leaves_no_index_of_other_records(converted):
    before = converted("--index")
    assert converted("--overwrite", "--shuffle_seed=5") == {}
    after = converted("--overwrite", "--shuffle_seed=6", "--index")
    assert after.keys() == before.keys() and after != before
    fewer = converted("--overwrite", "--index", "--train_shards=2", "--validation_shards=1")
    assert sorted(fewer) == [
        "train-00000-of-00002.idx", "train-00001-of-00002.idx", "validation-00000-of-00001.idx",
    ]  # fmt: skip


def test_foreign_sets_and_patterns(bare, tmp_path):
    shutil.copy(bare / SHARDS[0], bare / "other.tfrecord")
    (bare / "notes.txt").write_text("no records")
    assert index(bare) == (0, "5 index files for 60 records")
    assert index(f"{bare}/train-0000[12]*", f"--index_dir={tmp_path}/a")[1].startswith("2 index")
    assert index(bare / "other.tfrecord", f"--index_dir={tmp_path}/b")[1].startswith("1 index")
    assert index(bare)[1].startswith("5 index")  # indexes themselves are none
    for name, text in {**indexes(tmp_path / "a"), **indexes(tmp_path / "b")}.items():
        assert text == indexes(bare)[name]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.tfrecord", b"no records", "the record at byte 0 is cut short"),
        ("a.tfrecord", b"no records at all", "the record at byte 0 has a damaged length"),
        ("a.tfrecord.gz", b"\x1f\x8b\x08\0gzip.......", "is compressed; an index is for"),
    ],
)
def test_what_has_no_index_is_named(tmp_path, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    status, said = index(tmp_path)
    assert status == 2 and said.startswith(f"imagenet-beam: {tmp_path}/{name}") and sentence in said
    assert not indexes(tmp_path)


def test_where_there_are_no_records(tmp_path):
    assert index(tmp_path)[1].startswith(f"imagenet-beam: {tmp_path} has no manifest.json and no")
    assert index(tmp_path / "x") == (2, f"imagenet-beam: {tmp_path}/x does not exist")
