"""What an embedding job imports, and what that imports."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import imagenet_beam as package
from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.transforms.records.example import parse_example
from imagenet_beam.transforms.records.framing import read_records

ROOT = Path(__file__).parents[2]
EMBEDDING = (ROOT / "docs" / "embedding.md").read_text()
ELEMENTS = (
    *("ImageRef", "LabeledImage", "BoundingBox", "Labels", "EncodedImage", "DecodedImage"),
    *("Record", "Reject", "ShardReceipt"),
)


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
    steps = EMBEDDING.partition("## The steps")[2].partition("## ")[0]
    for line in steps.splitlines():
        if line.startswith("| `"):
            assert line.split("`")[1] in dir(package)
    assert {"ConvertConfig", "ConvertImages"} <= set(dir(package))


def table_of(element: type) -> str:
    """The fields of an element, as its annotations and its docstring have them."""
    attributes = inspect.cleandoc(element.__doc__).partition("Attributes:\n")[2]
    meanings = {}
    for name, meaning in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        sentence = re.match(r".*?[.;](?= |$)|.*", " ".join(meaning.split()))[0]
        meanings[name] = sentence.rstrip(".;")
    rows = ["| field | type | |", "|---|---|---|"]
    for name, kind in typing.get_type_hints(element).items():
        shown = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
        shown = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", shown)
        rows.append(f"| `{name}` | `{shown}` | {meanings.get(name, '')} |")
    return "\n".join(rows)


@pytest.mark.parametrize("name", ELEMENTS)
def test_the_tables_of_the_elements_are_those_of_the_code(name):
    assert f"### {name}\n\n{table_of(getattr(package, name))}\n" in EMBEDDING


def test_the_whole_job_of_the_documentation_runs(tmp_path):
    spec = SyntheticImageNet(
        classes=3, train_per_class=4, validation_per_class=1, image_width=40, image_height=30
    )
    write_imagenet(tmp_path, spec)
    (job,) = re.findall(r"## A whole job.*?```python\n(.*?)```", EMBEDDING, re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", job], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    shards = sorted((tmp_path / "mine").glob("train-*-of-00004"))
    records = []
    for shard in shards:
        with shard.open("rb") as file:
            records += [parse_example(data) for data in read_records(file, shard.name)]
    gray = sum(record["image/channels"] == [1] for record in records)
    assert run.stdout == f"gray images: {gray}\n"
    assert (len(shards), len(records), bool(gray)) == (4, 12, True)
    assert all(0 < record["image/brightness"][0] < 1 for record in records)


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
