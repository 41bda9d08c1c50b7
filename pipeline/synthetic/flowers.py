"""Writes the Flowers data set: one compressed tar with a folder for each class."""

from pathlib import Path

from imagenet_beam.pipeline.synthetic.catalog import SyntheticClass
from imagenet_beam.pipeline.synthetic.checks import check_range, claim_folder
from imagenet_beam.pipeline.synthetic.pictures import draw_picture, encode_jpeg, plan_layout
from imagenet_beam.pipeline.synthetic.tars import gzipped_tar_file
from imagenet_beam.pipeline.synthetic.variation import numbers

_ARCHIVE_NAME = "flower_photos.tgz"
# In the order in which the real archive has them.
_CLASSES = (
    SyntheticClass("", "roses", "rose", "#d62839"),
    SyntheticClass("", "sunflowers", "sunflower", "#f9c22e"),
    SyntheticClass("", "daisy", "flower", "#fdfdf8"),
    SyntheticClass("", "dandelion", "dandelion", "#f7dc4a"),
    SyntheticClass("", "tulips", "tulip", "#e0559a"),
)
FLOWER_CLASSES = tuple(sorted(row.words for row in _CLASSES))
_WIDTH, _HEIGHT = 320, 240
_MOST_PER_CLASS = 100_000
_LICENSE = b"""All pictures in this archive are synthetic drawings.

The real archive lists the photographers and the licence of each photograph here.
"""


def write_flowers(output_dir: Path, images_per_class: int = 100, seed: int = 0) -> dict[str, bytes]:
    """Writes flower_photos.tgz.

    Args:
        output_dir: Where to write; made if it is missing.
        images_per_class: The real archive has 633 to 898.
        seed: Another number gives other pictures and names.

    Returns:
        By class and file name, such as `daisy/100080576_f52e8ee070_n.jpg`: the JPEG.

    Raises:
        InputError: A value is out of its range, the folder cannot be made, or it
            holds such archives that are not synthetic.
    """
    check_range("images_per_class", images_per_class, 1, _MOST_PER_CLASS)
    claim_folder(output_dir, [_ARCHIVE_NAME])
    written: dict[str, bytes] = {}
    with gzipped_tar_file(output_dir / _ARCHIVE_NAME) as tar:
        tar.add_folder("flower_photos/")
        tar.add("flower_photos/LICENSE.txt", _LICENSE)
        for index, flower in enumerate(_CLASSES):
            tar.add_folder(f"flower_photos/{flower.words}/")
            for number in range(1, images_per_class + 1):
                name = f"{flower.words}/{_photo_name(seed, flower.words, number)}"
                written[name] = _draw(flower, index, number, seed)
                tar.add(f"flower_photos/{name}", written[name])
    return written


def _photo_name(*key: object) -> str:
    """A name as the photo site gave them: number, secret, size."""
    photo, secret, more, size = numbers(4, "flower name", *key)
    return f"{photo % 10**10}_{secret:08x}{more % 256:02x}{('_n', '_m', '')[size % 3]}.jpg"


def _draw(flower: SyntheticClass, hue_index: int, number: int, seed: int) -> bytes:
    layout = plan_layout(flower.sketch, _WIDTH, _HEIGHT, seed, "flower", flower.words, number)
    in_color = layout._replace(gray=False)
    return encode_jpeg(draw_picture(flower, hue_index, in_color, f"{flower.words}  #{number}"))
