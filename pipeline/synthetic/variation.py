"""Numbers that look random and are a function of their key.

A hash instead of a generator with state: any picture can be planned by itself,
in any order, and the bytes stay the same with every version of Python and NumPy.
"""

import hashlib
import struct


def numbers(count: int, *key: object) -> tuple[int, ...]:
    """`count` integers in [0, 2**32) that depend on the key only."""
    text = "/".join(map(str, key)).encode()
    return struct.unpack(f"<{count}I", hashlib.shake_128(text).digest(4 * count))


def fractions(count: int, *key: object) -> tuple[float, ...]:
    """`count` numbers in [0, 1) that depend on the key only."""
    return tuple(number / 2**32 for number in numbers(count, *key))


def shuffled(count: int, *key: object) -> list[int]:
    """The numbers 0 … count - 1 in an order that depends on the key only."""
    ranks = numbers(count, *key)
    return sorted(range(count), key=lambda index: (ranks[index], index))
