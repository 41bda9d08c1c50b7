"""From an image file, or raw pixels, to the image bytes of a record.

This is the hot path of the job: `encode_image` runs in a pool of threads, keeps no
state but a file for each of them (`compress`), and changes none of Pillow's.
"""

from typing import NamedTuple

from PIL import Image

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.compress import compressed
from imagenet_beam.transforms.images.filter import resized, resized_samples
from imagenet_beam.transforms.images.formats import (
    COMMON_SOF_MARKERS,
    Box,
    libjpeg_scale,
    load_pixels,
    open_image,
    open_jpeg,
    prepare_jpeg,
    sniff_format,
)
from imagenet_beam.transforms.images.jpeg_header import (
    JpegHeader,
    exif_orientation,
    parse_jpeg_header,
)
from imagenet_beam.transforms.images.jpeg_structure import is_decodable
from imagenet_beam.transforms.images.modes import rotated, to_rgb_or_gray
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.pixel_budget import PixelBudget
from imagenet_beam.transforms.images.plain_jpeg import decode_plain

_PROGRESSIVE_SOF_MARKERS = frozenset({0xC2, 0xCA})
# About a gigabyte for the large images of a process, however many threads it has, unless
# a single one takes more. An ImageNet photograph has 0.2 million pixels.
_BUDGET = PixelBudget(max_pixels=1 << 27, small_pixels=1 << 20)


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
            palette, 1bit, 16bit, lossless, arithmetic, header (a JPEG that Pillow decodes
            and others may not); `orientation:2` to `orientation:8` as the Exif block says;
            `exif:corrupt`.
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

    With `resize` none and JPEG output, the bytes of a JPEG that is RGB or gray are kept,
    after a look at its end and at all that decoders want of its header (`is_decodable`);
    only with `verify_images` is it decoded, too. All else is decoded, brought to RGB or
    gray, resized and encoded without metadata or colour profile.

    libjpeg repairs what it can in damaged data, with gray where pixels are missing, and
    Pillow does not pass its warnings on; so damage in mid-file may go unnoticed here,
    too. Files that are cut off are rejected.

    Raises:
        ImageRejected: The image cannot become a record; see `REJECT_REASONS`.
    """
    image_format = sniff_format(data)
    if image_format == "JPEG":
        return _encode_jpeg(data, options)
    image = open_image(image_format, data)
    options.check_pixels(image.width, image.height, image_format)
    with _BUDGET.room_for(image.width * image.height):
        load_pixels(image_format, image)
        orientation, notes = _orientation(image.info.get("exif", b""), options)
        if image_format != options.output_format:
            notes = (f"repaired:{image_format.lower()}", *notes)
        target = _stored_target(image.width, image.height, orientation, options)
        return _finish(image, None, target, orientation, notes, options)


def encode_pixels(
    pixels: bytes, width: int, height: int, channels: int, options: ImageOptions
) -> EncodedImage:
    """Makes the image of a record from raw pixels, as MNIST and CIFAR-10 have them.

    They are rows from the top, 8 bits a sample, 1 channel (gray) or 3 interleaved ones (RGB).

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
    options.check_pixels(width, height)
    target = _stored_target(width, height, 1, options)
    image = Image.frombytes("L" if channels == 1 else "RGB", (width, height), pixels)
    return _finish(image, None, target, 1, (), options)


def _encode_jpeg(data: bytes, options: ImageOptions) -> EncodedImage:
    header = parse_jpeg_header(data)
    options.check_pixels(header.width, header.height)
    exif = next((data[start + 4 : end] for start, end in header.exif_spans), b"")
    orientation, notes = _orientation(exif, options)
    size = (header.width, header.height)
    if orientation == 1 and _can_keep_bytes(header, options):
        if is_decodable(data, header, to_the_end=options.verify_images):
            if options.verify_images:
                with _BUDGET.room_for(_decoded_pixels(header, 1)):
                    _load_jpeg(prepare_jpeg(data, header)[0], size, size)[0].close()
            colorspace = "RGB" if header.components == 3 else "Grayscale"
            return EncodedImage(data, *size[::-1], header.components, colorspace, "JPEG", notes)
        notes = ("repaired:header", *notes)
    target = _stored_target(header.width, header.height, orientation, options)
    with _BUDGET.room_for(_decoded_pixels(header, libjpeg_scale(size, target))):
        samples = decode_plain(data, header, target) if size != target else None
        if samples:
            image = resized_samples(samples, target)
            return _finish(image, None, target, orientation, notes, options)
        data, repairs = prepare_jpeg(data, header)
        image, box = _load_jpeg(data, size, target)
        return _finish(image, box, target, orientation, repairs + notes, options)


def _load_jpeg(
    data: bytes, size: tuple[int, int], target: tuple[int, int]
) -> tuple[Image.Image, Box | None]:
    image, box = open_jpeg(data, size, target)
    load_pixels("JPEG", image)
    return image, box


def _decoded_pixels(header: JpegHeader, scale: int) -> int:
    if header.sof_marker in _PROGRESSIVE_SOF_MARKERS:  # libjpeg keeps all coefficients
        scale = 1
    return -(-header.width // scale) * -(-header.height // scale)


def _can_keep_bytes(header: JpegHeader, options: ImageOptions) -> bool:
    return (
        options.resize.mode == "none"
        and options.output_format == "JPEG"
        and header.components in (1, 3)
        and header.precision_bits == 8
        and header.sof_marker in COMMON_SOF_MARKERS
    )


def _orientation(exif: bytes, options: ImageOptions) -> tuple[int, tuple[str, ...]]:
    """The orientation to turn by, and a note; a corrupt block is no reason to reject."""
    if not exif:
        return 1, ()
    try:
        orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
    except ValueError:
        return 1, ("exif:corrupt",)
    notes = () if orientation == 1 else (f"orientation:{orientation}",)
    return orientation if options.apply_exif_orientation else 1, notes


def _stored_target(
    width: int, height: int, orientation: int, options: ImageOptions
) -> tuple[int, int]:
    """The target size in the orientation in which the pixels are stored."""
    if orientation >= 5:  # Turning will exchange the sides.
        target_height, target_width = options.resize.target_size(height, width)
    else:
        target_width, target_height = options.resize.target_size(width, height)
    options.check_pixels(target_width, target_height)
    return target_width, target_height


def _finish(
    image: Image.Image,
    box: Box | None,
    target: tuple[int, int],
    orientation: int,
    notes: tuple[str, ...],
    options: ImageOptions,
) -> EncodedImage:
    """Converts, resizes, turns and encodes a loaded image, which cannot be used after that."""
    converted, mode_notes = to_rgb_or_gray(image)
    image = _instead_of(image, converted)
    if image.size != target:
        image = _instead_of(image, resized(image, target, box))
    image = _instead_of(image, rotated(image, orientation))
    is_gray = image.mode == "L"
    return EncodedImage(
        data=compressed(image, options),
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
