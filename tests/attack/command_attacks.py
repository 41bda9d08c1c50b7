"""Damaged archives given to the whole command on the direct runner, and to `inspect`.

The other attacks convert without Beam; this one holds them to what the command does.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import tar_attacks
import zip_attacks
from attack_case import Attack
from command import ended
from plain_conversion import Converted, convert
from promises import check_images, check_sentence, outcome

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import read_records

_DAMAGE = {**tar_attacks.DAMAGE, **zip_attacks.DAMAGE}


def strike(rng: random.Random, folder: Path) -> str:
    name = rng.choice(tuple(_DAMAGE))
    print(name)
    flags, true, allowed = _DAMAGE[name](rng, folder)
    archive = flags[0].partition("=")[2]
    ended(["inspect", archive], folder, (0, 2))
    output = folder / "out"
    arguments = ["convert", *flags, "--max_rejects=99", f"--output_dir={output}"]
    try:
        made = convert(flags)
    except InputError as error:
        check_sentence(error)
        ended(arguments, output, (2,))
        assert not list(output.glob("*-of-*")), "it was refused, and has written shards"
        return "refused"
    check_images(made, true, allowed)
    ended(arguments, output, (0,))
    check_output(output, made)
    return outcome(made)


def check_output(output: Path, made: Converted) -> None:
    """The shards and the manifest say the same as the plain conversion."""
    records = []
    for path in sorted(output.glob("train-*-of-*")):
        with path.open("rb") as file:
            records += read_records(file, path.name)
    expected = [one for one in made.images.values() if one.record]
    assert sorted(records) == sorted(one.record for one in expected)
    entry = json.loads((output / "manifest.json").read_text())["splits"]["train"]
    counts = (len(made.images), len(expected), len(made.images) - len(expected))
    assert (entry["images"], entry["records"], entry["rejects"]) == counts


ATTACKS = (Attack("command", strike, share=4),)
