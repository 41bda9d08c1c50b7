"""Numbers that look random and are a function of their key.

A hash instead of a generator with state: any picture can be planned by itself,
in any order, and the bytes stay the same with every version of Python and NumPy.
"""

import hashlib
import struct

_WORD_LIMIT = 2**32


def numbers(count: int, *key: object) -> tuple[int, ...]:
    """`count` integers in [0, 2**32) that depend on the key only."""
    text = "/".join(map(str, key)).encode()
    return struct.unpack(f"<{count}I", hashlib.shake_128(text).digest(4 * count))


def fractions(count: int, *key: object) -> tuple[float, ...]:
    """`count` numbers in [0, 1) that depend on the key only."""
    return tuple(number / _WORD_LIMIT for number in numbers(count, *key))


def shuffled(count: int, *key: object) -> list[int]:
    """The numbers 0 … count - 1 in an order that depends on the key only."""
    ranks = numbers(count, *key)
    return sorted(range(count), key=lambda index: (ranks[index], index))


def deranged(count: int, *key: object) -> list[int]:
    """An order in which no number stands at its own place, if there are two or more.

    Sattolo's algorithm: it yields one cycle through all places.
    """
    order = list(range(count))
    for last, draw in zip(range(count - 1, 0, -1), numbers(count, *key), strict=False):
        other = draw % last
        order[last], order[other] = order[other], order[last]
    return order
