"""Telling image formats apart by content, and opening them through Pillow without noise.

Pillow's classes are called directly instead of through `PIL.Image.open`: that one warns
about large images through the process's warnings, which cannot be silenced safely in a
pool of threads, and obeys `PIL.Image.MAX_IMAGE_PIXELS`, which belongs to the embedding
job. The caller checks the size before it loads pixels. What else would warn is taken out
of the bytes before Pillow sees them.
"""

import io
import struct
import zlib

from PIL import Image, WebPImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.jpeg_header import (
    ADOBE_ABSENT,
    JpegHeader,
    with_adobe_transform,
    without_exif,
)

Box = tuple[float, float, float, float]

COMMON_SOF_MARKERS = frozenset({0xC0, 0xC1, 0xC2})
"""What each JPEG decoder reads: baseline, extended sequential and progressive Huffman."""

_RARE_SOF_MARKERS = {0xC3: "lossless", 0xC9: "arithmetic", 0xCA: "arithmetic"}

DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError)
"""What Pillow's decoders raise on damaged files: the first three came up in two million
fuzzed files, the last is in its WebP reader's source."""

_CLASSES: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "GIF": GifImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
}
_BMP_HEADER_BYTES = frozenset({12, 40, 52, 56, 64, 108, 124})
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The chunks that decide pixels and orientation; the others hold text, profiles and animation.
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"})
# Bits 2 to 4 of the flags in a graphic control extension (GIF89a, 23).
_WITHOUT_DISPOSAL = bytes(flags & ~0x1C for flags in range(256))
_UNSUPPORTED = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
)


def sniff_format(data: bytes) -> str:
    """Tells the format of an image file: `JPEG`, `PNG`, `GIF`, `WEBP` or `BMP`.

    Raises:
        ImageRejected: `empty`, `gzip`, `unsupported` for image formats that are
            recognised but not read, `not_an_image` for all else.
    """
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(_PNG_SIGNATURE):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    raise _unknown_format(data)


def _unknown_format(data: bytes) -> ImageRejected:
    if not data:
        return ImageRejected("empty", "the file has 0 bytes")
    if data.startswith(b"\x1f\x8b"):
        return ImageRejected("gzip", "the file is compressed with gzip")
    for signature, name in _UNSUPPORTED:
        if data.startswith(signature):
            return ImageRejected("unsupported", f"{name} files are not read")
    if data[4:8] == b"ftyp":
        return ImageRejected("unsupported", "HEIF and AVIF files are not read")
    return ImageRejected(
        "not_an_image", f"no image format begins with the bytes {data[:12]!r} of the {len(data)}"
    )


def open_image(image_format: str, data: bytes) -> ImageFile:
    """Reads the header of an image file of the format that `sniff_format` told.

    Pillow's image is to be loaded by `load_pixels`, after a look at its size.

    Raises:
        ImageRejected: `truncated`, `corrupt`, or `unsupported` by this Pillow.
    """
    if image_format == "PNG":
        data = _essential_png(data)
    elif image_format == "GIF":
        data = _first_gif_frame(data)
    elif image_format == "WEBP":
        if not WebPImagePlugin.SUPPORTED:
            raise ImageRejected("unsupported", "this Pillow was built without WebP")
        if 8 + int.from_bytes(data[4:8], "little") > len(data):
            raise ImageRejected(
                "truncated", f"the WebP goes beyond the {len(data)} bytes there are"
            )
    try:
        return _CLASSES[image_format](io.BytesIO(data))
    except DECODE_ERRORS as error:
        raise rejected(image_format, error) from error


def prepare_jpeg(data: bytes, header: JpegHeader) -> tuple[bytes, tuple[str, ...]]:
    """Makes a JPEG fit for Pillow, and notes what is out of the ordinary in it.

    Four components are CMYK or YCCK, and Pillow takes them as Photoshop stores them:
    inverted, 255 is no ink. Without Adobe's marker that is an assumption, the same that
    browsers, OpenCV and Pillow make; TensorFlow and libvips assume the opposite.
    """
    coding = _RARE_SOF_MARKERS.get(header.sof_marker, "")
    if (
        header.precision_bits != 8
        or header.components not in (1, 3, 4)
        or not (coding or header.sof_marker in COMMON_SOF_MARKERS)
    ):
        raise ImageRejected(
            "unsupported",
            f"a JPEG of {header.components} components of {header.precision_bits} bits "
            f"in coding 0x{header.sof_marker:02X} is not read",
        )
    if header.exif_spans:
        data = without_exif(data, header)
    repairs = (f"repaired:{coding}",) if coding else ()
    if header.components != 4:
        return data, repairs
    if header.adobe_transform != ADOBE_ABSENT:
        kind = "ycck" if header.adobe_transform else "cmyk"
    elif header.is_subsampled_ycck:
        data, kind = with_adobe_transform(data, 2), "ycck_unmarked"
    else:
        kind = "cmyk_unmarked"
    return data, (*repairs, f"repaired:{kind}")


