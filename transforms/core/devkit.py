"""The development kit of ILSVRC 2012: the classes and the labels of the validation images."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from imagenet_beam.transforms.core.classes import ClassInfo
from imagenet_beam.transforms.core.errors import InputError

META_NAME = "meta.mat"
GROUND_TRUTH_NAME = "ILSVRC2012_validation_ground_truth.txt"

# The real kit is 2.5 MB packed; a file that unpacks to more than this is something else.
_MAX_UNPACKED_BYTES = 64 << 20
_MAX_SYNSETS = 100_000

_MAT_HEADER_BYTES = 128
_MAT_COMPRESSED = 15  # miCOMPRESSED in MathWorks' "MAT-File Format", level 5
_FIELDS = ("ILSVRC2012_ID", "WNID", "words", "num_children")


class Devkit(NamedTuple):
    """What the devkit says.

    Attributes:
        classes: The leaves of the hierarchy, in the order of the kit.
        ground_truth: The ILSVRC2012_ID of validation image 1, 2, 3, … in name order.
        internal: How many ancestors were left out: entries that are no classes.
    """

    classes: tuple[ClassInfo, ...]
    ground_truth: tuple[int, ...]
    internal: int


def read_devkit(data: bytes, name: str) -> Devkit:
    """Reads the devkit archive.

    Args:
        data: The archive, as `.tar.gz` or as the `.tar` that browsers on macOS leave.
        name: The file's name, for messages.

    Raises:
        InputError: It is not the devkit, or it is damaged.
    """
    found = _find_members(_unpack(data, name), name)
    for wanted in (META_NAME, GROUND_TRUTH_NAME):
        if wanted not in found:
            raise InputError(
                f"--devkit: {name} has no {wanted} inside; give ILSVRC2012_devkit_t12.tar.gz"
                " or the folder it was extracted to"
            )
    return parse_devkit(found[META_NAME], found[GROUND_TRUTH_NAME], name)


def parse_devkit(meta_mat: bytes, ground_truth: bytes, name: str) -> Devkit:
    """Reads the two files of the devkit that matter.

    Args:
        meta_mat: The content of `data/meta.mat`.
        ground_truth: The content of `data/ILSVRC2012_validation_ground_truth.txt`.
        name: The kit's archive or folder, for messages.

    Raises:
        InputError: One of the files is damaged, or they do not belong together.
    """
    classes, internal = _read_meta(meta_mat, name)
    numbers = {info.ilsvrc2012_id for info in classes}
    truth = tuple(_ground_truth(ground_truth, numbers, name))
    if not truth:
        raise InputError(f"--devkit: {GROUND_TRUTH_NAME} in {name} is empty")
    return Devkit(classes, truth, internal)


def truth_by_number(devkit: Devkit) -> dict[int, str]:
    """Returns the wnid of each validation image by the number in its file name."""
    wnids = {info.ilsvrc2012_id: info.wnid for info in devkit.classes}
    return {number: wnids[truth] for number, truth in enumerate(devkit.ground_truth, 1)}


def _unpack(data: bytes, name: str) -> bytes:
    """Returns the tar inside gzip; anything else unchanged."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            unpacked = stream.read(_MAX_UNPACKED_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"--devkit: {name} is a damaged gzip file ({error}); download it again"
        ) from error
    if len(unpacked) > _MAX_UNPACKED_BYTES:
        raise InputError(
            f"--devkit: {name} unpacks to more than {_MAX_UNPACKED_BYTES >> 20} MB, so it is not"
            " the devkit; give ILSVRC2012_devkit_t12.tar.gz"
        )
    return unpacked


def _find_members(data: bytes, name: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                base_name = member.name.rpartition("/")[2]
                if base_name not in (META_NAME, GROUND_TRUTH_NAME) or base_name in found:
                    continue
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    found[base_name] = content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"--devkit: {name} {_what_it_is(data, error)}") from error
    return found


