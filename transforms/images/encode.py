"""From an image file, or raw pixels, to the image bytes of a record.

This is the hot path of the job: `encode_image` runs in a pool of threads, keeps no
state, and changes none of Pillow's.
"""

import io
from dataclasses import dataclass
from typing import NamedTuple

import PIL
from PIL import Image, features

from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.formats import (
    load_pixels,
    open_image,
    sniff_format,
)
from imagenet_beam.transforms.images.jpeg_header import (
    ADOBE_ABSENT,
    JpegHeader,
    exif_orientation,
    parse_jpeg_header,
    with_adobe_transform,
    without_exif,
)
from imagenet_beam.transforms.images.modes import rotated, to_rgb_or_gray
from imagenet_beam.transforms.images.pixel_budget import PixelBudget
from imagenet_beam.transforms.images.resize import MAX_SIDE_PX, Resize

REJECT_REASONS = (
    "empty",
    "truncated",
    "not_an_image",
    "gzip",
    "too_large",
    "corrupt",
    "unsupported",
)
"""Every reason that `encode_image` and `encode_pixels` reject for.

`truncated` ends too early; `corrupt` is damaged otherwise; `unsupported` is, as far as
can be seen, a sound image of a kind that is not read; `too_large` has, or would have
after resizing, too many pixels or a side that JPEG cannot have; or too many bytes.
"""

DEFAULT_RESIZE = Resize("shorter", 256, 256)
"""Leaves room for the usual crops of 224 pixels."""

_EXIF_PREFIX = b"Exif\0\0"
# Each JPEG decoder reads these: baseline, extended sequential and progressive Huffman.
_COMMON_SOF_MARKERS = frozenset({0xC0, 0xC1, 0xC2})
_PROGRESSIVE_SOF_MARKERS = frozenset({0xC2, 0xCA})
_RARE_SOF_MARKERS = {0xC3: "lossless", 0xC9: "arithmetic", 0xCA: "arithmetic"}
_Box = tuple[float, float, float, float]
# Antialiased, and sharper than the bilinear filter without the ringing of Lanczos.
_RESAMPLING = Image.Resampling.BICUBIC
# About a gigabyte for the large images of a process, however many threads it has, unless
# a single one takes more. An ImageNet photograph has 0.2 million pixels.
_BUDGET = PixelBudget(max_pixels=1 << 27, small_pixels=1 << 20)


@dataclass(frozen=True)
class ImageOptions:
    """What decides the image bytes of a record, apart from the image.

    Attributes:
        resize: The size; `none` also keeps the bytes of sound RGB and gray JPEGs.
        jpeg_quality: 1 to 100, for images that are encoded anew. Tools that resize
            ImageNet use 90 to 100. On 200 photographs with 256 pixels on the shorter
            side, 90 gives 34 KB a file and 37.6 dB, 95 gives 47 KB and 40.5 dB, 100
            gives 87 KB and 44.9 dB; Pillow's handbook advises against more than 95.
        apply_exif_orientation: Whether to turn images the way their Exif block says.
            Off, because the usual labels, boxes and published accuracies are for the
            pixels as stored: no known converter turns them.
        output_format: `JPEG`, or `PNG` without loss, for small data sets.
        max_pixels: Larger images are rejected before they are decoded. The default
            is where Pillow itself refuses to open a file (2 x 89,478,485, its limit
            against decompression bombs). Decoding and repairing takes 4 to 9 bytes a
            pixel, 10 for progressive JPEGs, 17 for WebP (measured with Pillow 12.3);
            see `PixelBudget` for how many pixels are decoded at once.
    """

    resize: Resize = DEFAULT_RESIZE
    jpeg_quality: int = 95
    apply_exif_orientation: bool = False
    output_format: str = "JPEG"
    max_pixels: int = 178_956_970

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 100:
            raise InputError(
                f"`image.jpeg_quality`={self.jpeg_quality} is out of range: accepted is 1 to 100."
            )
        if self.output_format not in ("JPEG", "PNG"):
            raise InputError(
                f"`image.output_format`={self.output_format} is not written: accepted are JPEG and "
                "PNG."
            )
        if self.max_pixels < 1:
            raise InputError(
                f"`image.max_pixels`={self.max_pixels} is too small: accepted is 1 and up."
            )


