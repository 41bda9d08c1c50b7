"""How much memory images may take: the length of one file, the pixels decoded at once.

A file of a few kilobytes can hold 179 million pixels, which is more than a gigabyte once
it is decoded; so what bounds the bytes of files under way does not bound memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterator

from imagenet_beam.transforms.errors import ImageRejected

MAX_IMAGE_BYTES = 256 << 20
"""No image is as long; a header that says so would otherwise decide how much is held."""

_TRIMMED_PIXELS = 1 << 24


def check_image_bytes(size_bytes: int) -> None:
    """Refuses what is too long to be read, whatever the form of input.

    Raises:
        ImageRejected: If it has more than `MAX_IMAGE_BYTES`.
    """
    if size_bytes > MAX_IMAGE_BYTES:
        raise ImageRejected(
            "too_large", f"{size_bytes:,} bytes; accepted are up to {MAX_IMAGE_BYTES:,}"
        )


class PixelBudget:
    """Lets small images pass, and large ones as far as there is room for them.

    An image that is larger than the whole budget waits until it is the only large one.

    Args:
        max_pixels: How many pixels large images may have together.
        small_pixels: Images up to this size are neither counted nor kept waiting:
            they are nearly all images, and threads bound their number.
    """

    def __init__(self, max_pixels: int, small_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._small_pixels = small_pixels
        self._used_pixels = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def room_for(self, pixels: int) -> Iterator[None]:
        """Waits for room, which is given back at the end of the block."""
        if pixels <= self._small_pixels:
            yield
            return
        with self._changed:
            while self._used_pixels and self._used_pixels + pixels > self._max_pixels:
                self._changed.wait()
            self._used_pixels += pixels
        try:
            yield
        finally:
            if pixels > _TRIMMED_PIXELS:
                _malloc_trim()(0)
            with self._changed:
                self._used_pixels -= pixels
                self._changed.notify_all()


@functools.cache
def _malloc_trim() -> Callable[[int], int]:
    """Gives freed memory back to the system, where the C library is glibc.

    It keeps what threads have freed for the same threads: four threads that decode one
    huge image after the other held 3.2 GB, and with this 1.4 GB.
    """
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda _: 0
    return trim
