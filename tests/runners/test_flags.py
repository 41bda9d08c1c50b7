"""Messages name fields in the library and flags on the command line."""

import argparse
import ast
import re
from pathlib import Path

import pytest

from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.flags import flag_of, with_flags
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
