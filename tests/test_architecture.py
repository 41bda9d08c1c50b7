"""The directions of import that docs/architecture.md promises."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("transforms", "pipeline", "runners")
TOPICS = ("threads", "archives", "images", "labels", "boxes", "records")
MODULES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(node.module or "")
    return names


def importing(folder: str, prefix: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in MODULES
        if path.is_relative_to(ROOT / folder)
        for name in imported(path)
        if name == prefix or name.startswith(prefix + ".")
    ]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        *((f"transforms/{topic}", "apache_beam") for topic in TOPICS),
        ("transforms", "imagenet_beam.pipeline"),
        ("transforms", "imagenet_beam.runners"),
        ("pipeline", "imagenet_beam.runners"),
        ("transforms", "argparse"),
        ("pipeline", "argparse"),
        ("transforms", "tensorflow"),
    ],
)
def test_import_direction(folder: str, forbidden: str) -> None:
    assert MODULES
    assert importing(folder, forbidden) == []


def test_one_function_imports_tensorflow() -> None:
    """And the annotation of what it returns, which only type checkers read."""
    assert importing("pipeline", "tensorflow") == ["pipeline/reading/tf_data.py imports tensorflow"]
    tree = ast.parse((ROOT / "pipeline/reading/tf_data.py").read_text())
    outer = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("tensorflow" in ast.unparse(node) for node in outer)


def test_bare_imports_of_the_top_level_folders_are_absent() -> None:
    for part in PARTS:
        for folder in PARTS:
            assert importing(folder, part) == []


def test_only_the_door_imports_storage_backends() -> None:
    allowed = {ROOT / "transforms/storage/files.py"}
    for path in MODULES:
        if path in allowed or "storage" in path.parts:
            continue
        backends = [name for name in imported(path) if name.startswith("google.cloud.storage")]
        assert backends == [], path


MAY_IMPORT_BEAM = {
    *(
        f"transforms/{name}.py"
        for name in (
            "coders",
            "encode_images",
            "few_steps",
            "join_boxes",
            "join_labels",
            "list_images",
            "plan_shards",
            "batches",
            "select_images",
            "shuffle",
            "write_shards",
            "write_to_tfrecord",
        )
    ),
    "transforms/storage/beam.py",
    "pipeline/convert.py",
    "pipeline/dry_run.py",
    "pipeline/listing.py",
}
"""Of `transforms` and `pipeline`; `runners` may as a whole."""


def test_beam_is_imported_where_it_may_be() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if not path.is_relative_to(ROOT / "runners")
        if any(name.partition(".")[0] == "apache_beam" for name in imported(path))
    }
    assert found == MAY_IMPORT_BEAM


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {
        "imagenet_beam."
        + path.relative_to(ROOT)
        .with_suffix("")
        .as_posix()
        .replace("/", ".")
        .removesuffix(".__init__"): path
        for path in MODULES
    }
    left = {
        name: {
            other
            for other in names
            if other != name and any(one == other or one.startswith(other + ".") for one in found)
        }
        for name, path in names.items()
        for found in (imported_names(path),)
    }
    while free := {name for name, needed in left.items() if not needed}:
        left = {name: needed - free for name, needed in left.items() if name not in free}
    assert left == {}


def imported_names(path: Path) -> set[str]:
    """Modules and what is taken out of them, which may be modules too; lazy imports as well."""
    return imported(path) | {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


IMPORT_PROBE = """
import sys
sys.argv = ["probe", "--unknown_flag=1"]
import threading
from apache_beam.options.pipeline_options import PipelineOptions
import apache_beam
beam_modules = set(sys.modules)
before = set(PipelineOptions.__subclasses__())
import imagenet_beam.pipeline.convert, imagenet_beam.transforms.encode_images
assert set(PipelineOptions.__subclasses__()) == before, "importing registered flags"
assert "tensorflow" not in sys.modules, "importing loaded TensorFlow"
clients = {"google.cloud.storage", "google.auth.transport.requests"} & set(sys.modules)
assert not clients - beam_modules, "importing loaded the storage client"
assert threading.active_count() == 1, "importing started threads"
import warnings, PIL.Image
assert PIL.Image.MAX_IMAGE_PIXELS == 89478485
"""


def test_importing_has_no_side_effects() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORT_PROBE], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


COLLECTED = """
import gc, sys
from imagenet_beam.runners.cli import main
found = []
gc.callbacks.append(lambda phase, info: found.append(info["generation"]))
if sys.argv[1] == "disabled":
    gc.disable()
assert main(["convert", "--train_archive=/no/such.tar", "--output_dir=/no/such"]) == 2
assert "apache_beam" in sys.modules
print(len(found), gc.isenabled(), gc.get_freeze_count())
"""


@pytest.mark.parametrize("before", ["enabled", "disabled"])
def test_imports_are_not_searched_for_garbage_and_the_collector_is_left_as_it_was(before) -> None:
    done = subprocess.run([sys.executable, "-c", COLLECTED, before], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    looks, is_enabled, frozen = done.stdout.split()
    assert int(looks) < 300  # to import Beam takes 770
    assert (is_enabled, frozen) == (str(before == "enabled"), "0")


def test_the_command_line_answers_without_loading_beam() -> None:
    probe = (
        "import sys\n"
        "from imagenet_beam.runners.cli import main\n"
        "status = main(['convert', '--train_shards=x'])\n"
        "assert status == 2, status\n"
        "assert 'apache_beam' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
