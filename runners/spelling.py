"""What the command line calls the parameters that messages name."""

from __future__ import annotations

from imagenet_beam.transforms.errors import InputError

_FLAGS = {
    "labels.base": "label_base",
    "labels.order": "label_order",
    "labels.any_names": "allow_any_class_names",
    "selection.max_per_class": "max_images_per_class",
    "selection.seed": "selection_seed",
}


def flag_of(field: str) -> str:
    """The flag that sets a field: `--jpeg_quality` for `image.jpeg_quality`."""
    if field in _FLAGS:
        return f"--{_FLAGS[field]}"
    owner, _, name = field.rpartition(".")
    return f"--{owner}_shards" if name == "num_shards" else f"--{name}"


def with_flags(message: object) -> str:
    """A sentence of the library with flags in place of the fields that it names."""
    return InputError(str(message)).sentence(flag_of)