def _what_it_is(data: bytes, error: Exception) -> str:
    accepted = "give ILSVRC2012_devkit_t12.tar.gz or the folder it was extracted to"
    if not data:
        return f"is empty; {accepted}"
    if data[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return f"is a web page, probably of a failed download or log-in; {accepted}"
    if data[257:262] == b"ustar":
        return f"is a damaged tar archive ({error}); download it again"
    return f"is not a tar archive; {accepted}"


def _read_meta(data: bytes, name: str) -> tuple[tuple[ClassInfo, ...], int]:
    rows = [_read_synset(row, name) for row in _load_synsets(data, name)]
    classes = tuple(info for info, children in rows if children == 0)
    if not classes:
        raise InputError(f"--devkit: {META_NAME} in {name} has no class without children")
    for what in ("wnid", "ilsvrc2012_id"):
        if len({getattr(info, what) for info in classes}) != len(classes):
            raise InputError(f"--devkit: {META_NAME} in {name} has two classes with one {what}")
    return classes, len(rows) - len(classes)


def _load_synsets(data: bytes, name: str) -> Any:
    """Returns the array of structs that `meta.mat` holds."""
    # Inside, because it costs 11 MB and 0.4 s on top of Beam's own imports.
    from scipy.io import loadmat, whosmat

    _check_mat_size(data, name)
    try:
        shapes = {entry[0]: entry[1:] for entry in whosmat(io.BytesIO(data))}
        shape, kind = shapes.get("synsets", ((), ""))
        if kind != "struct" or not 0 < _product(shape) <= _MAX_SYNSETS:
            raise InputError(f"--devkit: {META_NAME} in {name} has no list of structs `synsets`")
        synsets = loadmat(io.BytesIO(data), variable_names=["synsets"], squeeze_me=True)["synsets"]
    except InputError:
        raise
    except _MAT_ERRORS as error:
        raise InputError(f"--devkit: {META_NAME} in {name} cannot be read: {error}") from error
    missing = [wanted for wanted in _FIELDS if wanted not in (synsets.dtype.names or ())]
    if missing:
        raise InputError(f"--devkit: `synsets` of {META_NAME} in {name} has no field {missing[0]}")
    return synsets.reshape(-1)


# scipy has an error of its own, derived from Exception, only for some kinds of damage;
# the rest surfaces as whatever the damaged bytes trip over.
_MAT_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    OSError,
    EOFError,
    MemoryError,
    NotImplementedError,
    zlib.error,
)


def _product(shape: tuple[int, ...]) -> int:
    result = 1 if shape else 0
    for length in shape:
        result *= int(length)
    return result


def _check_mat_size(data: bytes, name: str) -> None:
    """Refuses what is no level 5 file, and what inflates to more memory than allowed."""
    if not data.startswith(b"MATLAB 5") or data[126:128] not in (b"IM", b"MI"):
        raise InputError(f"--devkit: {META_NAME} in {name} is not a MATLAB 5 file")
    order = "little" if data[126:128] == b"IM" else "big"
    position, total = _MAT_HEADER_BYTES, 0
    while position + 8 <= len(data):
        kind = int.from_bytes(data[position : position + 4], order)  # type: ignore[arg-type]
        size = int.from_bytes(data[position + 4 : position + 8], order)  # type: ignore[arg-type]
        body = data[position + 8 : position + 8 + size]
        total += _inflated_size(body) if kind == _MAT_COMPRESSED else len(body)
        position += 8 + size
    if total > _MAX_UNPACKED_BYTES:
        raise InputError(
            f"--devkit: {META_NAME} in {name} unpacks to more than {_MAX_UNPACKED_BYTES >> 20} MB"
        )


def _inflated_size(body: bytes) -> int:
    try:
        return len(zlib.decompressobj().decompress(body, _MAX_UNPACKED_BYTES + 1))
    except zlib.error:
        return 0  # scipy says what is wrong with it


def _read_synset(row: Any, name: str) -> tuple[ClassInfo, int]:
    try:
        number, children = int(row["ILSVRC2012_ID"]), int(row["num_children"])
    except (TypeError, ValueError) as error:
        raise InputError(
            f"--devkit: {META_NAME} in {name} has a synset whose ILSVRC2012_ID or num_children"
            " is not a number"
        ) from error
    wnid, words = row["WNID"], row["words"]
    if not isinstance(wnid, str) or not wnid or number < 1:
        raise InputError(
            f"--devkit: {META_NAME} in {name} has a synset without a WNID or with the"
            f" ILSVRC2012_ID {number}"
        )
    return ClassInfo(str(wnid), str(words) if isinstance(words, str) else "", number), children


def _ground_truth(data: bytes, numbers: set[int], name: str) -> Iterator[int]:
    for line_number, line in enumerate(data.rstrip().splitlines(), 1):
        word = line.strip()
        if not word.isdigit() or len(word) > 9 or int(word) not in numbers:
            shown = word[:40].decode("utf-8", "replace")
            raise InputError(
                f"--devkit: line {line_number} of {GROUND_TRUTH_NAME} in {name} is {shown!r};"
                f" expected the ILSVRC2012_ID of a class, {min(numbers)} to {max(numbers)}"
            )
        yield int(word)
