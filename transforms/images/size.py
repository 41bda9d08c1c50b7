"""How long the file of an image may be: the one bound for every form of input."""

from __future__ import annotations

from imagenet_beam.transforms.errors import ImageRejected

MAX_IMAGE_BYTES = 256 << 20
"""No image is as long; a header that says so would otherwise decide how much is held."""


def check_image_bytes(size_bytes: int) -> None:
    """Refuses what is too long to be read.

    Raises:
        ImageRejected: If it has more than `MAX_IMAGE_BYTES`.
    """
    if size_bytes > MAX_IMAGE_BYTES:
        raise ImageRejected(
            "too_large", f"{size_bytes:,} bytes; accepted are up to {MAX_IMAGE_BYTES:,}"
        )
