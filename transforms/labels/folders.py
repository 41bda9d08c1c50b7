"""Class folders that are called by words, `kit_fox`: the class that each name fits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from imagenet_beam.transforms.archives.official_names import WNID
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import lemmas
from imagenet_beam.transforms.labels.source import Labels

_ALSO_CALLED = {
    "n02012849": ("crane bird",),
    "n03126707": ("crane machine", "construction crane", "crane2"),
    "n03710637": ("tights",),
    "n03710721": ("tank suit", "maillot tank suit", "one-piece bathing suit"),
    "n02113186": ("cardigan dog", "cardigan Welsh corgi"),
    "n02963159": ("cardigan clothes",),
}
"""What people call the classes whose first word another one of ILSVRC2012 has, too."""

_IN_NAME = re.compile(rf"(?<![A-Za-z0-9])({WNID.pattern})(?![A-Za-z0-9])")
_WORD = re.compile(r"[^\W_]+")
_SHOWN = 3


def names_of(texts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The classes that each name fits, in the order of the wnids.

    A class is called by its wnid, by each synonym, by all of them together, and as people
    call it where two classes have one word. Case, blanks and punctuation do not count.

    Args:
        texts: The text of each class by its wnid.
    """
    found: dict[str, list[str]] = {}
    for wnid, text in sorted(texts.items()):
        names = (wnid, text, *lemmas(text), *_ALSO_CALLED.get(wnid, ()))
        for name in dict.fromkeys(_words(name).casefold() for name in names):
            found.setdefault(name, []).append(wnid)
    return {name: tuple(wnids) for name, wnids in found.items() if name}


def fitting(folder: str, names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The classes that a folder's name fits; a wnid in it decides, if its words do not object."""
    wnid = _IN_NAME.search(folder)
    if not wnid:
        return names.get(_words(folder).casefold(), ())
    if wnid[1] not in names:
        return ()
    by_words = names.get(_words(folder.replace(wnid[1], " ")).casefold(), ())
    return (wnid[1],) if wnid[1] in by_words or not by_words else (wnid[1], *by_words)


def resolve_folders(folders: Iterable[str], labels: Labels) -> dict[str, str]:
    """The class of each folder that is called by words.

    What fits one class is that class. Of two that fit the same ones and are spelled
    otherwise, `Cardigan` and `cardigan`, each is the class that is spelled like it. Then a
    folder is the one class that it fits and no other folder is: `maillot` beside `tank_suit`.

    Raises:
        InputError: A name fits no class, or more than one of which none can be left out.
    """
    fits = {folder: fitting(folder, labels.names) for folder in sorted(folders)}
    _refuse_strange([folder for folder, wnids in fits.items() if not wnids])
    found = {folder: wnids[0] for folder, wnids in fits.items() if len(wnids) == 1}
    found |= _told_by_case({folder: w for folder, w in fits.items() if folder not in found}, labels)
    is_open = True
    while is_open:
        taken, before = set(found.values()), len(found)
        for folder, wnids in fits.items():
            left = [wnid for wnid in wnids if wnid not in taken]
            if folder not in found and len(left) == 1:
                found[folder] = left[0]
        is_open = len(found) > before
    for folder, wnids in fits.items():
        is_contradictory = len(wnids) > 1 and _IN_NAME.search(folder)
        if is_contradictory or folder not in found or _is_claimed_twice(folder, found, fits):
            raise _fits_several(folder, wnids, labels)
    return found


def _is_claimed_twice(
    folder: str, found: Mapping[str, str], fits: Mapping[str, Collection[str]]
) -> bool:
    """Whether the class that is left for a folder was left for another one, too."""
    rivals = [other for other, wnid in found.items() if wnid == found[folder]]
    return len(fits[folder]) > 1 and len(rivals) > 1


def _told_by_case(fits: Mapping[str, Collection[str]], labels: Labels) -> dict[str, str]:
    """Of the folders that differ in case only: the class that is spelled as the folder is."""
    alike: dict[str, list[str]] = {}
    for folder in fits:
        alike.setdefault(_words(folder).casefold(), []).append(folder)
    found: dict[str, str] = {}
    for folders in alike.values():
        spelled = {
            folder: [wnid for wnid in fits[folder] if _is_spelled(folder, wnid, labels)]
            for folder in folders
        }
        wnids = {wnids[0] for wnids in spelled.values() if len(wnids) == 1}
        if len(wnids) == len(folders) > 1:  # one for each, and each another one
            found |= {folder: those[0] for folder, those in spelled.items()}
    return found


def _is_spelled(folder: str, wnid: str, labels: Labels) -> bool:
    return _words(folder) in map(_words, lemmas(_text(wnid, labels)))


def _text(wnid: str, labels: Labels) -> str:
    if wnid in labels.classes:
        return labels.classes.info(wnid).text
    return labels.known[wnid].text if wnid in labels.known else ""


def _words(name: str) -> str:
    """The words of a name with blanks between them: "jack-o'-lantern" is "jack o lantern"."""
    return " ".join(_WORD.findall(name.replace("'", "").replace("\u2019", "")))


def _refuse_strange(folders: Collection[str]) -> None:
    if folders:
        shown = ", ".join(sorted(folders)[:_SHOWN]) + (", …" if len(folders) > _SHOWN else "")
        several = len(folders) > 1
        raise InputError(
            f"`labels.class_names`: {len(folders):,} class folder{'s' * several} ({shown}) "
            f"{'are' if several else 'is'} called like no class of the list; rename each to its "
            "wnid, such as n02119789, or to its name in the list"
        )


def _fits_several(folder: str, wnids: Collection[str], labels: Labels) -> InputError:
    texts = ((wnid, _text(wnid, labels)) for wnid in wnids)
    shown = " and ".join(f"{wnid} ({text})" if text else wnid for wnid, text in texts)
    return InputError(
        f"`labels.class_names`: the class folder {folder} fits {len(wnids):,} classes, {shown}; "
        "rename it to the wnid that is meant"
    )
