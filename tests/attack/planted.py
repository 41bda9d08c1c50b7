"""Attacks with planted defects, that the campaign has to find: a script as `__main__` is one."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from attack_case import Attack
from attack_worker import MAX_MEMORY_BYTES
from campaign import main


def harmless(rng: random.Random, folder: Path) -> str:
    assert list(folder.iterdir()) == []
    (folder / "drawn").write_text(str(rng.random()))
    return rng.choice(("records", "records", "refused"))


def loses_one(rng: random.Random, folder: Path) -> str:
    (folder / "drawn").write_text(str(rng.random()))
    print("said by the program")
    assert rng.random() > 1, "an image is lost"
    return "records"


def hangs(rng: random.Random, folder: Path) -> str:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "child").write_text(str(child.pid))
    time.sleep(600)
    return "records"


def grows(rng: random.Random, folder: Path) -> str:
    return "records" if bytearray(b"x") * (MAX_MEMORY_BYTES + (1 << 20)) else ""


def dies(rng: random.Random, folder: Path) -> str:
    os._exit(9)


ATTACKS = (
    Attack("harmless", harmless, share=2),
    Attack("loses", loses_one),
    Attack("hangs", hangs, seconds=0.5),
    Attack("grows", grows),
    Attack("dies", dies),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ATTACKS))
