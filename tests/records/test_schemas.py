"""Which keys a record has."""

import io

import numpy as np
import pytest
from PIL import Image

from imagenet_beam.transforms.elements import BoundingBox, ImageRef, LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.encode import EncodedImage, encode_image
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.records.example import parse_example, serialize_example
from imagenet_beam.transforms.records.schemas import find_schema, inception_features

REF = ImageRef("a.tar", 512, 9, "n01440764_1.JPEG", "n01440764")
ENCODED = EncodedImage(b"\xff\xd8", 375, 500, 3, "RGB", "JPEG", ())
BOXES = (BoundingBox(0.25, 0.5, 0.75, 1.0), BoundingBox(0.0, 0.125, 0.5, 0.625))


def parsed(image: LabeledImage) -> dict[str, list]:
    return parse_example(serialize_example(inception_features(image, ENCODED)))


def test_the_inception_schema_with_boxes():
    image = LabeledImage(REF, 1, "n01440764", "tench, Tinca tinca", BOXES)
    assert parsed(image) == {
        "image/height": [375],
        "image/width": [500],
        "image/channels": [3],
        "image/colorspace": [b"RGB"],
        "image/format": [b"JPEG"],
        "image/filename": [b"n01440764_1.JPEG"],
        "image/encoded": [b"\xff\xd8"],
        "image/class/label": [1],
        "image/class/synset": [b"n01440764"],
        "image/class/text": [b"tench, Tinca tinca"],
        "image/object/bbox/xmin": [0.25, 0.0],
        "image/object/bbox/ymin": [0.5, 0.125],
        "image/object/bbox/xmax": [0.75, 0.5],
        "image/object/bbox/ymax": [1.0, 0.625],
        "image/object/bbox/label": [1, 1],
        "image/object/class/label": [1, 1],
    }


def test_an_image_without_boxes_has_empty_lists_of_the_right_kinds():
    features = inception_features(LabeledImage(REF, -1, "", ""), ENCODED)
    boxes = {name: value for name, value in features.items() if "/object/" in name}
    assert len(boxes) == 6
    empty_floats, empty_ints = b"\x12\x00", b"\x1a\x00"
    for name, value in boxes.items():
        data = serialize_example({name: value})
        assert data.endswith(empty_ints if name.endswith("label") else empty_floats), name
    assert features["image/class/label"] == -1
    assert features["image/class/synset"] == features["image/class/text"] == ""


def marked_png(orientation: int) -> bytes:
    """8 by 4 black pixels, white from 1 to 4 and from 2 to 3."""
    picture = np.zeros((4, 8), np.uint8)
    picture[2:3, 1:4] = 255
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(out, "PNG", exif=exif)
    return out.getvalue()


MARKED = BoundingBox(1 / 8, 2 / 4, 4 / 8, 3 / 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("is_turned", [True, False])
def test_boxes_turn_with_the_pixels(orientation, is_turned):
    options = ImageOptions(Resize("none"), apply_exif_orientation=is_turned, output_format="PNG")
    encoded = encode_image(marked_png(orientation), options)
    white = np.argwhere(np.asarray(Image.open(io.BytesIO(encoded.data))) == 255)
    (top, left), (bottom, right) = white.min(axis=0), white.max(axis=0) + 1
    features = inception_features(LabeledImage(REF, 1, "", "", (MARKED,)), encoded)
    box = {side: features[f"image/object/bbox/{side}"] for side in BoundingBox._fields}
    assert box == {
        "xmin": (left / encoded.width,),
        "ymin": (top / encoded.height,),
        "xmax": (right / encoded.width,),
        "ymax": (bottom / encoded.height,),
    }
    assert ((encoded.width, encoded.height) == (4, 8)) == (is_turned and orientation > 4)


def test_schemas_are_known_by_name():
    assert find_schema("inception").features is inception_features
    with pytest.raises(InputError, match=r"^`schema`=x is not known; accepted are inception"):
        find_schema("x")
