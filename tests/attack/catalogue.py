"""All attacks, in the order of the table."""

import command_attacks
import image_attacks
import label_attacks
import small_set_attacks
import state_attacks
import tar_attacks
import zip_attacks
from attack_case import Attack

ATTACKS: tuple[Attack, ...] = (
    *tar_attacks.ATTACKS,
    *zip_attacks.ATTACKS,
    *image_attacks.ATTACKS,
    *label_attacks.ATTACKS,
    *small_set_attacks.ATTACKS,
    *command_attacks.ATTACKS,
    *state_attacks.ATTACKS,
)
