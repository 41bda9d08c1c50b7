"""`convert --runner=NAME --help` has the flags of that runner."""

import subprocess
import sys
from pathlib import Path

import pytest

from imagenet_beam.runners.base import RUNNERS
from imagenet_beam.runners.cli import main

ROOT = Path(__file__).parents[2]
OWN = {
    "FlinkRunner": ("--flink_master", "--environment_type", "--parallelism"),
    "DataflowRunner": ("--region", "--max_num_workers", "--setup_file"),
    "DirectRunner": ("--direct_running_mode", "--direct_num_workers"),
    "PrismRunner": ("--prism_location", "--environment_type"),
}


@pytest.mark.parametrize("name", OWN)
def test_the_flags_are_those_of_the_runner(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["convert", f"--runner={name}", "--help"]) == 0
    printed = capsys.readouterr().out
    flags = {line.split()[0] for line in printed.splitlines() if line.startswith("  --")}
    assert set(OWN[name]) <= flags
    others = {flag for other, own in OWN.items() for flag in own if other != name} - set(OWN[name])
    assert not others & flags
    page = printed.partition("Which of them matter: ")[2].partition(".\n")[0]
    assert (ROOT / page).exists()


@pytest.mark.parametrize("name", RUNNERS)
def test_every_runner_has_help(name, capsys):
    assert main(["convert", "-h", "--runner", name.lower()]) == 0
    assert f"--runner={name}" in capsys.readouterr().out


def test_a_runner_that_is_not_known(capsys):
    assert main(["convert", "--runner=Nope", "--help"]) == 2
    assert "--runner=Nope is not known; accepted are DataflowRunner" in capsys.readouterr().err


def test_help_alone_does_not_import_beam():
    code = (
        "import sys; from imagenet_beam.runners import cli\n"
        "try: cli.main(['convert', '--help'])\n"
        "except SystemExit: print('apache_beam' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "False"
