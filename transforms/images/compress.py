"""From pixels to the bytes of a JPEG or PNG."""

import io
import os
import threading
from typing import BinaryIO

from PIL import Image

from imagenet_beam.transforms.images.options import ImageOptions

_KEPT_BYTES = 1 << 22
"""A thread keeps no larger file than this until its next image."""

_kept = threading.local()


def compressed(image: Image.Image, options: ImageOptions) -> bytes:
    """Encodes a picture of mode `RGB` or `L`, without metadata or colour profile."""
    image.info = {}  # Else Pillow would carry comments and profiles over.
    if options.output_format == "PNG":
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=6)
        return buffer.getvalue()
    file = _file_of_this_thread()
    # Half the chroma resolution is libjpeg's default, and what photographs mostly have.
    image.save(file, "JPEG", quality=options.jpeg_quality, subsampling="4:2:0")
    size_bytes = file.tell()
    file.seek(0)
    data = file.read(size_bytes)
    if size_bytes > _KEPT_BYTES:
        del _kept.memory
    return data


def _file_of_this_thread() -> BinaryIO:
    """A file in memory, at its beginning; after that it has the bytes of earlier images."""
    memory = getattr(_kept, "memory", None)
    # A fork would share the position in the file with the process that it came from.
    if memory is None or memory.process != os.getpid():
        memory = _kept.memory = _Memory()
    memory.file.seek(0)
    return memory.file


class _Memory:
    """A file in memory that is closed with its thread.

    It is one of the system's where that has such: Pillow holds the interpreter's lock while it
    encodes into any other, and to make it anew for each image costs a twentieth of the job.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.file: BinaryIO = (
            os.fdopen(os.memfd_create("image"), "r+b", buffering=0)
            if hasattr(os, "memfd_create")
            else io.BytesIO()
        )

    def __del__(self) -> None:
        self.file.close()
