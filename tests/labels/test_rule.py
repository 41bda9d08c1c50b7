"""The rule that labels an image, without Beam."""

import pytest

from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.rule import (
    NO_LABEL,
    label_image,
    require_truth,
    with_classes,
)
from imagenet_beam.transforms.labels.source import Labels, LabelSource

TENCH, FOX = ClassInfo("n01440764", "tench, Tinca tinca"), ClassInfo("n02119789", "kit fox")
TABLE = ClassTable.build([FOX, TENCH])
LABELS = Labels(TABLE, {1: "n02119789"})
VALIDATION = "ILSVRC2012_val_00000001.JPEG"


def ref(filename: str, wnid: str = "") -> ImageRef:
    return ImageRef("gs://b/images.tar#7", 512, 100, filename, wnid)


@pytest.mark.parametrize(
    ("label_from", "image", "truth", "expected"),
    [
        ("place", ref("a.JPEG", "n01440764"), {}, (1, "n01440764", "tench, Tinca tinca")),
        ("number", ref(VALIDATION), {1: "n02119789"}, (2, "n02119789", "kit fox")),
        ("number", ref(VALIDATION, "n01440764"), {1: "n02119789"}, (2, "n02119789", "kit fox")),
        ("number", ref(VALIDATION, "n02119789"), {}, (2, "n02119789", "kit fox")),
        ("index", ref("a")._replace(class_index=1), {}, (2, "n02119789", "kit fox")),
        ("none", ref("a.JPEG", "n01440764"), {}, (NO_LABEL, "", "")),
    ],
    ids=["place", "number", "number_before_place", "place_without_labels", "index", "none"],
)
def test_where_the_class_of_an_image_comes_from(label_from, image, truth, expected):
    labeled = label_image(image, Labels(TABLE, truth), label_from)
    assert (labeled.label, labeled.wnid, labeled.text) == expected
    assert labeled.ref.filename == image.filename
    assert labeled.boxes == ()


@pytest.mark.parametrize(
    ("label_from", "image", "said"),
    [
        ("place", ref("a.JPEG"), "a.JPEG in gs://b/images.tar lies in no class tar or class"),
        ("place", ref("a.JPEG", "n1"), "the class n1 of a.JPEG in gs://b/images.tar is none of t"),
        (
            "index",
            ref("a")._replace(class_index=2),
            "gs://b/images.tar gives a the label 2; accepted are 0 to 1$",
        ),
        ("number", ref("a.JPEG"), "among the validation images there is a.JPEG, which is no valid"),
    ],
)
def test_an_image_whose_class_is_not_known(label_from, image, said):
    with pytest.raises(InputError, match=f"^{said}"):
        label_image(image, LABELS, label_from)


@pytest.mark.parametrize(
    ("truth", "name", "said"),
    [
        ({}, VALIDATION, r"the class of ILSVRC2012_val_00000001\.JPEG is not known: .*`labels\.de"),
        (LABELS.truth, "ILSVRC2012_val_00000002.JPEG", "has no label: the ground truth has 1 lin"),
        (LABELS.truth, "ILSVRC2010_val_00000001.JPEG", "a validation image of ILSVRC2010"),
    ],
)
def test_a_validation_image_without_a_label(truth, name, said):
    with pytest.raises(InputError, match=said):
        require_truth(Labels(TABLE, truth), name)


def test_classes_that_were_found_are_numbered_with_what_is_known_of_them():
    nothing = Labels(ClassTable((), 0, "wnid"), {1: "n00000003"}, {TENCH.wnid: TENCH})
    found = with_classes(nothing, ["n01440764", "", "n00000001"], LabelSource(base=0))
    assert found.classes.classes == (ClassInfo("n00000001"), ClassInfo("n00000003"), TENCH)
    assert (found.classes.base, found.truth, dict(found.known)) == (0, nothing.truth, {})
