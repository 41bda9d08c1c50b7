"""Copies of the project: as a checkout, and as a user would have it installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("pipeline", "transforms", "runners")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info")


def copied(folder: Path, without: str = "") -> Path:
    """Copies what a package is built from, perhaps with one dependency taken out."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=_NOT_COPIED)
    shutil.copytree(ROOT / "src", folder / "src", symlinks=True, ignore=_NOT_COPIED)
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").write_text("for the build\n")
    project = folder / "pyproject.toml"
    lines = project.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not (without and line.strip().startswith(f'"{without}'))]
    assert len(kept) == len(lines) - bool(without)
    project.write_text("".join(kept))
    return folder


def installed(folder: Path, without: str = "") -> Path:
    """Installs the project as a user would, perhaps with one dependency taken out."""
    checkout = copied(folder / "checkout", without)
    target = folder / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, checkout], check=True, timeout=120)
    shutil.rmtree(checkout)
    return target
