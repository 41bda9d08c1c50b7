"""How the committed pictures and meta.mat were made: once, with Pillow and SciPy.

    python tests/net/make_images.py

Running it again is only right where new kinds are added: every golden value follows from
these bytes, and other versions of Pillow write others.
"""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

HERE = Path(__file__).parent
SIZES = ((24, 16), (16, 24), (20, 20), (32, 12), (12, 18))
CLASSES = (  # ILSVRC2012_ID, WNID, words, gloss, children
    (1, "n01443537", "goldfish, Carassius auratus", "an orange fish", ()),
    (2, "n07745940", "strawberry", "a sweet red fruit", ()),
    (3, "n01440764", "tench, Tinca tinca", "a freshwater fish", ()),
    (4, "n02119789", "kit fox, Vulpes macrotis", "a small grey fox", ()),
    (5, "n00015388", "animal, animate being", "an ancestor", (1, 3, 4)),
    (6, "n00001740", "entity", "the ancestor of all", (2, 5)),
)


def picture(number: int, size: tuple[int, int]) -> Image.Image:
    """Three different slopes and a block, from nothing but the number."""
    width, height = size
    down, across = np.mgrid[0:height, 0:width]
    planes = [
        (number * 37 + across * (3 + number % 5)) % 256,
        (number * 91 + down * (4 + number % 7)) % 256,
        (number * 53 + (across + down) * 2) % 256,
    ]
    pixels = np.stack(planes, axis=2).astype(np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = (number * 29 % 256, 200, 40)
    return Image.fromarray(pixels, "RGB")


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    if kind == "JPEG":
        options = {"quality": 70, "optimize": True, **options}
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain() -> dict[str, bytes]:
    """Sound RGB JPEGs, which no conversion with `--resize=none` encodes anew."""
    return {
        f"plain_{number:02d}.jpg": saved(picture(number, SIZES[number % len(SIZES)]))
        for number in range(24)
    }


def odd() -> dict[str, bytes]:
    """What becomes a record, mostly after a repair."""
    image = picture(40, (24, 16))
    alpha = image.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    cmyk = saved(Image.merge("CMYK", (*image.split(), image.getchannel(0))))
    marker = cmyk.index(b"\xff\xee\x00\x0eAdobe")
    exif = Image.Exif()
    exif[0x0112] = 6
    gray16 = Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257)
    return {
        "gray.jpg": saved(image.convert("L")),
        "progressive.jpg": saved(image, progressive=True),
        "cmyk.jpg": cmyk,
        "cmyk_unmarked.jpg": cmyk[:marker] + cmyk[marker + 16 :],
        "ycck.jpg": cmyk[: marker + 15] + b"\x02" + cmyk[marker + 16 :],
        "exif_6.jpg": saved(image, exif=exif),
        "exif_corrupt.jpg": saved(image, exif=b"Exif\0\0II*\0\xf0\xff\xff\x7f" + b"\xff" * 24),
        "trailing_bytes.jpg": saved(image) + b"\0\0\0 more",
        "png_rgb.jpg": saved(image, "PNG"),
        "png_palette.jpg": saved(image.quantize(16), "PNG"),
        "png_alpha.jpg": saved(alpha, "PNG"),
        "png_16bit.jpg": saved(gray16, "PNG"),
        "png_1bit.jpg": saved(image.convert("1"), "PNG"),
        "gif.gif": saved(image, "GIF"),
        "webp.webp": saved(image, "WEBP", quality=50),
        "bmp.bmp": saved(picture(41, (9, 7)), "BMP"),
    }


def bad() -> dict[str, bytes]:
    """What must be rejected, each for a reason of its own."""
    jpeg, png = saved(picture(42, (24, 16))), saved(picture(42, (24, 16)), "PNG")
    frame = jpeg.index(b"\xff\xc0") + 5
    middle = png.index(b"IDAT") + 20
    return {
        "empty.jpg": b"",
        "truncated.jpg": jpeg[:-60],
        "header_only.jpg": jpeg[:20],
        "page.jpg": b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n",
        "gzip.jpg": gzip.compress(jpeg, mtime=0),
        "huge.jpg": jpeg[:frame] + struct.pack(">HH", 60_000, 60_000) + jpeg[frame + 4 :],
        "tiff.jpg": saved(picture(42, (9, 7)), "TIFF"),
        "cut.png": png[:-30],
        "damaged.png": png[:middle] + bytes([png[middle] ^ 0xFF]) + png[middle + 1 :],
    }


def meta_mat() -> bytes:
    names = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children",
             "wordnet_height", "num_train_images")  # fmt: skip
    table = np.empty((len(CLASSES), 1), dtype=[(name, object) for name in names])
    for row, (number, wnid, words, gloss, children) in enumerate(CLASSES):
        numbers = [np.atleast_2d(np.uint8(value)) for value in (number, len(children))]
        table[row, 0] = (
            numbers[0], wnid, words, gloss, numbers[1],
            np.atleast_2d(np.array(children, dtype=np.uint8)),
            np.atleast_2d(np.uint8(bool(children))), np.atleast_2d(np.uint16(3)),
        )  # fmt: skip
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": table}, do_compression=True)
    text = b"MATLAB 5.0 MAT-file, four classes in the form of ILSVRC2012"
    return text.ljust(116) + buffer.getvalue()[116:]


if __name__ == "__main__":
    for folder, files in (("plain", plain()), ("odd", odd()), ("bad", bad())):
        (HERE / "images" / folder).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (HERE / "images" / folder / name).write_bytes(data)
    (HERE / "meta.mat").write_bytes(meta_mat())
