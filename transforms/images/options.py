"""What decides the image bytes of a record, apart from the image: options, limits, libraries."""

from dataclasses import dataclass, field

import PIL
from PIL import features

from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.filter import filter_name
from imagenet_beam.transforms.images.plain_jpeg import decoder_name
from imagenet_beam.transforms.images.resize import MAX_SIDE_PX, Resize

_SHARES = {"WEBP": 4}
"""Formats that take more memory a pixel: accepted up to this part of the pixels of others."""

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


@dataclass(frozen=True)
class ImageOptions:
    """What to make of an image.

    Attributes:
        resize: The size; `none` also keeps the bytes of sound RGB and gray JPEGs. The
            default leaves room for the usual crops of 224 pixels.
        jpeg_quality: 1 to 100, for images that are re-encoded. Tools that resize
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
            pixel, 10 for progressive JPEGs, 17 for WebP (measured with Pillow 12.3),
            which is accepted up to a quarter of it; see `PixelBudget` for how many
            pixels are decoded at once.
        verify_images: Whether JPEGs whose bytes are kept are decoded all the same, and
            rejected where that fails. No byte of a record depends on it. Off, because it
            takes half the time of resizing, and what it finds is rare.
    """

    resize: Resize = field(default=Resize("shorter", 256, 256))
    jpeg_quality: int = 95
    apply_exif_orientation: bool = False
    output_format: str = "JPEG"
    max_pixels: int = 178_956_970
    verify_images: bool = False

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

    def check_pixels(self, width: int, height: int, image_format: str = "") -> None:
        """Refuses what is too large to be decoded, or to be encoded.

        Raises:
            ImageRejected: `too_large`.
        """
        accepted = self.max_pixels // _SHARES.get(image_format, 1)
        if width * height > accepted or max(width, height) > MAX_SIDE_PX:
            raise ImageRejected(
                "too_large",
                f"{width} x {height} pixels; accepted are sides up to {MAX_SIDE_PX} "
                f"and {accepted} pixels in all",
            )


def libraries() -> dict[str, str]:
    """The libraries that decide pixels and bytes, with their versions."""
    # Asked so because older Pillows raise on features that they do not know.
    supported = features.get_supported_features()
    turbo = features.version_feature("libjpeg_turbo") if "libjpeg_turbo" in supported else None
    zlib_ng = features.version_feature("zlib_ng") if "zlib_ng" in supported else None
    return {
        "pillow": PIL.__version__,
        "libjpeg": f"turbo {turbo}" if turbo else str(features.version_codec("jpg")),
        "zlib": f"ng {zlib_ng}" if zlib_ng else str(features.version_codec("zlib")),
        "libwebp": str(features.version_module("webp")),
        "filter": filter_name(),
        "jpeg_decoder": decoder_name(),
    }
