"""Damaged inputs given to the whole command on the direct runner, and to `inspect`.

The other attacks convert without Beam; this one holds them to what the command does.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import label_attacks
import small_set_attacks
import tar_attacks
import zip_attacks
from attack_case import Attack
from command import ended
from plain_conversion import Converted, convert
from promises import check_images, check_sentence, outcome

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.framing import read_records

_MODULES = (tar_attacks, zip_attacks, label_attacks, small_set_attacks)
_DAMAGE = {name: damage for module in _MODULES for name, damage in module.DAMAGE.items()}


def strike(rng: random.Random, folder: Path) -> str:
    name = rng.choice(tuple(_DAMAGE))
    print(name)
    flags, true, allowed = _DAMAGE[name](rng, folder)
    files = [str(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    ended(["inspect", *files], folder, (0, 2))
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
    for path in sorted(output.glob("*-of-*")):
        with path.open("rb") as file:
            records += read_records(file, path.name)
    expected = [one.record for one in made.images.values() if one.record]
    assert sorted(records) == sorted(expected)
    manifest = json.loads((output / "manifest.json").read_text())
    for name, split in manifest["splits"].items():
        of_split = [one for key, one in made.images.items() if key.startswith(f"{name}/")]
        rejects = sum(bool(one.reject) for one in of_split)
        counts = (split["images"], split["records"], split["rejects"])
        assert counts == (len(of_split), len(of_split) - rejects, rejects)


ATTACKS = (Attack("command", strike, share=4),)
