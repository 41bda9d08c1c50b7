"""Verification: damage and edits of every kind are noticed, and named by file and record."""

import gzip
import json
import re
import shutil
import subprocess
import sys

import pytest
from shard_bytes import place_of, records_of, shard_of

from imagenet_beam.pipeline.manifest_file import manifest_json
from imagenet_beam.pipeline.output import OutputFolder
from imagenet_beam.pipeline.reading.verify import verify
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.example import (
    Floats,
    Ints,
    serialize_example,
    typed_features,
)
from imagenet_beam.transforms.records.framing import framed_size_bytes
from imagenet_beam.transforms.records.receipts import receipt_from_json, receipt_to_json
from imagenet_beam.transforms.storage.files import Storage

RECEIPTS = ".imagenet-beam/receipts"
ONE = "train-00001-of-00003"
FLAGS = ("--train_shards=3", "--validation_shards=2", "--resize=longer:24", "--max_rejects=99")


@pytest.fixture(scope="module")
def written(hard, convert, tmp_path_factory):
    """A small set of 55 images, ten of them rejects."""
    out = tmp_path_factory.mktemp("verify") / "out"
    finished = convert(*hard.flags, f"--output_dir={out}", *FLAGS)
    assert finished.status == 0, finished.message
    return out


@pytest.fixture
def out(written, tmp_path):
    """A copy of it that may be spoilt."""
    return shutil.copytree(written, tmp_path / "out")


def found(out, deep=False):
    return verify(str(out), deep).findings


def said(out, deep=False):
    return [str(finding) for finding in found(out, deep)]


def receipt_of(out, shard=ONE):
    return receipt_from_json((out / RECEIPTS / f"{shard}.json").read_bytes(), shard)


@pytest.mark.parametrize("deep", [False, True])
def test_what_was_written_is_all_right(written, deep):
    result = verify(str(written), deep)
    assert result.findings == []
    splits = json.loads((written / "manifest.json").read_text())["splits"].values()
    assert result.has_manifest
    assert result.shards == 5
    assert result.records == sum(split["records"] for split in splits)
    assert result.size_bytes == sum(split["bytes"] for split in splits)


# ------------------------------------------------------------------ what went unnoticed


def test_a_flipped_byte_in_a_shard_is_named_by_record_and_offset(out):
    data = bytearray((out / ONE).read_bytes())
    number, offset = place_of(bytes(data), 5000)
    data[5000] ^= 1
    (out / ONE).write_bytes(data)
    crc, *rest = said(out)
    expected = f"{receipt_of(out).crc32c:08x}"
    assert re.fullmatch(
        rf"{ONE}: has the crc32c [0-9a-f]{{8}}, and its receipt says {expected}", crc
    )
    assert rest == [f"{ONE}: record {number} at byte {offset:,} has damaged data"]


def test_a_cut_shard_is_named_by_record_and_offset(out):
    data = (out / ONE).read_bytes()
    number, offset = place_of(data, 5000)
    (out / ONE).write_bytes(data[:5000])
    assert said(out) == [
        f"{ONE}: has 5,000 bytes, and its receipt says {len(data):,}",
        f"{ONE}: record {number} at byte {offset:,} is cut short",
    ]


@pytest.mark.parametrize(
    ("field", "value"), [("crc32c", "12345678"), ("records", 7), ("class_counts", {"n1": 10})]
)
def test_an_edited_receipt_is_named(out, field, value):
    path = out / RECEIPTS / f"{ONE}.json"
    receipt = {**json.loads(path.read_text()), field: value}
    receipt["images"] = receipt["records"] + len(receipt["rejects"])
    path.write_text(json.dumps(receipt, sort_keys=True, separators=(",", ":")) + "\n")
    (finding,) = found(out)
    assert finding.file == f"{RECEIPTS}/{ONE}.json"
    assert "it was altered: its checksum is not" in finding.what


