"""Plan, receipts, manifest and lock with damage of any kind: a sentence, or it does not matter.

The mutations are drawn from fixed seeds: bytes are flipped, cut, doubled; values of the JSON are
replaced by those of other types, with the checksum that belongs to them or the old one.
"""

import json
import random
import shutil

import pytest

from imagenet_beam.pipeline.conversion import prepare
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.runners.summary import summary
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import checksum_of

STATE = ".imagenet-beam"
PLAN, LOCK, STALE = (f"{STATE}/{name}" for name in ("plan.json", "lock", "stale.json"))
RECEIPT = f"{STATE}/receipts/validation-00001-of-00003.json"
MANIFEST = "manifest.json"
DEEP = b'{"a":' * 100_000
JUNK = (
    None, True, -1, 0, 1, 2**63, 10**40, 1.5, float("inf"), float("nan"), "", "x", "\ud800",
    "a\nb", [], [[]], {}, {"a": {}}, [1, "x"], {"": ""},
)  # fmt: skip
CASES = 60


@pytest.fixture(scope="module")
def flags(hard, tmp_path_factory):
    return [
        *hard.validation_flags,
        "--validation_shards=3",
        f"--output_dir={tmp_path_factory.mktemp('damaged') / 'out'}",
    ]


@pytest.fixture(scope="module")
def finished(flags, convert, tree, tmp_path_factory):
    """The path of a finished conversion with rejects, its files, and a copy to restore it from."""
    out = tmp_path_factory.getbasetemp() / flags[-1].partition("=")[2]
    assert convert(*flags).status == 3  # rejects
    kept = shutil.copytree(out, tmp_path_factory.mktemp("kept") / "out")
    return out, tree(out), kept


def config_of(flags):
    parser, _ = build_parser()
    return config_from_flags(parser.parse_args(["convert", *map(str, flags)]))


def places(content, path=()):
    """The path of each value in JSON."""
    yield path
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from places(content[key], (*path, key))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file with one thing in it that is not as it was written."""
    how = chance.choice(["flip", "cut", "double", "value", "value", "value", "value", "key"])
    place = chance.randrange(len(data))
    if how == "flip":
        return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
    if how == "cut":
        return data[:place]
    if how == "double":
        return data + data[place:]
    content = json.loads(data)
    check = content.pop("check", None)
    *above, last = chance.choice(list(places(content))[1:])
    inner = content
    for key in above:
        inner = inner[key]
    if how == "key":
        del inner[last]
    else:
        inner[last] = chance.choice(JUNK)
    if check and chance.random() < 0.8:
        content["check"] = checksum_of(content)
    elif check:
        content["check"] = check
    compact = {"separators": (",", ":")} if b"\n " not in data else {"indent": 1}
    return json.dumps(content, sort_keys=True, **compact).encode() + b"\n"


@pytest.mark.parametrize("name", [PLAN, RECEIPT, MANIFEST])
def test_any_damage_is_a_sentence_or_nothing_comes_of_it(flags, finished, name):
    out, files, kept = finished
    refused = 0
    for seed in range(CASES):
        shutil.rmtree(out)
        shutil.copytree(kept, out)
        data = mutated(files[name], random.Random(f"{name} {seed}"))  # noqa: S311
        (out / name).write_bytes(data)
        try:
            conversion = prepare(config_of(flags))
        except InputError as error:
            assert "\n" not in str(error), seed
            assert str(out) in str(error) and str(error).isprintable(), seed
            refused += 1
        else:
            if conversion.is_complete:  # then the summary is written from the manifest
                assert summary(conversion.output.read_manifest(), str(flags[-1]))
    assert refused > CASES // 4 or name == MANIFEST


@pytest.mark.parametrize("name", [PLAN, RECEIPT, MANIFEST, STALE, LOCK])
@pytest.mark.parametrize(
    "data",
    [DEEP, b"[" * 100_000, b"1" * 5000, b'{"n": ' + b"9" * 5000 + b"}", b"\xff\xfe\x00", b"null"],
    ids=["objects", "lists", "digits", "number", "no text", "null"],
)
def test_what_json_has_no_answer_to(flags, finished, name, data):
    out, _, kept = finished
    shutil.rmtree(out)
    shutil.copytree(kept, out)
    (out / name).write_bytes(data)
    if name in (LOCK, MANIFEST):
        assert prepare(config_of(flags)).is_complete == (name == LOCK)
        return
    with pytest.raises(
        InputError, match=r"is not a (plan|receipt|list) of this program \("
    ) as error:
        prepare(config_of(flags))
    assert str(out / name) in str(error.value)


def test_a_damaged_manifest_is_written_again(flags, finished, convert, tree):
    out, files, kept = finished
    shutil.rmtree(out)
    shutil.copytree(kept, out)
    (out / MANIFEST).write_bytes(mutated(files[MANIFEST], random.Random(0)))  # noqa: S311
    assert convert(*flags).status == 3
    assert tree(out) == files


@pytest.mark.parametrize("wrong", ["one image short", "another class"])
def test_a_forged_receipt_is_told_by_its_shard(flags, finished, convert, tree, wrong):
    """With a checksum that is right: the counts of the archives tell."""
    out, files, kept = finished
    shutil.rmtree(out)
    shutil.copytree(kept, out)
    content = json.loads(files[RECEIPT])
    counts = content["class_counts"]
    wnid = max(counts, key=counts.get)
    counts[wnid] -= 1
    if wrong == "another class":
        counts["n00000001"] = 1
    else:
        content["images"] -= 1
        content["records"] -= 1
    del content["check"]
    text = json.dumps({**content, "check": checksum_of(content)}, sort_keys=True)
    (out / RECEIPT).write_bytes(text.replace(", ", ",").replace(": ", ":").encode() + b"\n")
    (out / MANIFEST).unlink()
    finished = convert(*flags)
    assert finished.status == 2, finished.message
    said = finished.message.splitlines()[-1]
    shard = out / "validation-00001-of-00003"
    if wrong == "another class":
        assert "are not all in the receipts of" in said and "run again with --overwrite" in said
        assert convert(*flags, "--overwrite").status == 3
    else:
        assert f"{shard} has 7 images by its receipt, and 8 by its archives; remove it" in said
        shard.unlink()
        assert convert(*flags).status == 3
    assert tree(out) == files
