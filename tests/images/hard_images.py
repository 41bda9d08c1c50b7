"""Makes small images of the kinds that break converters, with colours that are known."""

import io
import struct
import zlib

from PIL import Image, ImageOps

RED, GREEN, BLUE, ORANGE = (220, 30, 40), (40, 160, 60), (40, 70, 200), (240, 150, 30)
SIZE = (48, 32)


def quadrants(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Red, green / blue, orange: each quarter one colour, so that turning it shows."""
    image = Image.new("RGB", size)
    width, height = size
    for index, colour in enumerate((RED, GREEN, BLUE, ORANGE)):
        left, top = (index % 2) * (width // 2), (index // 2) * (height // 2)
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image.convert(mode)


def quadrant_colours(image: Image.Image) -> list[object]:
    width, height = image.size
    centres = [(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [image.getpixel(centre) for centre in centres]


def save(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def jpeg(mode: str = "RGB", size: tuple[int, int] = SIZE, **options: object) -> bytes:
    return save(quadrants(mode, size), "JPEG", **{"quality": 95, "subsampling": 0} | options)


def inks(black: int = 15) -> tuple[Image.Image, ...]:
    """The quadrants as inks C, M, Y, K, 255 is full ink, each with the same black.

    By the definition of the plain separation, without a colour profile, the colour is
    (255 - ink) * (255 - black) / 255.
    """
    paper = 255 - black
    separation = [255 - min(255, value * 255 // paper) for value in range(256)]
    coloured = [band.point(separation) for band in quadrants().split()]
    return (*coloured, Image.new("L", SIZE, black))


def cmyk_jpeg(adobe_transform: int | None = 0) -> bytes:
    """CMYK as Photoshop stores it: each ink inverted."""
    return join_components([ImageOps.invert(ink) for ink in inks()], adobe_transform)


def ycck_jpeg(adobe_transform: int | None = 2, *, subsampled: bool = True) -> bytes:
    """YCCK as Photoshop stores it.

    YCCK is C, M, Y turned to light (R = 255 - C) and then to YCbCr, with K left alone;
    Photoshop hands in inverted inks, so the light is the ink itself.
    """
    *coloured, black = inks()
    luma, *chroma = Image.merge("RGB", coloured).convert("YCbCr").split()
    if subsampled:
        chroma = [band.reduce(2) for band in chroma]
    return join_components([luma, *chroma, ImageOps.invert(black)], adobe_transform)


def join_components(bands: list[Image.Image], adobe_transform: int | None) -> bytes:
    """Builds a JPEG out of gray ones: one scan for each component, as stored.

    This way the components and their sampling are whatever the test wants, and no
    encoder's idea of colours gets in between. Bands smaller than the first are
    subsampled by 2.
    """
    grays = [save(band, "JPEG", quality=95) for band in bands]
    first = grays[0]
    frame = first.index(b"\xff\xc0")
    scan = first.index(b"\xff\xda")
    width, height = bands[0].size
    has_subsampling = any(band.size != bands[0].size for band in bands)
    components = b"".join(
        bytes((number, 0x22 if has_subsampling and band.size == bands[0].size else 0x11, 0))
        for number, band in enumerate(bands, 1)
    )
    frame_header = struct.pack(">BHHB", 8, height, width, len(bands)) + components
    scans = []
    for number, gray in enumerate(grays, 1):
        entropy_coded = gray[gray.index(b"\xff\xda") + 10 : -2]
        scans.append(b"\xff\xda\0\x08\x01" + bytes((number, 0, 0, 63, 0)) + entropy_coded)
    tables = first[20:frame] + first[frame + 13 : scan]  # Without JFIF and gray's own frame.
    data = b"\xff\xd8" + tables + segment(0xC0, frame_header) + b"".join(scans) + b"\xff\xd9"
    if adobe_transform is None:
        return data
    adobe = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, adobe_transform)
    return with_segment(data, 0xEE, adobe)


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segment(data: bytes, marker: int, payload: bytes) -> bytes:
    """Puts a segment right after the start of a JPEG."""
    return data[:2] + segment(marker, payload) + data[2:]


def exif_block(orientation: int, order: str = "<") -> bytes:
    """An Exif block with one tag: the orientation."""
    header = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return header + struct.pack(f"{order}IH", 8, 1) + entry + struct.pack(f"{order}I", 0)


def with_orientation(data: bytes, orientation: int) -> bytes:
    return with_segment(data, 0xE1, b"Exif\0\0" + exif_block(orientation))


def palette_png(**options: object) -> bytes:
    """A PNG with a palette."""
    return save(quadrants().quantize(8), "PNG", **options)


def deep_png(channels: int, value: int) -> bytes:
    """A 2x1 PNG of 16-bit samples, which Pillow itself can write only in gray."""
    kinds = {1: 0, 3: 2}
    rows = b"\0" + struct.pack(">H", value) * channels * 2
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, kinds[channels], 0, 0, 0)),
        (b"tRNS", struct.pack(">H", value) * channels),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    checked = kind + payload
    return struct.pack(">I", len(payload)) + checked + struct.pack(">I", zlib.crc32(checked))
