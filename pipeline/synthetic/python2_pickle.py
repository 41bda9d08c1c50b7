"""Pickles as Python 2 wrote them, which is what the CIFAR archives hold.

Python 3 writes bytes and the names of NumPy's modules in another way, even with protocol 2:
a reader of today's pickles need not cope with the real files. Instructions: `pickletools`.
"""

import struct
from collections.abc import Iterator
from itertools import chain, count

import numpy as np


def dump_python2(value: object) -> bytes:
    """Pickles dicts, lists, bytes, whole numbers and arrays of unsigned bytes.

    Raises:
        TypeError: There is something else in the value.
    """
    return b"\x80\x02" + b"".join(_save(value, count(1))) + b"."


def _save(value: object, memo: Iterator[int]) -> Iterator[bytes]:
    """The instructions for a value; each container and text gets the next number of the memo."""
    if isinstance(value, dict | list):
        start, end = (b"}", b"u") if isinstance(value, dict) else (b"]", b"e")
        yield start + _put(memo) + b"("
        for item in chain(*value.items()) if isinstance(value, dict) else value:
            yield from _save(item, memo)
        yield end
    elif isinstance(value, bytes):
        yield _string(value) + _put(memo)
    elif isinstance(value, int):
        yield _integer(value)
    elif isinstance(value, np.ndarray) and value.dtype == np.uint8:
        # What `numpy.ndarray.__reduce__` of those days gave.
        shape = b"(K\1(" + b"".join(map(_integer, value.shape)) + b"t"
        names = (b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n")
        dtype = (b"cnumpy\ndtype\n", b"U\2u1K\0K\1\x87R")
        for step in (*names, b"K\0\x85", b"U\1b\x87R", shape, *dtype):
            yield step + _put(memo)
        yield b"(K\3U\1|NNN" + 2 * _integer(-1) + b"K\0tb\x89" + _string(value.tobytes()) + b"tb"
    else:
        raise TypeError(f"{type(value).__name__} is not written")


def _put(memo: Iterator[int]) -> bytes:
    number = next(memo)
    return struct.pack("<cB", b"q", number) if number < 256 else struct.pack("<cI", b"r", number)


def _string(value: bytes) -> bytes:
    size = len(value)
    return (
        struct.pack("<cB", b"U", size) if size < 256 else struct.pack("<ci", b"T", size)
    ) + value


def _integer(value: int) -> bytes:
    if 0 <= value < 256:
        return struct.pack("<cB", b"K", value)
    is_short = 0 <= value < 1 << 16
    return struct.pack("<cH", b"M", value) if is_short else struct.pack("<ci", b"J", value)
