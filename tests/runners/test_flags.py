"""The table of flags: fields, defaults, help, and what messages call them."""

import argparse
import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from imagenet_beam.pipeline.config import ConvertConfig, Workers
from imagenet_beam.pipeline.datasets.registry import BUILT_IN, DATASETS
from imagenet_beam.runners.arguments import check_beam_flags
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.flags import BEAM_FLAGS, FLAGS, Flag, flag_of, given_fields, with_flags
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.errors import InputError

ROOT = Path(__file__).parents[2]
WITHOUT_A_FLAG = {"image.max_pixels"}
"""Fields that only embedding jobs set."""


def flags() -> set[str]:
    parser, _ = build_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {
        flag
        for command in commands.choices.values()
        for action in command._actions
        for flag in action.option_strings
    }


def texts(path: Path) -> list[str]:
    """The string literals of a module, without docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
    ]


MODULES = sorted(
    path for part in ("transforms", "pipeline") for path in (ROOT / part).rglob("*.py")
)


def test_every_field_that_a_message_names_has_a_flag() -> None:
    named = {
        (field, path.relative_to(ROOT))
        for path in MODULES
        for text in texts(path)
        for field in re.findall(r"`([a-z_.]+)`", text)
    }
    assert len(named) > 30
    known = flags()
    assert {
        item for item in named if item[0] not in WITHOUT_A_FLAG and flag_of(item[0]) not in known
    } == set()


@pytest.mark.parametrize(
    ("field", "flag"),
    [
        ("output_dir", "--output_dir"),
        ("image.jpeg_quality", "--jpeg_quality"),
        ("labels.base", "--label_base"),
        ("validation.num_shards", "--validation_shards"),
        ("selection.max_per_class", "--max_images_per_class"),
    ],
)
def test_a_field_becomes_its_flag(field: str, flag: str) -> None:
    error = InputError(f"`{field}`=7 is too much; give `output_dir`")
    assert error.field == field
    assert with_flags(error) == f"{flag}=7 is too much; give --output_dir"


def test_a_message_without_a_field() -> None:
    error = InputError("x.tar is `Not A Field` and is kept")
    assert error.field == ""
    assert with_flags(error) == str(error)


def parts(config: ConvertConfig) -> dict[str, object]:
    """What the fields of flags begin with."""
    train = config.splits[0]
    return {
        "": config,
        "image": config.image,
        "labels": config.labels,
        "selection": train.selection,
        "storage": config.storage,
        "train": train,
    }


def converted(*flags: str) -> dict[str, Any]:
    """The dataclasses that flags set, by how the fields of each begin."""
    _, convert = build_parser()
    args = convert.parse_args([*flags, "--output_dir=gs://b/out"])
    workers = Workers(**given_fields(args, "workers"))
    return {**parts(config_from_flags(args)), "workers": workers}


NO_FIELDS = {
    *("dataset", "input", "download_dir", "holdout_split", "max_rejects"),
    *("dry_run", "detach", "verify", "report"),
}
NOT_THE_TRAINING_SPLIT = {"validation.num_shards", "test.num_shards", "holdout.num_shards"}
SET = [
    flag
    for flag in FLAGS
    if flag.field not in NO_FIELDS | NOT_THE_TRAINING_SPLIT | {"output_dir"}
    if not flag.name.endswith(("_archive", "_directory"))
]
VALUES = {
    "classes": "n01440764,n01443537",
    "fraction": "0.5",
    "gcs_project": "my-project",
    "gcs_billing_project": "my-project",
    "kms_key": "projects/P/locations/L/keyRings/R/cryptoKeys/K",
    "label_base": "0",
    "label_order": "ilsvrc2012_id",
    "output_layout": "by_split",
    "resize": "longer:7",
    "schema": "tpu",
}


@pytest.mark.parametrize("flag", SET, ids=lambda flag: flag.name)
def test_a_flag_sets_its_field_and_nothing_else(flag: Flag) -> None:
    words = None if isinstance(flag.value, str) else list(flag.value)[-1]
    value = VALUES.get(flag.name) or words or {"N": "7"}.get(str(flag.value), "x")
    typed = f"--{flag.name}={value}" if flag.value else f"--{flag.name}"
    before = converted("--train_archive=t")
    after = converted("--train_archive=t", typed)
    owner, _, field = flag.field.rpartition(".")
    found = getattr(after[owner], field)
    assert found != getattr(before[owner], field)
    changed = dataclasses.replace(before[owner], **{field: found})
    if flag.name == "labels_file":
        changed = dataclasses.replace(changed, order="listed")
    if flag.name == "train_shards":
        changed = dataclasses.replace(changed, images_per_shard=0)
    assert after[owner] == changed
    assert value in str(found) or found in (True, ("n01440764", "n01443537"))


def test_without_flags_each_field_has_the_default_of_its_dataclass() -> None:
    found = converted("--train_archive=t")
    config = ConvertConfig("gs://b/out", found[""].splits, type(found["labels"])())
    fresh = {**parts(config), "workers": Workers()}
    for flag in SET:
        owner, _, field = flag.field.rpartition(".")
        assert getattr(found[owner], field) == getattr(fresh[owner], field), flag.name


def test_help_fits_three_screens_and_names_each_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, convert = build_parser()
    lines = convert.format_help().splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert all(name in text for name in DATASETS)
    for name, dataset in BUILT_IN.items():
        assert not dataset.input_forms or f"{name}: {dataset.input_forms}" in text
    assert "(default: 95)" in text
    assert "(default: 350 for flowers, else 0)" in text
    for flag in (*FLAGS, *BEAM_FLAGS):
        assert f"--{flag.name} " in text


def test_the_flags_of_beam_that_the_help_shows_are_beams() -> None:
    check_beam_flags([f"--{flag.name}=1" for flag in BEAM_FLAGS], [])
    _, convert = build_parser()
    args, rest = convert.parse_known_args(["--runner=FlinkRunner", "--train_archive=t"])
    assert rest == ["--runner=FlinkRunner"]
    assert not hasattr(args, "runner")