class EncodedImage(NamedTuple):
    """The image of one record.

    Attributes:
        data: The encoded image.
        height: Pixels.
        width: Pixels.
        channels: 3, or 1 for gray.
        colorspace: `RGB` or `Grayscale`.
        format: `JPEG` or `PNG`.
        notes: Stable words for what was remarkable, counted in the manifest:
            `repaired:` with png, gif, webp, bmp (another format than the output's),
            cmyk, cmyk_unmarked, ycck, ycck_unmarked (without Adobe's marker), alpha,
            palette, 1bit, 16bit, lossless, arithmetic; `orientation:2` to
            `orientation:8` as the Exif block says; `exif:corrupt`.
        orientation: The Exif orientation by which the pixels were turned, 2 to 8;
            1 where they are as stored. Boxes have to be turned with them.
    """

    data: bytes
    height: int
    width: int
    channels: int
    colorspace: str
    format: str
    notes: tuple[str, ...] = ()
    orientation: int = 1


def encode_image(data: bytes, options: ImageOptions) -> EncodedImage:
    """Makes the image of a record from an image file of any name.

    With `resize` none and JPEG output, a JPEG that is RGB or gray is not decoded: its
    bytes are kept, after a look at its header and its end. Such a pass cannot notice
    damage inside the entropy-coded data (see `parse_jpeg_header`). All else is decoded,
    brought to RGB or gray, resized and encoded without metadata or colour profile.

    libjpeg repairs what it can in damaged data, with gray where pixels are missing, and
    Pillow does not pass its warnings on; so damage in mid-file may go unnoticed here,
    too. Files that are cut off are rejected.

    Args:
        data: The image file.
        options: What to make of it.

    Returns:
        The encoded image with its size and notes.

    Raises:
        ImageRejected: The image cannot become a record; see `REJECT_REASONS`.
    """
    image_format = sniff_format(data)
    if image_format == "JPEG":
        return _encode_jpeg(data, options)
    image = open_image(image_format, data)
    _check_pixels(image.width, image.height, options)
    with _BUDGET.room_for(image.width * image.height):
        load_pixels(image_format, image)
        return _encode_loaded(image_format, image, options)


def _encode_loaded(image_format: str, image: Image.Image, options: ImageOptions) -> EncodedImage:
    notes: tuple[str, ...] = ()
    if image_format != options.output_format:
        notes = (f"repaired:{image_format.lower()}",)
    orientation, exif_notes = _orientation(image.info.get("exif", b""))
    if not options.apply_exif_orientation:
        orientation = 1
    target = _stored_target(image.width, image.height, orientation, options)
    return _finish(image, None, target, orientation, notes + exif_notes, options)


def encode_pixels(
    pixels: bytes, width: int, height: int, channels: int, options: ImageOptions
) -> EncodedImage:
    """Makes the image of a record from raw pixels, as MNIST and CIFAR-10 have them.

    Args:
        pixels: Rows from the top, 8 bits a sample, channels interleaved.
        width: Pixels.
        height: Pixels.
        channels: 1 for gray, 3 for RGB.
        options: What to make of them.

    Returns:
        The encoded image.

    Raises:
        ImageRejected: `truncated` or `corrupt` where there are too few or too many
            bytes; `too_large`.
    """
    expected = width * height * channels
    if len(pixels) != expected:
        raise ImageRejected(
            "truncated" if len(pixels) < expected else "corrupt",
            f"{len(pixels)} bytes are not {width} x {height} pixels of {channels} bytes",
        )
    _check_pixels(width, height, options)
    target = _stored_target(width, height, 1, options)
    image = Image.frombytes("L" if channels == 1 else "RGB", (width, height), pixels)
    return _finish(image, None, target, 1, (), options)


def libraries() -> dict[str, str]:
    """Names the libraries that decide pixels and bytes, with their versions."""
    # Asked so because older Pillows raise on features that they do not know.
    supported = features.get_supported_features()
    turbo = features.version_feature("libjpeg_turbo") if "libjpeg_turbo" in supported else None
    zlib_ng = features.version_feature("zlib_ng") if "zlib_ng" in supported else None
    return {
        "pillow": PIL.__version__,
        "libjpeg": f"turbo {turbo}" if turbo else str(features.version_codec("jpg")),
        "zlib": f"ng {zlib_ng}" if zlib_ng else str(features.version_codec("zlib")),
        "libwebp": str(features.version_module("webp")),
    }


def _encode_jpeg(data: bytes, options: ImageOptions) -> EncodedImage:
    header = parse_jpeg_header(data)
    _check_pixels(header.width, header.height, options)
    orientation, notes = _jpeg_orientation(data, header)
    if not options.apply_exif_orientation:
        orientation = 1
    if orientation == 1 and _can_keep_bytes(header, options):
        colorspace = "RGB" if header.components == 3 else "Grayscale"
        return EncodedImage(
            data, header.height, header.width, header.components, colorspace, "JPEG", notes
        )
    target = _stored_target(header.width, header.height, orientation, options)
    data, repairs = _prepare_jpeg(data, header)
    image, box = _open_jpeg(data, (header.width, header.height), target)
    with _BUDGET.room_for(_jpeg_pixels(image, header)):
        load_pixels("JPEG", image)
        return _finish(image, box, target, orientation, repairs + notes, options)


