"""All attacks, in the order of the table."""

import tar_attacks
from attack_case import Attack

ATTACKS: tuple[Attack, ...] = (*tar_attacks.ATTACKS,)
