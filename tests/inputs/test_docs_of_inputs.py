"""docs/inputs.md names tests and flags that exist."""

import re
from pathlib import Path

from imagenet_beam.runners.cli import build_parser

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "inputs.md").read_text()


def test_the_tests_that_the_tables_name_exist():
    defined = set()
    for path in (ROOT / "tests" / "inputs").glob("*.py"):
        defined |= set(re.findall(r"^def (\w+)", path.read_text(), re.MULTILINE))
    named = set(re.findall(r"(?<!-)\b(test_\w+)(?=[`\[])", TEXT))
    assert len(named) > 30
    assert named <= defined


def test_the_flags_that_the_tables_name_exist():
    _, convert = build_parser()
    known = {*convert.flags(), "--checksum", "--exact", "--annotations", "--output", "--synsets"}
    named = set(re.findall(r"(--[a-z_]+[a-z])\b", TEXT))
    assert len(named) > 20
    assert named <= known