def forge(out, **fields):
    """A receipt with other content and the right checksum, and a manifest that copies it."""
    path, old = out / RECEIPTS / f"{ONE}.json", receipt_of(out)
    new = old._replace(**fields)
    path.write_bytes(receipt_to_json(new))
    manifest = json.loads((out / "manifest.json").read_text())
    entry = manifest["splits"]["train"]
    entry["records"] += new.records - old.records
    entry["images"] += new.images - old.images
    for wnid, count in new.class_counts:
        more = count - dict(old.class_counts)[wnid]
        entry["classes"][wnid] = [number + more for number in entry["classes"][wnid]]
    entry["shards"][1] |= {"records": new.records, "crc32c": f"{new.crc32c:08x}"}
    (out / "manifest.json").write_bytes(manifest_json(manifest))


def test_a_forged_checksum_in_receipt_and_manifest_is_that_of_no_shard(out):
    forge(out, crc32c=0x12345678)
    (finding,) = found(out)
    assert finding.file == ONE
    assert finding.what.endswith("its receipt says 12345678")


def test_forged_counts_in_receipt_and_manifest_are_found_by_a_deep_look(out):
    old = receipt_of(out)
    forge(out, records=old.records + 1, images=old.images + 1)
    assert said(out) == []
    expected = f"{ONE}: has {old.records} records, and its receipt says {old.records + 1}"
    assert said(out, deep=True) == [expected]


def test_forged_classes_in_receipt_and_manifest_are_found_by_a_deep_look(out):
    (first, some), (second, others), *rest = receipt_of(out).class_counts
    forge(out, class_counts=((first, some - 1), (second, others + 1), *rest))
    assert said(out) == []
    shown = said(out, deep=True)
    assert len(shown) == 2
    assert shown[0].endswith(f"of {first}, and its receipt says {some - 1}")
    assert shown[1].endswith(f"of {second}, and its receipt says {others + 1}")


def test_counts_edited_in_the_manifest_are_named(out):
    manifest = json.loads((out / "manifest.json").read_text())
    true = manifest["splits"]["train"]["records"]
    manifest["splits"]["train"]["records"] = 7
    (out / "manifest.json").write_bytes(manifest_json(manifest))  # its checksum, too
    assert said(out) == [f"manifest.json: says train.records = 7, and the receipts say {true}"]


@pytest.mark.parametrize("content", [None, b""])
@pytest.mark.parametrize("name", ["labels.txt", "classes.csv", "rejects.jsonl"])
def test_files_beside_the_shards_that_were_edited_are_named(out, name, content):
    old = (out / name).read_bytes()
    (out / name).write_bytes(old.replace(b"t", b"T", 1) if content is None else content)
    (finding,) = found(out)
    assert finding.file == name
    assert finding.what.startswith("was altered: ")


@pytest.mark.parametrize(
    "name",
    ["train-00000-of-00004", "train-00003-of-00003", "notes.txt", "sub/train-00000-of-00003"],
)
def test_files_that_do_not_belong_are_named(out, name):
    (out / name).parent.mkdir(exist_ok=True)
    shutil.copy(out / "train-00000-of-00003", out / name)
    assert said(out) == [f"{name}: does not belong to the set"]


def test_what_belongs_beside_the_shards_is_no_finding(out):
    assert main(["index", str(out)]) == 0
    (out / "report.html").write_text("<html>")
    assert said(out) == []


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"splits": 1}', b"\xff", b""])
def test_what_is_no_manifest_is_named_and_the_shards_verified(out, content):
    (out / "manifest.json").write_bytes(content)
    result = verify(str(out))
    (finding,) = result.findings
    assert (finding.file, result.shards, result.has_manifest) == ("manifest.json", 5, False)


def test_without_a_manifest_the_files_of_a_schema_belong_to_the_set(clean, convert, tmp_path):
    out = tmp_path / "out"
    assert convert(*clean.flags, f"--output_dir={out}", "--schema=tfds", *FLAGS).status == 0
    (out / "manifest.json").write_bytes(b"{")
    assert [finding.file for finding in found(out)] == ["manifest.json"]


# ------------------------------------------------------------------ deep


