"""The known answers of ILSVRC2012: what tells its numberings, and lists that are wrong, apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imagenet_beam.transforms.errors import InputError

_BY_SORTED_WNID = (65, 970, 230, 809, 516, 57)
_BY_ILSVRC2012_ID = (490, 361, 171, 822, 297, 482)
_WNIDS = ("n01751748", "n09193705", "n02105855", "n04263257", "n03125729", "n01735189")
_CLASSES = 1000
_SHOWN = 3

ZERO_BASED = "sorted wnids, counted from 0"
BY_ID = "ILSVRC2012_IDs, as of the devkit and map_clsloc.txt"

_NUMBERINGS = {
    _BY_SORTED_WNID: ZERO_BASED,
    tuple(number + 1 for number in _BY_SORTED_WNID): "sorted wnids, counted from 1",
    _BY_ILSVRC2012_ID: BY_ID,
    tuple(number - 1 for number in _BY_ILSVRC2012_ID): "ILSVRC2012_IDs less 1",
}


def numbering_of(answers: Mapping[int, int]) -> str:
    """What the classes of the validation images are numbered by, or "" if that is not known.

    Args:
        answers: The class of each image by the number in its name.
    """
    first = tuple(answers.get(image, -1) for image in range(1, len(_WNIDS) + 1))
    return _NUMBERINGS.get(first, "")


def check_answers(truth: Mapping[int, str], classes: Collection[str], name: str) -> None:
    """Refuses a list for the classes of ILSVRC2012 that gives images 1 to 6 other classes.

    Args:
        truth: The wnid of each image by the number in its name.
        classes: All wnids, where they are known; else those of the list are looked at.
        name: What the list is called.

    Raises:
        InputError: Its answers are wrong; the first three are shown.
    """
    in_order = sorted(classes or set(truth.values()))
    if len(in_order) != _CLASSES or [in_order[n] for n in _BY_SORTED_WNID] != list(_WNIDS):
        return  # other classes, of which nothing is known
    known = dict(enumerate(_WNIDS, 1))
    wrong = [image for image in known if truth.get(image, known[image]) != known[image]]
    if wrong:
        shown = "; ".join(
            f"image {image}: {truth[image]}, and it is {known[image]}" for image in wrong[:_SHOWN]
        )
        raise InputError(
            f"{name} gives the validation images of ILSVRC2012 wrong classes "
            f"({shown}{'; …' if len(wrong) > _SHOWN else ''}): its lines, or the classes that its "
            "numbers count, are in another order; give the files as they were published, or "
            "`expect`=any if these are other images or labels"
        )