def _jpeg_pixels(image: Image.Image, header: JpegHeader) -> int:
    """How many pixels decoding holds: of a progressive JPEG libjpeg keeps all coefficients."""
    if header.sof_marker in _PROGRESSIVE_SOF_MARKERS:
        return header.width * header.height
    return image.width * image.height


def _can_keep_bytes(header: JpegHeader, options: ImageOptions) -> bool:
    return (
        options.resize.mode == "none"
        and options.output_format == "JPEG"
        and header.components in (1, 3)
        and header.precision_bits == 8
        and header.sof_marker in _COMMON_SOF_MARKERS
    )


def _prepare_jpeg(data: bytes, header: JpegHeader) -> tuple[bytes, tuple[str, ...]]:
    """Makes a JPEG fit for Pillow, and notes what is out of the ordinary in it.

    Four components are CMYK or YCCK, and Pillow takes them as Photoshop stores them:
    inverted, 255 is no ink. Without Adobe's marker that is an assumption, the same that
    browsers, OpenCV and Pillow make; TensorFlow and libvips assume the opposite.
    """
    coding = _RARE_SOF_MARKERS.get(header.sof_marker, "")
    if (
        header.precision_bits != 8
        or header.components not in (1, 3, 4)
        or not (coding or header.sof_marker in _COMMON_SOF_MARKERS)
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


def _check_pixels(width: int, height: int, options: ImageOptions) -> None:
    if width * height > options.max_pixels or max(width, height) > MAX_SIDE_PX:
        raise ImageRejected(
            "too_large",
            f"{width} x {height} pixels; accepted are sides up to {MAX_SIDE_PX} "
            f"and {options.max_pixels} pixels in all",
        )


def _jpeg_orientation(data: bytes, header: JpegHeader) -> tuple[int, tuple[str, ...]]:
    if not header.exif_spans:
        return 1, ()
    start, end = header.exif_spans[0]
    return _orientation(data[start + 4 : end])


def _orientation(exif: bytes) -> tuple[int, tuple[str, ...]]:
    """Reads the orientation; a corrupt block is worth a note, not a reject."""
    if not exif:
        return 1, ()
    try:
        orientation = exif_orientation(exif.removeprefix(_EXIF_PREFIX))
    except ValueError:
        return 1, ("exif:corrupt",)
    return orientation, (() if orientation == 1 else (f"orientation:{orientation}",))


def _stored_target(
    width: int, height: int, orientation: int, options: ImageOptions
) -> tuple[int, int]:
    """Computes the target size in the orientation in which the pixels are stored."""
    if orientation >= 5:  # Turning will exchange the sides.
        target_height, target_width = options.resize.target_size(height, width)
    else:
        target_width, target_height = options.resize.target_size(width, height)
    _check_pixels(target_width, target_height, options)
    return target_width, target_height


def _open_jpeg(
    data: bytes, size: tuple[int, int], target: tuple[int, int]
) -> tuple[Image.Image, _Box | None]:
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


def _finish(
    image: Image.Image,
    box: _Box | None,
    target: tuple[int, int],
    orientation: int,
    notes: tuple[str, ...],
    options: ImageOptions,
) -> EncodedImage:
    """Converts, resizes, turns and encodes a loaded image, which cannot be used after that."""
    converted, mode_notes = to_rgb_or_gray(image)
    image = _instead_of(image, converted)
    if image.size != target:
        image = _instead_of(image, image.resize(target, _RESAMPLING, box))
    image = _instead_of(image, rotated(image, orientation))
    is_gray = image.mode == "L"
    return EncodedImage(
        data=_encode(image, options),
        height=image.height,
        width=image.width,
        channels=1 if is_gray else 3,
        colorspace="Grayscale" if is_gray else "RGB",
        format=options.output_format,
        notes=notes + mode_notes,
        orientation=orientation,
    )


def _instead_of(image: Image.Image, successor: Image.Image) -> Image.Image:
    """Returns the successor; frees the image, which callers may still refer to."""
    if successor is not image:
        image.close()
    return successor


def _encode(image: Image.Image, options: ImageOptions) -> bytes:
    image.info = {}  # Else Pillow would carry comments and profiles over.
    buffer = io.BytesIO()
    if options.output_format == "PNG":
        image.save(buffer, "PNG", compress_level=6)
    else:
        # Half the chroma resolution is libjpeg's default, and what photographs mostly have.
        image.save(buffer, "JPEG", quality=options.jpeg_quality, subsampling="4:2:0")
    return buffer.getvalue()
