"""What an embedding job imports, and what that imports."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import imagenet_beam as package

ROOT = Path(__file__).parents[2]


def names_for_type_checkers():
    """What the package's `if TYPE_CHECKING` names, and from where."""
    tree = ast.parse((ROOT / "src" / "imagenet_beam" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in imports for alias in node.names}


def test_what_is_offered_is_there_and_known_to_type_checkers():
    known = names_for_type_checkers()
    offered = {name: f"imagenet_beam.{module}" for name, module in package._MODULES.items()}
    assert offered == known
    assert {*known, "__version__"} <= set(dir(package))
    for name, module in known.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = package.nonsense


def test_the_steps_of_the_documentation_are_offered():
    for line in (ROOT / "docs" / "embedding.md").read_text().splitlines():
        if line.startswith("| `"):
            assert line.split("`")[1] in dir(package)
    assert {"ConvertConfig", "ConvertImages"} <= set(dir(package))


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import imagenet_beam; imagenet_beam.__version__", "apache_beam"),
        ("from imagenet_beam import Resize, serialize_example", "apache_beam"),
        ("from imagenet_beam import WriteToTFRecord, ListImages", "tensorflow"),
        ("from imagenet_beam import ConvertImages, ConvertConfig", "tensorflow"),
    ],
)
def test_importing_stays_light(statement, absent):
    code = f"import sys; {statement}; print({absent!r} in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
