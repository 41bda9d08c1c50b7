"""Names of class folders: the class that each fits, or the refusal, without Beam."""

import pytest

from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.folders import names_of, resolve_folders
from imagenet_beam.transforms.labels.source import Labels

SYNONYMS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n02113186": "Cardigan, Cardigan Welsh corgi",
    "n02119789": "kit fox, Vulpes macrotis",
    "n02963159": "cardigan",
    "n03126707": "crane",
    "n03494278": "harmonica, mouth organ, harp, mouth harp",
    "n03495258": "harp",
    "n03590841": "jack-o'-lantern",
    "n03710637": "maillot",
    "n03710721": "maillot, tank suit",
}
WORDS = {wnid: text.partition(",")[0] for wnid, text in SYNONYMS.items()}
TEXTS = {"synset_words": SYNONYMS, "map_clsloc": WORDS}
BOTH = tuple(TEXTS)


def labels_of(kind: str, known: bool) -> Labels:
    infos = [ClassInfo(wnid, text) for wnid, text in TEXTS[kind].items()]
    names = names_of(TEXTS[kind])
    if known:
        return Labels(ClassTable.build(infos), {}, names=names)
    return Labels(ClassTable(()), {}, {info.wnid: info for info in infos}, names)


FITTING = [
    ("as in map_clsloc", {"tench": "n01440764", "kit_fox": "n02119789"}, BOTH),
    ("any spelling", {"Tench": "n01440764", "kit-fox": "n02119789"}, BOTH),
    ("punctuation", {"jack-o-lantern": "n03590841", "jack_o'_lantern": "n03590841"}, BOTH),
    ("synonyms", {"Tinca_tinca": "n01440764", "vulpes macrotis": "n02119789"}, BOTH[:1]),
    ("whole text", {"maillot, tank suit": "n03710721", "tench_Tinca_tinca": "n01440764"}, BOTH[:1]),
    ("wnid and word", {"n01440764-tench": "n01440764", "crane (n03126707)": "n03126707"}, BOTH),
    ("wnid and another word", {"n01440764_fish": "n01440764"}, BOTH),
    ("cranes", {"crane_bird": "n02012849", "crane_machine": "n03126707"}, BOTH),
    ("cranes of CLIP", {"crane bird": "n02012849", "construction crane": "n03126707"}, BOTH),
    ("the second crane", {"crane": "n02012849", "crane2": "n03126707"}, BOTH),
    ("the other crane", {"crane": "n03126707", "crane_bird": "n02012849"}, BOTH),
    ("maillots", {"maillot": "n03710637", "tank_suit": "n03710721"}, BOTH),
    ("long maillots", {"maillot": "n03710637", "maillot_tank_suit": "n03710721"}, BOTH),
    ("maillots of CLIP", {"tights": "n03710637", "one-piece bathing suit": "n03710721"}, BOTH),
    ("cardigans", {"Cardigan": "n02113186", "cardigan": "n02963159"}, BOTH),
    ("cardigans in words", {"cardigan_dog": "n02113186", "cardigan": "n02963159"}, BOTH),
    ("a synonym of another", {"harp": "n03495258", "harmonica": "n03494278"}, BOTH),
]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("folders", "kind"),
    [(folders, kind) for _, folders, kinds in FITTING for kind in kinds],
    ids=[f"{name}-{kind}" for name, _, kinds in FITTING for kind in kinds],
)
def test_the_class_of_each_folder(folders, kind, known):
    assert resolve_folders(folders, labels_of(kind, known)) == folders


def test_all_words_of_map_clsloc_but_the_ones_that_it_has_twice():
    """As a script renames the folders, the second one of a name to what it finds."""
    words = {text.replace(" ", "_"): wnid for wnid, text in WORDS.items()}
    words |= {"crane": "n02012849", "crane_machine": "n03126707"}
    words |= {"maillot": "n03710637", "tank_suit": "n03710721"}
    for kind in BOTH:
        assert resolve_folders(words, labels_of(kind, True)) == words


SEVERAL = [
    ("crane", "crane fits 2 classes, n02012849 (crane) and n03126707 (crane); rename it to the wn"),
    ("maillot", "maillot fits 2 classes, n03710637 (maillot) and n03710721 (maillot, tank suit);"),
    ("Cardigan", "Cardigan fits 2 classes, n02113186 (Cardigan, Cardigan Welsh corgi) and n0296"),
    ("Cardigan CARDIGAN", "CARDIGAN fits 2 classes"),
    ("harp", "harp fits 2 classes, n03494278 (harmonica, mouth organ, harp, mouth harp) and n034"),
    ("crane crane_bird crane2", "crane fits 2 classes"),
    ("crane CRANE crane_bird", "CRANE fits 2 classes"),
    ("n01440764_kit_fox", "n01440764_kit_fox fits 2 classes, n01440764 (tench, Tinca tinca) and n"),
    ("n01440764-n02119789", "n01440764-n02119789 fits 2 classes"),
]
NONE = [
    ("kit_foxx", "1 class folder (kit_foxx) is called like no class of the list; rename each to"),
    ("kitfox", "1 class folder (kitfox) is called"),
    ("278", "1 class folder (278) is called"),
    ("n09999999-tench", "1 class folder (n09999999-tench) is called like no class of the list"),
    ("a b c d", "4 class folders (a, b, c, …) are called like no class of the list"),
]


@pytest.mark.parametrize(("folders", "said"), [*SEVERAL, *NONE])
def test_a_name_that_fits_two_classes_or_none_is_refused(folders, said):
    with pytest.raises(InputError) as refused:
        resolve_folders({"tench", *folders.split()}, labels_of("synset_words", True))
    assert said in str(refused.value)
    assert str(refused.value).startswith("`labels.class_names`: ")
