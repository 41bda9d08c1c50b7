"""What is installed, and from where it works."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the files that git knows."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout, so that git cannot tell which files belong to the project")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", target, source],
        check=True,
    )
    return next(target.glob("*.whl"))


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


def test_the_declared_dependencies_cover_the_imports() -> None:
    declared = (ROOT / "pyproject.toml").read_text()
    for name in ("apache-beam", "google-crc32c", "google-cloud-storage", "pillow", "tensorflow"):
        assert f'"{name}>=' in declared
