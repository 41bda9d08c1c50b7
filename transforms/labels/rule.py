"""The rule that labels an image: which class it has, and which number that class has."""

from __future__ import annotations

from collections.abc import Iterable

from imagenet_beam.transforms.archives.names import is_perhaps_no_class
from imagenet_beam.transforms.archives.official_names import (
    is_wnid,
    validation_number,
    why_no_number,
)
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.folders import fitting, resolve_folders
from imagenet_beam.transforms.labels.source import Labels, LabelSource
from imagenet_beam.transforms.storage.files import unpinned

NO_LABEL = -1
"""The label of images without a class, as TFDS writes it."""

CLASS_FIELDS = ("text", "ref.wnid")
"""What `with_class` looks up again: left out of the shuffle, where it would be half."""


def label_image(ref: ImageRef, labels: Labels, label_from: str) -> LabeledImage:
    """Joins one image with its class.

    Where that comes from, `label_from` says: `place` takes the class that the image lies in
    (its class tar or folder); `number` looks up the number in the file name, as of validation
    images, and takes the place where there are no labels by number; `index` takes the number
    that the source gives for a place in the list of classes; `none` gives the label -1, as
    for test images.

    Raises:
        InputError: If its class cannot be told or is not known.
    """
    if label_from == "none":
        return LabeledImage(ref, NO_LABEL, "", "")
    if label_from == "index":
        classes = labels.classes.classes
        if not 0 <= ref.class_index < len(classes):
            raise InputError(
                f"{unpinned(ref.archive)} gives {ref.filename} the label {ref.class_index}; "
                f"accepted are 0 to {len(classes) - 1}"
            )
        wnid = classes[ref.class_index].wnid
    elif label_from == "number" and labels.truth:
        wnid = require_truth(labels, ref.filename)
        ref = ref._replace(wnid=_place_beside(ref, labels, wnid))
    else:
        wnid = class_of_place(ref, labels)
        if label_from == "number" and not wnid:
            wnid = require_truth(labels, ref.filename, ref.wnid)
    if wnid not in labels.classes:
        raise InputError(_unknown_class(ref, wnid, len(labels.classes)))
    return LabeledImage(ref, labels.classes.label_of(wnid), wnid, labels.classes.info(wnid).text)


def class_of_place(ref: ImageRef, labels: Labels) -> str:
    """The class that the place of an image tells, or "".

    Raises:
        InputError: If it lies in a folder that is called by words, and these tell no class.
    """
    folder = ref.wnid
    if folder in labels.classes or not folder or is_wnid(folder):
        return folder
    if folder in labels.folders:
        return labels.folders[folder]
    if is_perhaps_no_class(folder, ref.filename) and not fitting(folder, labels.names):
        return ""
    return resolve_folders([folder], labels)[folder] if labels.names else folder


def _place_beside(ref: ImageRef, labels: Labels, wnid: str) -> str:
    """The class that the place of an image tells which is known to be of the class `wnid`."""
    if is_perhaps_no_class(ref.wnid, ref.filename):
        fits = fitting(ref.wnid, labels.names)
        return wnid if wnid in fits else next(iter(fits), "")
    return class_of_place(ref, labels)


def with_class(image: LabeledImage, labels: Labels) -> LabeledImage:
    """The image with the words of its class; its place in the archive is not asked again."""
    return image._replace(text=labels.classes.info(image.wnid).text) if image.wnid else image


def require_truth(labels: Labels, filename: str, folder: str = "") -> str:
    """The wnid of a validation image, by the number in its name.

    Args:
        labels: What is known.
        filename: Its name.
        folder: The folder that it lies in, which tells no class.

    Raises:
        InputError: If the name has no number, or the number no label.
    """
    number = validation_number(filename)
    if number is None:
        raise InputError(f"among the validation images there is {why_no_number(filename)}")
    if not labels.truth:
        where = "no class folder; give "
        if folder:
            where = (
                f"the folder {folder}, which is called like no class; if this is the name of one, "
                "give `labels.class_names` (map_clsloc.txt or synset_words.txt); else give "
            )
        raise InputError(
            f"the class of {filename} is not known: it lies in {where}"
            "`labels.devkit`, or `labels.validation_labels` "
            "(imagenet_2012_validation_synset_labels.txt, val.txt or LOC_val_solution.csv)"
        )
    if number not in labels.truth:
        raise InputError(
            f"{filename} has no label: the ground truth has {len(labels.truth):,} lines; "
            "give the devkit that belongs to this validation archive"
        )
    return labels.truth[number]


def with_classes(
    labels: Labels, found: Iterable[str], source: LabelSource, perhaps: Iterable[str] = ()
) -> Labels:
    """Resolves folders that are called by words; numbers the classes where no file fixes them.

    Args:
        labels: What the files say.
        found: The classes that the places of images tell.
        source: Says base and order, and what folders may be called.
        perhaps: Folders that may be no class: see `is_perhaps_no_class`.

    Raises:
        InputError: If a folder fits no class, or more than one.
    """
    wnids = {*found} - {""}
    if source.maps_folders:
        words = {name for name in wnids if not is_wnid(name) and name not in labels.classes}
        if not labels.truth:
            words |= {folder for folder in perhaps if fitting(folder, labels.names)}
        labels = labels._replace(folders=resolve_folders(words, labels))
        wnids = wnids - words | {*labels.folders.values()}
    elif source.any_names and not labels.truth:
        wnids |= {*perhaps}
    if not source.are_classes_found:
        return labels
    wnids |= {*labels.truth.values()}
    infos = [labels.known.get(wnid, ClassInfo(wnid)) for wnid in sorted(wnids)]
    classes = ClassTable.build(infos, source.base, source.order)
    named = sum(wnid in labels.known for wnid in wnids)
    return labels._replace(classes=classes, known={}, named=named)


def _unknown_class(ref: ImageRef, wnid: str, known: int) -> str:
    if not wnid:
        return (
            f"{ref.filename} in {unpinned(ref.archive)} lies in no class tar or class folder, so "
            "its class is not known; is this the validation archive?"
        )
    return (
        f"the class {wnid} of {ref.filename} in {unpinned(ref.archive)} is none of the {known:,} "
        "classes of the labels; give the devkit that belongs to these images"
    )