def rewrite(out, name, alter):
    """Puts other records in a shard, with the right checksums."""
    (out / name).write_bytes(shard_of(alter(records_of((out / name).read_bytes()))))


def replaced(number, record):
    return lambda old: [*old[:number], record(old[number]), *old[number + 1 :]]


def with_feature(name, value):
    def alter(record):
        kinds = {"float_list": Floats, "int64_list": Ints, "bytes_list": tuple}
        features = {key: kinds[kind](v) for key, (kind, v) in typed_features(record).items()}
        features[name] = value
        return serialize_example({key: v for key, v in features.items() if v is not None})

    return alter


@pytest.mark.parametrize(
    ("feature", "value", "fault"),
    [
        ("image/class/label", 3.5, "has a float_list as image/class/label, not a int64_list"),
        ("image/class/label", (1, 2), "has 2 values of image/class/label, not one"),
        ("image/class/label", 77, "has the label 77, which no class has"),
        ("image/class/synset", "n00000001", "and the wnid n00000001, which classes.csv has not"),
        ("image/class/text", "a cat", "and the text a cat, which classes.csv has not together"),
        ("image/height", 1, "says height 1 of an image with height"),
        ("image/width", 1, "says width 1 of an image with width"),
        ("image/channels", 4, "says channels 4 of an image with channels"),
        ("image/format", "PNG", "says format PNG of an image with format JPEG"),
        ("image/encoded", b"\xff\xd8\xff\xd9", "has an image that cannot be decoded: "),
        ("image/encoded", b"text", "has an image that cannot be decoded: not_an_image"),
        ("image/colorspace", None, "lacks image/colorspace"),
        ("image/weight", 1.5, "has image/weight, which records of this set have not"),
        ("image/object/bbox/xmin", (0.1, 0.2), "has boxes with sides of different numbers"),
    ],
)
def test_a_deep_look_names_what_is_wrong_in_a_record(out, feature, value, fault):
    rewrite(out, ONE, replaced(4, with_feature(feature, value)))
    records = records_of((out / ONE).read_bytes())
    offset = sum(framed_size_bytes(len(record)) for record in records[:4])
    assert not [finding for finding in found(out) if finding.record >= 0]
    faults = [finding for finding in found(out, deep=True) if finding.record >= 0]
    assert {(one.file, one.record, one.offset_bytes) for one in faults} == {(ONE, 4, offset)}
    assert any(fault in one.what for one in faults), faults


def test_a_deep_look_names_a_record_that_is_no_example(out):
    rewrite(out, ONE, replaced(4, lambda record: b"\xff\xff text"))
    faults = [finding.what for finding in found(out, deep=True) if finding.record >= 0]
    assert faults == ["is no tf.train.Example"]


def test_a_deep_look_names_file_names_that_occur_twice(out):
    first = records_of((out / "train-00000-of-00003").read_bytes())[2]
    rewrite(out, ONE, replaced(5, lambda record: first))
    (twice,) = (shown for shown in said(out, deep=True) if "file name" in shown)
    assert re.fullmatch(
        rf"{ONE}: record 5 at byte [0-9,]+ has the file name of record 2 of train-00000-of-00003",
        twice,
    )


def test_many_findings_of_a_shard_are_summed_up(out):
    rewrite(out, ONE, lambda records: [b"\xff\xff"] * 100)
    shown = [str(one) for one in found(out, deep=True) if one.file == ONE]
    assert shown[-1] == f"{ONE}: has 80 more findings"
    assert len([one for one in shown if "no tf.train.Example" in one]) == 20


@pytest.mark.parametrize("schema", ["tpu", "tfds"])
def test_a_deep_look_knows_each_schema(clean, convert, tmp_path, schema):
    out = tmp_path / "out"
    assert convert(*clean.flags, f"--output_dir={out}", f"--schema={schema}", *FLAGS).status == 0
    (manifest,) = out.rglob("manifest.json")
    out = manifest.parent
    assert verify(str(out), deep=True).findings == []
    (name,) = (path.relative_to(out) for path in out.rglob("*train*-00000-of-*[0-9]"))
    key = "image" if schema == "tfds" else "image/encoded"
    rewrite(out, name, replaced(0, with_feature(key, b"text")))
    faults = [one.what for one in found(out, deep=True) if one.record == 0]
    assert len(faults) == 1 and faults[0].startswith("has an image that cannot be decoded")


