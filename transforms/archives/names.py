"""What the path of an image inside its archive or folder tells: name, class and split.

People hold the same pictures under different paths. Whatever the form of the input,
a picture must get the same name, since the name decides its place in the shards and
stands in its record.
"""

from __future__ import annotations

from imagenet_beam.transforms.archives.official_names import OFFICIAL_NAME, is_wnid, wnid_in_name
from imagenet_beam.transforms.elements import ImageRef
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.pixels import PixelLayout

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".jpe", ".gif", ".webp", ".bmp")
"""What the names of images end with, in any case; the content may differ."""

_SPLIT_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def is_image_name(name: str) -> bool:
    """Whether a member is taken for an image: by its suffix, hidden files left out."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(name)


def is_tar_name(name: str) -> bool:
    """Whether a member is taken for a class tar."""
    return name.lower().endswith(".tar")


def is_hidden(name: str) -> bool:
    """Whether this is a hidden file, or what macOS leaves beside files (`._x`, `__MACOSX`)."""
    in_macosx = "__MACOSX" in name and "__MACOSX" in name.split("/")
    return in_macosx or base_name(name).startswith(".")


def is_test_name(name: str) -> bool:
    """Whether an image is called like those of the test archive, which have no labels."""
    official = OFFICIAL_NAME.fullmatch(name)
    return official is not None and official["split"] == "test"


def is_perhaps_no_class(folder: str, name: str) -> bool:
    """Whether the folder of an image may be any folder, as it is of official validation images.

    They are told by their number wherever they lie: in `kit_fox`, or in `ILSVRC2012_img_val`.
    """
    return bool(folder) and not is_wnid(folder) and OFFICIAL_NAME.fullmatch(name) is not None


def is_train_name(name: str) -> bool:
    """Whether an image is called like those of the training archive, n01440764_10026.JPEG."""
    official = OFFICIAL_NAME.fullmatch(name)
    return official is not None and not official["split"]


def is_misplaced(name: str, wnid: str) -> bool:
    """Whether an image lies in the folder or class tar of another class than its official name.

    Other names than official ones begin with the class in which they lie.
    """
    return not name.startswith(wnid) and is_wnid(wnid) and is_train_name(name)


def base_name(name: str) -> str:
    """The name without folders."""
    return name.rpartition("/")[2]


def tar_stem(name: str) -> str:
    """What a class tar is called: the wnid of its images."""
    return base_name(name)[: -len(".tar")]


def image_name(path: str, wnid: str = "") -> str:
    """The name of an image in records and in the shuffle: the same from every form of input.

    Official names lose what copies have added: the wnid at the end (Hugging Face)
    and another spelling of `.JPEG`. Other names are unique in their class only, so
    that the class, if the place of the image tells it, stands before them.
    """
    name = base_name(path)
    official = OFFICIAL_NAME.fullmatch(name)
    if official is None:
        return f"{wnid}/{name}" if wnid else name
    suffix = official["suffix"]
    return f"{official['stem']}.{'JPEG' if suffix.lower() in ('jpeg', 'jpg') else suffix}"


def class_in_path(path: str) -> str:
    """The class that a path tells, or "".

    It is the nearest folder that is a wnid; or the wnid in an official name; or the
    folder, whatever it is called. A folder that is called like a split (`train`) is a class
    only below another such folder (`val/train/1.jpg`). Test images have no class but that of
    a wnid; the folder of validation images may be none, see `is_perhaps_no_class`.
    """
    *folders, name = path.split("/")
    wnid = next(filter(is_wnid, reversed(folders)), "") or wnid_in_name(name)
    if wnid or is_test_name(name):
        return wnid
    folder = folders[-1] if folders else ""
    if folder.lower() in _SPLIT_FOLDERS:
        is_below_a_split = any(name.lower() in _SPLIT_FOLDERS for name in folders[:-1])
        return folder if is_below_a_split else ""
    return "" if folder in ("", ".", "..") else folder


def split_in_path(path: str) -> str:
    """The split that a path tells, or "", where one archive or tree holds several.

    An official validation or test name tells it; otherwise a folder above the
    class folder (`ILSVRC/Data/CLS-LOC/train/n01440764/x.JPEG`).
    """
    *folders, name = path.split("/")
    official = OFFICIAL_NAME.fullmatch(name)
    if official and official["split"]:
        return _SPLIT_FOLDERS[official["split"].lower()]
    above = folders if official else folders[:-1]
    return next(
        (_SPLIT_FOLDERS[name.lower()] for name in above if name.lower() in _SPLIT_FOLDERS), ""
    )


def is_wanted(path: str, split: str) -> bool:
    """Whether a member is an image, and of no other split than the wanted one; "" wants all."""
    return is_image_name(path) and (not split or split_in_path(path) in ("", split))


def make_ref(
    archive: str, path: str, offset_bytes: int, size_bytes: int, wnid: str = "", fault: str = ""
) -> ImageRef:
    """A reference to an image, named by its path; also classed, where no class tar tells `wnid`.

    Raises:
        InputError: If the path climbs out of the archive. No path of a member is ever
            used as a path; but an archive that tries it is not the one that it claims to be.
    """
    if ".." in path and ".." in path.split("/"):
        raise leads_out(archive, path)
    wnid = wnid or class_in_path(path)
    name = image_name(path, wnid)
    return ImageRef(archive, offset_bytes, size_bytes, name, wnid, fault=fault)


def leads_out(archive: str, path: str) -> InputError:
    """What is said of a member whose path climbs out of its archive."""
    return InputError(
        f"{archive} holds the path {path!r}, which leads out of the archive; archives of "
        "images never do, so this one is not used"
    )


def make_pixel_ref(
    archive: str, index: int, filename: str, class_index: int, layout: PixelLayout
) -> ImageRef:
    """A reference to the raw pixels of image `index` in a stream of equal ones."""
    size_bytes = layout.size_bytes
    return ImageRef(archive, index * size_bytes, size_bytes, filename, "", class_index, str(layout))
