"""All attacks, in the order of the table."""

import image_attacks
import tar_attacks
import zip_attacks
from attack_case import Attack

ATTACKS: tuple[Attack, ...] = (
    *tar_attacks.ATTACKS,
    *zip_attacks.ATTACKS,
    *image_attacks.ATTACKS,
)