# ------------------------------------------------------------------ any TFRecords


@pytest.fixture
def plain(written, tmp_path):
    """The training shards alone, as another program might have written them."""
    folder = tmp_path / "plain"
    folder.mkdir()
    for path in written.glob("train-*"):
        shutil.copy(path, folder)
    return folder


def test_records_without_a_manifest_are_verified_by_their_own_checksums(plain):
    for deep in (False, True):
        result = verify(str(plain), deep)
        assert (result.findings, result.shards, result.has_manifest) == ([], 3, False)
        assert result.records > 20
    shard = plain / "train-00000-of-00003"
    data = bytearray(shard.read_bytes())
    number, offset = place_of(bytes(data), 3000)
    data[3000] ^= 0x10
    shard.write_bytes(data)
    assert said(plain) == [f"{shard.name}: record {number} at byte {offset:,} has damaged data"]
    assert said(shard) == [f"{shard}: record {number} at byte {offset:,} has damaged data"]
    assert said(plain / "train-*[0]-of-00003") == said(shard)


def test_a_missing_shard_and_one_of_another_number_are_named(plain):
    (plain / ONE).unlink()
    assert said(plain) == [f"{ONE}: is missing"]
    shutil.copy(plain / "train-00002-of-00003", plain / "train-00001-of-00004")
    assert said(plain)[0] == (
        "train-00000-of-00003: stands beside shards of other numbers: of 00004"
    )
    assert len(said(plain)) == 3


def test_compressed_shards_are_verified(plain):
    records = (plain / ONE).read_bytes()
    for path in plain.glob("train-*"):
        path.unlink()
    packed = plain / "one.tfrecord.gz"
    packed.write_bytes(gzip.compress(records))
    result = verify(str(plain), deep=True)
    assert (result.findings, result.shards) == ([], 1)
    number, offset = place_of(records, 3000)
    assert records[3000:3001] != b"?"
    packed.write_bytes(gzip.compress(records[:3000] + b"?" + records[3001:]))
    assert said(plain) == [f"one.tfrecord.gz: record {number} at byte {offset:,} has damaged data"]
    packed.write_bytes(gzip.compress(records)[:-900])
    (finding,) = found(plain)
    assert "is damaged or truncated" in finding.what


def test_a_deep_look_without_a_manifest_compares_records_with_the_first(plain):
    rewrite(plain, ONE, replaced(4, with_feature("image/colorspace", None)))
    (finding,) = found(plain, deep=True)
    assert (finding.file, finding.record, finding.what) == (ONE, 4, "lacks image/colorspace")


# ------------------------------------------------------------------ the commands


def run(capsys, *arguments):
    status = main(list(map(str, arguments)))
    return status, *capsys.readouterr()


def test_the_command_says_what_it_looked_at(out, capsys):
    status, printed, progress = run(capsys, "verify", out, "--deep")
    assert status == 0
    assert re.match(r"verifying 5 shards: 0 bytes of [0-9.]+ kB \(0 %\)\n", progress)
    assert re.fullmatch(rf"{out}: all right in 5 shards with 45 records, [0-9.]+ kB\n", printed)
    (out / "labels.txt").unlink()
    status, printed, _ = run(capsys, "verify", out)
    assert status == 1
    assert printed.splitlines()[0] == "labels.txt: does not exist"
    assert printed.splitlines()[1].startswith(f"{out}: 1 finding in 5 shards")


