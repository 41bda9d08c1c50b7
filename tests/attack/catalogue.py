"""All attacks, in the order of the table."""

from attack_case import Attack

ATTACKS: tuple[Attack, ...] = ()
