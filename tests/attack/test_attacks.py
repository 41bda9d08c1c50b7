"""Each mutation in a few fixed cases, and those cases that have found something once.

The attacks on running conversions and finished sets have tests of their own.
"""

import command_attacks
import image_attacks
import label_attacks
import pytest
import small_set_attacks
import state_attacks
import tar_attacks
import zip_attacks
from attack_case import Attack, draws

ATTACKS = [
    *tar_attacks.ATTACKS,
    *zip_attacks.ATTACKS,
    *image_attacks.ATTACKS,
    *label_attacks.ATTACKS,
    *small_set_attacks.ATTACKS,
    *command_attacks.ATTACKS,
    *state_attacks.ATTACKS,
]

SEEDS = 12
SLOW_SEEDS = 2
"""Of attacks that run the whole command."""

FOUND = {
    "tar-gnu": (14, 5010, 20145),  # an image whose header makes it the name of the next one
    "tar-class-tars": (10, 81, 90),  # zeros from within a class tar to the end
    "zip-damaged": (0, 59),  # a name in the list of members that is no image's any more
    "zip-edited": (98, 252),
    "image-jpeg": (77, 85),  # a header that Pillow does not read, kept
    "image-png": (65, 103),  # a chunk of pixels, or its name, without its checksum
}


def outcomes(attack: Attack, folder) -> set[str]:
    seeds = range(SLOW_SEEDS if attack.share > 1 else SEEDS)
    found = set()
    for seed in dict.fromkeys((*seeds, *FOUND.get(attack.name, ()))):
        case = folder / str(seed)
        case.mkdir()
        found.add(attack.strike(draws(attack, seed), case))
    return found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_no_promise_is_broken(attack, tmp_path):
    found = outcomes(attack, tmp_path)
    assert attack.share > 1 or found & {"refused", "rejects"}, "no damage is done"
