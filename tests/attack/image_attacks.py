"""Damage to image files of each format: a picture or a reject comes of it, and nothing else."""

from __future__ import annotations

import functools
import io
import random
from collections.abc import Iterator
from pathlib import Path

from attack_case import Attack
from mutations import mutate
from PIL import Image
from promises import check_shown
from true_inputs import net_inputs

from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.encode import EncodedImage, encode_image
from imagenet_beam.transforms.images.options import REJECT_REASONS, ImageOptions
from imagenet_beam.transforms.images.resize import Resize

_OPTIONS = (
    ImageOptions(resize=Resize("none")),
    ImageOptions(resize=Resize("none"), apply_exif_orientation=True),
    ImageOptions(resize=Resize("none"), output_format="PNG"),
    ImageOptions(resize=Resize.parse("shorter:12")),
    ImageOptions(resize=Resize.parse("exact:9x31"), apply_exif_orientation=True),
    ImageOptions(resize=Resize.parse("longer:40"), output_format="PNG"),
)
_FORMATS = {
    "jpeg": b"\xff\xd8",
    "png": b"\x89PNG",
    "gif": b"GIF8",
    "webp": b"RIFF",
    "bmp": b"BM",
}


@functools.cache
def _images(name: str) -> tuple[bytes, ...]:
    """The net's pictures in a format, and some of kinds that are not among them."""
    committed = (*net_inputs.folder_of_images("odd").values(), *map(net_inputs.picture, range(8)))
    return tuple(one for one in (*committed, *_drawn()) if one.startswith(_FORMATS[name]))


def _drawn() -> Iterator[bytes]:
    picture = Image.open(io.BytesIO(net_inputs.picture(3)))
    picture = picture.convert("RGB").resize((40, 30))
    palette = picture.quantize(16)
    for image, name, options in (
        (picture, "JPEG", {"subsampling": 0, "restart_marker_blocks": 2}),
        (picture, "JPEG", {"subsampling": 2, "progressive": True, "optimize": True}),
        (picture, "PNG", {"dpi": (72, 72)}),
        (palette, "PNG", {"transparency": 3}),
        (palette, "GIF", {"transparency": 1, "interlace": 1}),
        (palette, "GIF", {"save_all": True, "append_images": [palette, palette]}),
        (picture, "WEBP", {"lossless": True}),
        (picture.convert("RGBA"), "WEBP", {"quality": 70}),
        (palette, "BMP", {}),
        (picture.convert("RGBA"), "BMP", {}),
        (picture.convert("1"), "BMP", {}),
    ):
        buffer = io.BytesIO()
        image.save(buffer, name, **options)
        yield buffer.getvalue()


def strike(name: str, rng: random.Random, folder: Path) -> str:
    images = _images(name)
    true, options = rng.choice(images), rng.choice(_OPTIONS)
    data = true
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        data = mutate(rng, data).data or b"\0"
    (folder / f"image.{name}").write_bytes(data)
    print(options)
    try:
        made = encode_image(data, options)
    except ImageRejected as rejected:
        assert rejected.reason in REJECT_REASONS
        check_shown(rejected.detail)
        return "rejects"
    if name == "jpeg" and made.data == data:
        return check_kept(made, true)
    check_picture(made)
    if name == "png":  # its chunks have checksums
        assert made.data == encode_image(true, options).data, "the PNG has other pixels"
    return "records"


def check_picture(made: EncodedImage) -> None:
    """The bytes are a picture, and it is what is said of it."""
    image = Image.open(io.BytesIO(made.data))
    image.load()
    channels = {"RGB": 3, "L": 1}[image.mode]
    said = (made.width, made.height, made.channels, made.format)
    assert (*image.size, channels, image.format) == said, f"{image} is said to be {said}"
    for note in made.notes:
        check_shown(note)


def check_kept(made: EncodedImage, true: bytes) -> str:
    """A JPEG whose bytes are kept: its header is sound; what follows that is not looked at."""
    try:
        check_picture(made)
    except OSError:
        scans = [data[data.index(b"\xff\xda") :] for data in (made.data, true)]
        assert scans[0] != scans[1], "only the header is damaged, it is kept, and Pillow fails"
        return "kept undecodable"
    return "records"


ATTACKS = tuple(Attack(f"image-{name}", functools.partial(strike, name)) for name in _FORMATS)
