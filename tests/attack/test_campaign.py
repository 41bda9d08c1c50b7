"""The campaign finds planted defects, tells and keeps them, and ends what hangs."""

import subprocess
import sys
from pathlib import Path

import pytest
from attack_case import case_folder, draws
from planted import ATTACKS

PLANTED = Path(__file__).parent / "planted.py"
BY_NAME = {attack.name: attack for attack in ATTACKS}


@pytest.fixture
def campaign(tmp_path):
    """`campaign(*flags)`: the command with the planted attacks; its status and what it prints."""

    def run(*flags: str) -> tuple[int, str]:
        command = [sys.executable, str(PLANTED), f"--output={tmp_path}", *flags]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout

    return run


def is_running(pid: int) -> bool:
    """Whether a process is neither gone nor a zombie, which this one cannot reap."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return found.stdout.strip()[:1] not in ("", "Z")


def test_what_holds_is_counted_and_leaves_nothing(campaign, tmp_path):
    status, said = campaign("--only=harmless", "--minutes=0.02")
    assert status == 0
    row = said.splitlines()[2]
    assert row.startswith("| harmless | ") and row.endswith(" refused | 0 |")
    assert list(tmp_path.iterdir()) == []


def test_a_defect_is_told_and_kept_with_the_way_to_do_it_again(campaign, tmp_path):
    status, said = campaign("--only=loses", "--seed=4")
    assert status == 1
    assert "| loses | 1 |  | 1 |" in said
    assert "loses 4: AssertionError: an image is lost" in said
    folder = case_folder(tmp_path, BY_NAME["loses"], 4)
    drawn = str(draws(BY_NAME["loses"], 4).random())
    assert (folder / "files" / "drawn").read_text() == drawn
    assert "in loses_one" in (folder / "traceback.txt").read_text()
    assert (folder / "log.txt").read_text() == "said by the program\n"
    assert (folder / "again.sh").read_text().endswith(" --only=loses --seed=4\n")


def test_a_case_that_hangs_is_ended_with_what_it_started(campaign, tmp_path):
    status, said = campaign("--only=hangs", "--seed=0")
    assert status == 1
    assert "hangs 0: hang: more than 0.5 seconds" in said
    folder = case_folder(tmp_path, BY_NAME["hangs"], 0)
    assert "in hangs" in (folder / "traceback.txt").read_text()
    assert not is_running(int((folder / "files" / "child").read_text()))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("grows", "memory: more than 1,073,741,824 bytes"),
        ("dies", "the process ended with status 9"),
    ],
)
def test_what_ends_a_process_is_a_failure_and_the_next_case_is_done(campaign, name, reason):
    status, said = campaign(f"--only={name}", "--only=harmless", "--seed=0", "--processes=1")
    assert status == 1
    assert f"{name} 0: {reason}" in said
    assert "| harmless | 1 | 1 re" in said
