"""Pickles as Python 2 wrote them, which is what the CIFAR archives hold.

Python 3 writes bytes in another way even with protocol 2, and NumPy's modules have
other names today; a reader that copes with today's pickles need not cope with the
real files. Instructions: the standard library's `pickletools`.
"""

import struct
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_LONG_LENGTH = 256


def dump_python2(value: object) -> bytes:
    """Pickles dicts, lists, bytes, whole numbers and arrays of unsigned bytes.

    Raises:
        TypeError: There is something else in the value.
    """
    return _Pickler().dump(value)


class _Pickler:
    def __init__(self) -> None:
        self._memo_size = 0

    def dump(self, value: object) -> bytes:
        return b"\x80\x02" + b"".join(self._save(value)) + b"."

    def _save(self, value: object) -> Iterable[bytes]:
        if isinstance(value, dict):
            yield b"}" + self._put() + b"("
            for key, item in value.items():
                yield from self._save(key)
                yield from self._save(item)
            yield b"u"
        elif isinstance(value, list):
            yield b"]" + self._put() + b"("
            for item in value:
                yield from self._save(item)
            yield b"e"
        elif isinstance(value, bytes):
            yield self._string(value) + self._put()
        elif isinstance(value, int):
            yield _integer(value)
        elif isinstance(value, np.ndarray) and value.dtype == np.uint8:
            yield from self._array(value)
        else:
            raise TypeError(f"{type(value).__name__} is not written")

    def _array(self, array: npt.NDArray[np.uint8]) -> Iterable[bytes]:
        """What `numpy.ndarray.__reduce__` of those days gave."""
        yield b"cnumpy.core.multiarray\n_reconstruct\n" + self._put()
        yield b"cnumpy\nndarray\n" + self._put()
        yield b"K\x00\x85" + self._put() + self._string(b"b") + b"\x87R" + self._put()
        shape = b"".join(map(_integer, array.shape))
        yield b"(K\x01(" + shape + b"t" + self._put()
        yield b"cnumpy\ndtype\n" + self._put() + self._string(b"u1") + b"K\x00K\x01\x87R"
        yield self._put() + b"(K\x03" + self._string(b"|") + b"NNN"
        yield _integer(-1) + _integer(-1) + b"K\x00tb\x89"
        yield self._string(array.tobytes()) + b"tb"

    def _put(self) -> bytes:
        self._memo_size += 1
        if self._memo_size < _LONG_LENGTH:
            return b"q" + bytes([self._memo_size])
        return b"r" + struct.pack("<I", self._memo_size)

    @staticmethod
    def _string(value: bytes) -> bytes:
        if len(value) < _LONG_LENGTH:
            return b"U" + bytes([len(value)]) + value
        return b"T" + struct.pack("<i", len(value)) + value


def _integer(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return b"K" + bytes([value])
    if 0 <= value < 1 << 16:
        return b"M" + struct.pack("<H", value)
    return b"J" + struct.pack("<i", value)
