"""What is in a record, against its schema, its image and the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.errors import ImageRejected
from imagenet_beam.transforms.images.encode import EncodedImage
from imagenet_beam.transforms.images.formats import (
    load_pixels,
    open_image,
    prepare_jpeg,
    sniff_format,
)
from imagenet_beam.transforms.images.jpeg_header import parse_jpeg_header
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.labels.classes import ClassTable
from imagenet_beam.transforms.records.example import serialize_example, typed_features
from imagenet_beam.transforms.records.schemas import Schema

Features = Mapping[str, tuple[str, list[Any]]]
"""The kind and the values of each feature."""

Form = Mapping[str, tuple[str, bool]]
"""The kind of each feature, and whether it has just one value."""

_LIMITS = ImageOptions()
_SIDES = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
_ROLES = {
    "image": ("image/encoded", "image"),
    "label": ("image/class/label", "label"),
    "name": ("image/filename", "file_name"),
    "wnid": ("image/class/synset",),
    "text": ("image/class/text",),
    "width": ("image/width",),
    "height": ("image/height",),
    "channels": ("image/channels",),
    "format": ("image/format",),
}
"""What features are called, whatever the schema."""


def value_of(features: Features, role: str) -> Any:
    """The one value of the feature of a role, bytes but the image's as text; None without."""
    for name in _ROLES[role]:
        _, values = features.get(name, ("", []))
        if len(values) == 1:
            is_text = isinstance(values[0], bytes) and role != "image"
            return values[0].decode("utf-8", "replace") if is_text else values[0]
    return None


def form_of_schema(schema: Schema) -> Form:
    """What the records of a schema look like: as that of an image without boxes."""
    image = LabeledImage(ImageRef("", 0, 0, "a"), 0, "", "")
    features = schema.features(image, EncodedImage(b"", 1, 1, 3, "RGB", "JPEG"))
    return form_of_record(serialize_example(features))


def form_of_record(data: bytes) -> Form:
    """What a record looks like."""
    singles = {name for names in _ROLES.values() for name in names}
    return {
        name: (kind, len(values) == 1 and name in singles)
        for name, (kind, values) in typed_features(data).items()
    }


class RecordCheck(NamedTuple):
    """What the records of a set are compared with.

    Attributes:
        form: What they look like.
        table: The classes; None if they are not known.
    """

    form: Form
    table: ClassTable | None

    def class_of(self, features: Features) -> str:
        """The wnid of a record, told by its label where the schema has none; "" without."""
        wnid, label = value_of(features, "wnid"), value_of(features, "label")
        if wnid is not None or self.table is None:
            return str(wnid or "")
        index = label - self.table.base if isinstance(label, int) else -1
        return self.table.classes[index].wnid if 0 <= index < len(self.table) else ""

    def faults(self, features: Features) -> Iterator[str]:
        """Everything that is wrong with a record, in words that go on from its place."""
        yield from _form_faults(features, self.form)
        yield from _image_faults(features)
        if self.table is not None:
            yield from _label_faults(features, self.table)


def _form_faults(features: Features, form: Form) -> Iterator[str]:
    for name in sorted(form.keys() | features.keys()):
        if name not in features:
            yield f"lacks {name}"
        elif name not in form:
            yield f"has {name}, which records of this set have not"
        elif features[name][0] != form[name][0]:
            yield f"has a {features[name][0]} as {name}, not a {form[name][0]}"
        elif form[name][1] and len(features[name][1]) != 1:
            yield f"has {len(features[name][1])} values of {name}, not one"
    if len({len(features[side][1]) for side in _SIDES if side in features}) > 1:
        yield "has boxes with sides of different numbers"


def _image_faults(features: Features) -> Iterator[str]:
    """Decodes the image, and compares what is said of it."""
    data = value_of(features, "image")
    if not isinstance(data, bytes):
        return
    try:
        image_format = sniff_format(data)
        if image_format == "JPEG":
            data, _ = prepare_jpeg(data, parse_jpeg_header(data))
        image = open_image(image_format, data)
        _LIMITS.check_pixels(image.width, image.height)
        load_pixels(image_format, image)
    except ImageRejected as rejected:
        yield f"has an image that cannot be decoded: {rejected.reason}, {rejected.detail}"
        return
    found = {
        "width": image.width,
        "height": image.height,
        "channels": len(image.getbands()),
        "format": image_format,
    }
    for role, true in found.items():
        said = value_of(features, role)
        if said is not None and said != true:
            yield f"says {role} {said} of an image with {role} {true}"


def _label_faults(features: Features, table: ClassTable) -> Iterator[str]:
    label, wnid = value_of(features, "label"), value_of(features, "wnid")
    if label == -1 and not wnid:  # without a class
        return
    if not isinstance(label, int) or not table.base <= label < table.base + len(table):
        yield f"has the label {label}, which no class has"
        return
    info = table.classes[label - table.base]
    for role, true in (("wnid", info.wnid), ("text", info.text)):
        said = value_of(features, role)
        if said is not None and said != true:
            yield f"has the label {label} and the {role} {said}, which classes.csv has not together"
