"""All attacks, in the order of the table."""

import command_attacks
import crash_points
import failing_calls
import image_attacks
import kills
import label_attacks
import network
import published
import small_set_attacks
import state_attacks
import tar_attacks
import zip_attacks
from attack_case import Attack

ATTACKS: tuple[Attack, ...] = (
    *tar_attacks.ATTACKS,
    *zip_attacks.ATTACKS,
    *image_attacks.ATTACKS,
    *crash_points.ATTACKS,
    *failing_calls.ATTACKS,
    *kills.ATTACKS,
    *network.ATTACKS,
    *published.ATTACKS,
    *label_attacks.ATTACKS,
    *small_set_attacks.ATTACKS,
    *command_attacks.ATTACKS,
    *state_attacks.ATTACKS,
)