def test_neither_beam_nor_tensorflow_is_loaded(written):
    probe = (
        "import sys\n"
        "from imagenet_beam.runners.cli import main\n"
        f"assert main(['verify', {str(written)!r}, '--deep']) == 0\n"
        "found = {'apache_beam', 'tensorflow', 'matplotlib'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    run_alone = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert run_alone.returncode == 0, run_alone.stderr


@pytest.mark.parametrize("name", ["nowhere", "nothing", "nothing/x*"])
def test_what_cannot_be_read_is_status_2(tmp_path, capsys, name):
    (tmp_path / "nothing").mkdir()
    status, printed, error = run(capsys, "verify", tmp_path / name)
    assert (status, printed) == (2, "")
    assert str(tmp_path / name) in error
    with pytest.raises(InputError):
        verify(str(tmp_path / name))


def test_a_complete_folder_is_called_complete_only_if_it_agrees(hard, convert, out, tree):
    before = tree(out)
    flags = (*hard.flags, f"--output_dir={out}", *FLAGS)
    assert "complete already" in convert(*flags).message
    manifest = json.loads(before["manifest.json"])
    manifest["splits"]["train"]["records"] = 7
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    (out / "classes.csv").write_bytes(b"")
    repaired = convert(*flags)
    assert repaired.status == 0
    assert "complete already" not in repaired.message
    assert "manifest.json: says train.records = 7, and the receipts say" in repaired.message
    assert "classes.csv: was altered" in repaired.message
    assert tree(out) == before


def test_a_foreign_shard_is_refused_before_it_is_mixed_with_the_others(hard, convert, out):
    shutil.copy(out / "train-00000-of-00003", out / "train-00000-of-00004")
    refused = convert(*hard.flags, f"--output_dir={out}", *FLAGS)
    assert refused.status == 2
    assert f"--output_dir={out} holds train-00000-of-00004, which is none of" in refused.message


def test_convert_verifies_the_shards_when_it_is_asked_to(hard, convert, out, capsys):
    flags = (*hard.flags, f"--output_dir={out}", *FLAGS)
    assert convert(*flags, "--verify").status == 0
    assert "all right in 5 shards" in capsys.readouterr().out
    data = (out / ONE).read_bytes()
    (out / ONE).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "complete already" in convert(*flags).message  # sizes and names are right
    assert convert(*flags, "--verify").status == 1
    assert f"{ONE}: has the crc32c" in capsys.readouterr().out
    (out / ONE).unlink()  # as docs/verifying.md says
    repaired = convert(*flags, "--verify")
    assert repaired.status == 0
    assert "resuming: 4 of 5 shards" in repaired.message
    assert (out / ONE).read_bytes() == data


def test_verify_does_not_go_with_detach(hard, convert, tmp_path):
    refused = convert(
        *hard.flags, f"--output_dir={tmp_path / 'o'}", "--verify", "--detach",
        "--runner=FlinkRunner", "--flink_master=localhost:1",
    )  # fmt: skip
    assert refused.status == 2
    assert "--verify" in refused.message and "--detach" in refused.message


def test_all_files_of_a_set_are_known_by_the_module_that_names_them(written, tree):
    manifest = json.loads((written / "manifest.json").read_text())
    shards = [shard["name"] for split in manifest["splits"].values() for shard in split["shards"]]
    folder = OutputFolder(str(written), Storage(), frozenset())
    assert tree(written).keys() <= folder.names(shards, manifest["files"])


@pytest.mark.parametrize("content", ["other", "garbage"])
def test_an_index_that_is_not_its_shards_is_noticed(out, content):
    assert main(["index", str(out)]) == 0
    assert said(out) == said(out, deep=True) == []
    index = out / f"{ONE}.idx"
    lines = index.read_text().splitlines()
    wrong = "\n".join([lines[0], *lines[2:], ""]) if content == "other" else "garbage"
    index.write_text(wrong)
    line = f"{ONE}.idx: is not the index of its shard; imagenet-beam index writes it again"
    assert said(out) == said(out, deep=True) == [line]


def test_an_index_that_other_shards_have_is_missed(out):
    assert main(["index", str(out)]) == 0
    (out / f"{ONE}.idx").unlink()
    line = f"{ONE}.idx: is missing, and other shards have theirs; imagenet-beam index writes it"
    assert said(out) == said(out, deep=True) == [line]
    assert main(["index", str(out)]) == 0
    assert said(out) == []
