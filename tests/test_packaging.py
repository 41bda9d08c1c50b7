"""What is installed, and from where it works."""

import ast
import email
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
from packaging.requirements import Requirement

import imagenet_beam

ROOT = Path(__file__).parents[1]
EMBEDDING = ROOT / "docs" / "embedding.md"
WHOLE_JOB = "beam.DoFn"
PARTS = ("transforms", "pipeline", "runners")
_RANGE = re.search(
    r'^requires-python = ">=3\.(\d+),<3\.(\d+)"',
    (ROOT / "pyproject.toml").read_text(),
    re.MULTILINE,
)
assert _RANGE
MINORS = range(int(_RANGE[1]), int(_RANGE[2]))


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
    assert members["src/imagenet_beam/pipeline/reading/report.html"].isfile()
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
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
    }
    assert modules | {"imagenet_beam/pipeline/reading/report.html"} <= names


def test_the_installed_wheel_works_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.unpack_archive(wheel, site, "zip")
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
    shutil.unpack_archive(wheel, site, "zip")
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return env / "bin" / "python"


@pytest.fixture(scope="module")
def embedding(consumer: Path) -> Path:
    """The Python of docs/embedding.md but for its whole job, and each public name once."""
    blocks = [block for block in python_of(EMBEDDING) if WHOLE_JOB not in block]
    names = [f"reveal_type(imagenet_beam.{name})" for name in imagenet_beam._MODULES]
    program = consumer.parents[2] / "program.py"
    program.write_text("\n".join(["import imagenet_beam", *blocks, *names, ""]))
    return program


def python_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


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


@pytest.mark.slow
def test_the_whole_job_of_the_documents_passes_mypy(consumer: Path, tmp_path: Path) -> None:
    """Beam's own functions have no annotations, so calls of these are allowed."""
    (job,) = (block for block in python_of(EMBEDDING) if WHOLE_JOB in block)
    (tmp_path / "job.py").write_text(job)
    mypy = Path(sys.executable).with_name("mypy")
    if not mypy.exists():
        pytest.skip("no mypy: pip install -e '.[test]'")
    options = ["--strict", "--allow-untyped-calls", "--no-incremental"]
    run = subprocess.run(
        [mypy, *options, "--python-executable", consumer, "job.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


GOOGLE = {
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.cloud.dataflow": "google-cloud-dataflow-client",
    "google.cloud.storage": "google-cloud-storage",
    "google.protobuf": "protobuf",
}


def test_each_part_of_the_name_google_is_declared() -> None:
    """`make check` runs deptry, for which one distribution below `google` covers them all."""
    declared = (ROOT / "pyproject.toml").read_text()
    found = set()
    for path in (path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("google."):
                found |= {f"{node.module}.{alias.name}." for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {f"{alias.name}." for alias in node.names if alias.name[:7] == "google."}
    assert found
    for name in found:
        (distribution,) = (GOOGLE[prefix] for prefix in GOOGLE if name.startswith(f"{prefix}."))
        assert f'"{distribution}>=' in declared, name


def requirements(wheel: Path, minor: int, **machine: str) -> list[str]:
    """What the wheel needs on a version of Python and a machine, without its extras."""
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = email.message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
    version = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0", "extra": ""}
    version |= machine
    parsed = [Requirement(line) for line in lines]
    return [
        f"{one.name}{one.specifier}"
        for one in parsed
        if one.marker is None or one.marker.evaluate(version)
    ]


@pytest.mark.slow
def test_the_newest_python_has_a_wheel_of_each_requirement(wheel: Path, tmp_path: Path) -> None:
    """Of those of the requirements, too: nothing has to be compiled. Asks the package index."""
    newest = MINORS[-1]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    only = [f"--python-version=3.{newest}", "--only-binary=:all:", f"--target={tmp_path}"]
    patience = ["--retries=1", "--timeout=20", "--disable-pip-version-check"]
    run = subprocess.run(
        [*pip, *only, *patience, *requirements(wheel, newest)], capture_output=True, text=True
    )
    if run.returncode and "connection" in run.stderr.lower():
        pytest.skip(f"the package index does not answer: {run.stderr.splitlines()[0]}")
    assert run.returncode == 0, run.stderr


FAST = {"cykooz-resizer", "simplejpeg"}
"""Asked for only where there are wheels; else Pillow does their work."""


@pytest.mark.parametrize(
    ("system", "machine", "asked"),
    [
        ("linux", "x86_64", True),
        ("darwin", "x86_64", True),
        ("darwin", "arm64", True),
        ("linux", "aarch64", False),
        ("win32", "AMD64", False),
    ],
)
def test_the_fast_libraries_are_asked_for_where_they_have_wheels(
    wheel: Path, system: str, machine: str, asked: bool
) -> None:
    found = requirements(wheel, MINORS[-1], sys_platform=system, platform_machine=machine)
    assert {Requirement(one).name for one in found} & FAST == (FAST if asked else set())


@pytest.mark.slow
@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize(
    "platform", ["manylinux2014_x86_64", "macosx_11_0_arm64", "macosx_10_13_x86_64"]
)
def test_the_fast_libraries_have_wheels(
    wheel: Path, minor: int, platform: str, tmp_path: Path
) -> None:
    """For each Python and machine that the requirements ask for them. Asks the package index."""
    here = requirements(wheel, minor, sys_platform="linux", platform_machine="x86_64")
    fast = [one for one in here if Requirement(one).name in FAST]
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", f"--dest={tmp_path}"]
    only = [f"--python-version=3.{minor}", f"--platform={platform}", "--only-binary=:all:"]
    patience = ["--retries=1", "--timeout=20", "--disable-pip-version-check"]
    run = subprocess.run([*pip, *only, *patience, *fast], capture_output=True, text=True)
    if run.returncode and "connection" in run.stderr.lower():
        pytest.skip(f"the package index does not answer: {run.stderr.splitlines()[0]}")
    assert run.returncode == 0, run.stderr
    assert len(list(tmp_path.glob("*.whl"))) == len(FAST)


def test_the_readme_names_the_pythons_that_are_supported() -> None:
    assert f"Python 3.{MINORS[0]} to 3.{MINORS[-1]}" in (ROOT / "README.md").read_text()
