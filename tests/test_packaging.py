"""What is installed, and from where it works."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import imagenet_beam

ROOT = Path(__file__).parents[1]
EMBEDDING = ROOT / "docs" / "embedding.md"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist, built from a copy of the files that git knows, and its wheel."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout, so that git cannot tell which files belong to the project")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if os.path.lexists(ROOT / name):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    subprocess.run([sys.executable, "-m", "build", "-o", target, source], check=True)
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_the_sdist_holds_files_where_a_checkout_has_links(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        members = {name.partition("/")[2]: tar.getmember(name) for name in tar.getnames()}
    assert members["src/imagenet_beam/py.typed"].isfile()
    assert members["src/imagenet_beam/pipeline/__init__.py"].isfile()
    assert not [name for name, member in members.items() if member.issym()]


def test_the_wheel_has_one_import_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {"imagenet_beam"}
    assert {"imagenet_beam/__init__.py", "imagenet_beam/py.typed"} <= set(names)


def test_the_wheel_has_every_module(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        f"imagenet_beam/{path.relative_to(ROOT)}"
        for part in ("transforms", "pipeline", "runners")
        for path in (ROOT / part).rglob("*.py")
    }
    assert modules <= names


def test_the_installed_wheel_works_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (tmp_path / "pipeline").mkdir()  # an embedding job's own package of that name
    (tmp_path / "pipeline" / "__init__.py").write_text("MINE = True\n")
    probe = (
        "import pipeline, sys\n"
        "assert pipeline.MINE\n"
        "from imagenet_beam.runners import cli\n"
        f"assert cli.__file__.startswith({str(site)!r}), cli.__file__\n"
        "sys.exit(cli.main(['convert', '--resize=bad', '--output_dir=x', '--train_archive=y']))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"},
    )
    assert run.returncode == 2, run.stderr
    assert "--resize=bad" in run.stderr


@pytest.fixture(scope="module")
def consumer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, and behind it the packages that it needs."""
    env = tmp_path_factory.mktemp("consumer") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    (site,) = env.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return env / "bin" / "python"


@pytest.fixture(scope="module")
def embedding(consumer: Path) -> Path:
    """The Python of docs/embedding.md as a program, and each public name once."""
    blocks = re.findall(r"```python\n(.*?)```", EMBEDDING.read_text(), re.DOTALL)
    names = [f"reveal_type(imagenet_beam.{name})" for name in imagenet_beam._MODULES]
    program = consumer.parents[2] / "program.py"
    program.write_text("\n".join(["import imagenet_beam", *blocks, *names, ""]))
    return program


def revealed(said: str) -> list[str]:
    return re.findall(r"(?:Revealed t|T)ype (?:is|of \S+ is) \"(.*)\"", said)


@pytest.mark.slow
@pytest.mark.parametrize(
    "checker",
    [
        ["mypy", "--strict", "--no-incremental", "--python-executable"],
        ["pyright", "--pythonpath"],
    ],
    ids=lambda command: command[0],
)
def test_a_job_as_in_the_documents_passes_the_type_checkers(
    checker: list[str], consumer: Path, embedding: Path
) -> None:
    tool, *options = checker
    beside = Path(sys.executable).with_name(tool)
    if not beside.exists():
        pytest.skip(f"no {tool}: pip install -e '.[test]'")
    run = subprocess.run(
        [beside, *options, consumer, embedding.name],
        cwd=embedding.parent,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    types = revealed(run.stdout)
    assert len(types) == len(imagenet_beam._MODULES)
    assert not [shown for shown in types if shown in ("Any", "Unknown")]


def test_the_declared_dependencies_cover_the_imports() -> None:
    declared = (ROOT / "pyproject.toml").read_text()
    for name in ("apache-beam", "google-crc32c", "google-cloud-storage", "pillow", "tensorflow"):
        assert f'"{name}>=' in declared
