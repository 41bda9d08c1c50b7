"""Virtual environments with the libraries that read TFRecords, each made once.

They have this package's source and what `Records` needs, but neither Beam nor TensorFlow.
Where they lie, `$IMAGENET_BEAM_TEST_ENVIRONMENTS` says, else pytest's cache.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("google-crc32c", "numpy", "pillow", "protobuf", "typing-extensions")
LIGHT = ("grain==0.2.18", "jax==0.10.2", "tfrecord==1.14.6")
"""What is tried beside TensorFlow and DALI, in one environment."""

_VARIABLE = "IMAGENET_BEAM_TEST_ENVIRONMENTS"
_SECONDS = 300


def environment(packages, cache) -> Path:
    """The Python of the environment with these packages; skips where they cannot be had."""
    wanted = " ".join([sys.version, *NEEDED, *packages])
    base = Path(os.environ.get(_VARIABLE) or cache.mkdir("environments"))
    base.mkdir(parents=True, exist_ok=True)
    folder = base / hashlib.sha256(wanted.encode()).hexdigest()[:12]
    with (base / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait for it
        done = folder / "done"
        if not done.exists():
            venv.create(folder, with_pip=True, clear=True)
            pip = str(folder / "bin" / "pip")
            run = subprocess.run(
                [pip, "install", "--quiet", *NEEDED, *packages],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
            if run.returncode:
                why = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
                pytest.skip(f"{' '.join(packages)} cannot be installed: {why}")
            done.touch()
    return folder / "bin" / "python"


def run_in(python, folder, *args) -> str:
    """Runs Python in a folder; gives what it prints."""
    run = subprocess.run(
        [python, *args],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout
