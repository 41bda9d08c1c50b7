"""What an embedding job imports, and what that imports."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def names_for_type_checkers(path):
    """What a package's `if TYPE_CHECKING` names, and from where."""
    tree = ast.parse(path.read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name: node.module for node in block.body for alias in node.names}


@pytest.mark.parametrize("part", ["transforms", "pipeline"])
def test_what_is_offered_is_there_and_known_to_type_checkers(part):
    package = importlib.import_module(f"imagenet_beam.{part}")
    known = names_for_type_checkers(ROOT / part / "__init__.py")
    assert sorted(known) == package.__all__
    assert set(package.__all__) <= set(dir(package))
    for name, module in known.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = package.nonsense


def test_the_steps_of_the_documentation_are_offered():
    from imagenet_beam import pipeline, transforms

    for line in (ROOT / "docs" / "embedding.md").read_text().splitlines():
        if line.startswith("| `"):
            assert line.split("`")[1] in transforms.__all__
    assert {"ConvertConfig", "ConvertImages"} <= set(pipeline.__all__)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import imagenet_beam.transforms, imagenet_beam.pipeline", "apache_beam"),
        ("from imagenet_beam.transforms import Resize, serialize_example", "apache_beam"),
        ("from imagenet_beam.transforms import WriteToTFRecord, ListImages", "tensorflow"),
        ("from imagenet_beam.pipeline import ConvertImages, ConvertConfig", "tensorflow"),
    ],
)
def test_importing_stays_light(statement, absent):
    code = f"import sys; {statement}; print({absent!r} in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