def libjpeg_scale(size: tuple[int, int], target: tuple[int, int]) -> int:
    """The denominator of the scale at which libjpeg decodes: 1, 2, 4 or 8; see `open_jpeg`."""
    ratio = min(size[0] // target[0], size[1] // target[1])
    return next((scale for scale in (8, 4, 2) if ratio >= scale), 1)


def open_jpeg(
    data: bytes, size: tuple[int, int], target: tuple[int, int]
) -> tuple[Image.Image, Box | None]:
    """Opens a JPEG; where it is to shrink to a half or less, libjpeg does the first part.

    libjpeg scales by 1/2, 1/4 or 1/8 inside its inverse DCT, which halves the time of the
    whole; the filter does the rest. The result is never smaller than the target. Measured
    on 150 photographs it differs from filtering all pixels by 37 dB on average, as much as
    the bicubic filter differs from the bilinear one.

    Returns:
        The image, not decoded yet, and the part of it that holds the picture: where the sides
        are no multiples of the scale, libjpeg rounds up.
    """
    image = open_image("JPEG", data)
    if image.size != size:  # Else the check of the size could be led astray.
        raise ImageRejected("corrupt", f"JPEG: frame headers of {size} and {image.size} pixels")
    box = None
    if target != size:
        drafted = image.draft(None, target)
        box = drafted[1] if drafted else None
    return image, box


def load_pixels(image_format: str, image: Image.Image) -> None:
    """Decodes the pixels of an opened image.

    Raises:
        ImageRejected: `truncated` or `corrupt`.
    """
    try:
        image.load()
    except DECODE_ERRORS as error:
        image.close()  # frees the pixels now, not with the last traceback
        raise rejected(image_format, error) from error


def rejected(image_format: str, error: Exception) -> ImageRejected:
    """Turns what Pillow raised into a reject."""
    reason = "truncated" if "truncated" in str(error).lower() else "corrupt"
    return ImageRejected(reason, f"{image_format}: {error}")


def _essential_png(data: bytes) -> bytes:
    """Keeps only the chunks that decide the pixels of the first picture.

    Besides being quiet on malformed animations this defuses compressed text. The
    transparent colour of 16-bit images is left out, as those are brought to 8 bits.

    The checksums are compared here, also of chunks that are left out: the name may be what is
    damaged. Pillow does not look at that of pixels, and leaves zlib before it comes to its own.
    """
    parts, view = [_PNG_SIGNATURE], memoryview(data)
    position = len(_PNG_SIGNATURE)
    is_deep = data[24:25] == b"\x10"
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if end <= len(data) and zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise ImageRejected("corrupt", f"PNG: chunk {kind!r} does not agree with its checksum")
        if kind in _PNG_CHUNKS and not (is_deep and kind == b"tRNS"):
            parts.append(data[position:end])
        if kind == b"IEND" and end <= len(data):
            return b"".join(parts)
        position = end
    raise ImageRejected("truncated", f"the PNG has no end chunk in its {len(data)} bytes")


def _first_gif_frame(data: bytes) -> bytes:
    """Keeps a GIF's first frame and its transparency, on a screen that holds it.

    Pillow would widen the screen to the frame, and prepare the canvas for the frame after
    it, of any size, already when it opens the file.
    """
    if len(data) < 13:
        raise ImageRejected("truncated", f"the GIF header goes beyond its {len(data)} bytes")
    screen_width, screen_height, flags = struct.unpack_from("<HHB", data, 6)
    palette_end = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    control, start = _gif_control(data, palette_end)
    if len(data) < start + 10:
        raise ImageRejected("truncated", f"the GIF has no frame in its {len(data)} bytes")
    kind, left, top, width, height = struct.unpack_from("<cHHHH", data, start)
    if kind != b",":
        raise ImageRejected("corrupt", f"GIF: unknown block {kind!r} before the first frame")
    if not width or not height:
        raise ImageRejected("corrupt", "GIF: the first frame has no pixels")
    width, height = max(screen_width, left + width), max(screen_height, top + height)
    if max(width, height) > 0xFFFF:
        raise ImageRejected("corrupt", "GIF: the first frame lies outside of any screen")
    screen = struct.pack("<HH", width, height)
    return b"".join((data[:6], screen, data[10:palette_end], control, data[start:]))


def _gif_control(data: bytes, position: int) -> tuple[bytes, int]:
    """A GIF's graphic control extension without its disposal method, and where the frame is."""
    control = b""
    while data[position : position + 1] == b"!":
        start = position
        position += 2
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
        if data[start + 1 : start + 3] == b"\xf9\x04":
            flags = data[start + 3 : start + 4].translate(_WITHOUT_DISPOSAL)
            control = data[start : start + 3] + flags + data[start + 4 : position]
    return control, position
