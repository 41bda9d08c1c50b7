"""Reads all label files that are given, and compares them with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from imagenet_beam.transforms.archives.names import base_name
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable, read_classes_csv
from imagenet_beam.transforms.labels.devkit import (
    GROUND_TRUTH_NAME,
    META_NAME,
    Devkit,
    parse_devkit,
    read_devkit,
    truth_by_number,
)
from imagenet_beam.transforms.labels.folders import names_of
from imagenet_beam.transforms.labels.known_answers import check_answers
from imagenet_beam.transforms.labels.label_files import (
    LabelFileKind,
    decode_text,
    is_classes_csv,
    is_ground_truth,
    merge_agreeing,
    merge_texts,
    read_caffe_labels,
    read_class_list,
    read_class_texts,
    read_ground_truth,
    read_loc_solution,
    read_map_clsloc,
    read_validation_wnids,
    sniff_label_file,
)
from imagenet_beam.transforms.labels.source import Labels, LabelSource
from imagenet_beam.transforms.storage.files import MAX_TEXT_BYTES, Storage, join

FIELD_OF_KIND = {
    LabelFileKind.CLASS_LIST: "labels_file",
    LabelFileKind.CLASSES_CSV: "labels_file",
    LabelFileKind.VALIDATION_WNIDS: "validation_labels",
    LabelFileKind.CAFFE_LABELS: "validation_labels",
    LabelFileKind.LOC_SOLUTION: "validation_labels",
    LabelFileKind.GROUND_TRUTH: "validation_labels",
    LabelFileKind.CLASS_TEXTS: "class_names",
    LabelFileKind.MAP_CLSLOC: "class_names",
}
"""Which field of `LabelSource` takes each kind of file."""


def load_labels(source: LabelSource, storage: Storage, any_answers: bool = False) -> Labels:
    """Reads the files of a `LabelSource`.

    Args:
        source: What names them.
        storage: How to reach them.
        any_answers: Whether the classes of validation images may be other ones than are known
            of ILSVRC2012.

    Raises:
        InputError: If a file is missing, damaged, of another kind than its field says,
            or contradicts another; the first three disagreements are shown.
    """
    files = [
        storage.read_bytes(file, MAX_TEXT_BYTES) for file in devkit_files(source.devkit, storage)
    ]
    devkit = None
    if len(files) == 2:
        devkit = parse_devkit(files[0], files[1], source.devkit)
    elif files:
        _refuse_ground_truth(files[0], source.devkit)
        devkit = read_devkit(files[0], source.devkit)
    in_file = _listed_classes(source, storage)
    texts, ids, in_names = _load_names(source, storage, devkit, in_file)
    wnids = _class_list(source, devkit, in_file)
    truths = [(source.devkit, truth_by_number(devkit))] if devkit else []
    for path in source.validation_labels:
        truths.append((path, _validation_labels(path, source, storage, wnids, ids)))
    for path, answers in () if any_answers else truths:
        check_answers(answers, wnids, path)
    truth = merge_agreeing(truths)
    if source.are_classes_found:
        known = {wnid: ClassInfo(wnid, text, ids.get(wnid, 0)) for wnid, text in texts.items()}
        names = names_of(texts) if source.maps_folders else {}
        return Labels(ClassTable((), source.base, source.order), truth, known, names)
    infos = [ClassInfo(wnid, texts.get(wnid, ""), ids.get(wnid, 0)) for wnid in wnids] or [
        info._replace(text=info.text or texts.get(info.wnid, "")) for info in source.listed
    ]
    names = names_of({info.wnid: info.text for info in infos}) if source.maps_folders else {}
    classes = ClassTable.build(infos, source.base, source.order)
    named = sum(info.wnid in in_names for info in infos)
    return Labels(classes, truth, names=names, named=named)


def devkit_files(devkit: str, storage: Storage) -> tuple[str, ...]:
    """The files of a devkit: its archive, or the two that matter of its folder."""
    if not devkit:
        return ()
    try:
        storage.stat(devkit)
        return (devkit,)
    except InputError as error:
        sizes = storage.list_sizes(devkit)
        if not sizes:
            raise InputError(f"`labels.devkit`: {error}") from error
    paths = []
    for wanted in (META_NAME, GROUND_TRUTH_NAME):
        found = sorted(path for path in sizes if base_name(path) == wanted)
        if not found:
            raise InputError(
                f"`labels.devkit`: {devkit} has no {wanted} inside; give "
                "ILSVRC2012_devkit_t12.tar.gz or the folder it was extracted to"
            )
        paths.append(join(devkit, found[0]))
    return tuple(paths)


def _refuse_ground_truth(data: bytes, path: str) -> None:
    """Refuses the ground truth in place of the devkit that it is a part of."""
    if is_ground_truth(data, path):
        raise InputError(
            f"`labels.devkit`={path} holds {LabelFileKind.GROUND_TRUTH.value}, and is a part of "
            "the devkit only; give it to `labels.validation_labels`, with map_clsloc.txt as "
            "`labels.class_names`"
        )


def _load_names(
    source: LabelSource,
    storage: Storage,
    devkit: Devkit | None,
    in_file: Sequence[ClassInfo],
) -> tuple[Mapping[str, str], Mapping[str, int], Set[str]]:
    """The text and the ILSVRC2012_ID of each class, and the classes that files of names name."""
    texts: list[tuple[str, Mapping[str, str]]] = []
    ids: list[tuple[str, Mapping[str, int]]] = []
    if devkit:
        texts.append((source.devkit, {info.wnid: info.text for info in devkit.classes}))
        ids.append((source.devkit, {info.wnid: info.ilsvrc2012_id for info in devkit.classes}))
    path = source.labels_file
    texts.append((path, {info.wnid: info.text for info in in_file if info.text}))
    ids.append((path, {info.wnid: info.ilsvrc2012_id for info in in_file if info.ilsvrc2012_id}))
    in_names: set[str] = set()
    for path in source.class_names:
        data, kind = _read(path, "class_names", storage)
        if kind is LabelFileKind.MAP_CLSLOC:
            rows = read_map_clsloc(data, path)
            ids.append((path, {wnid: number for wnid, (number, _) in rows.items()}))
            texts.append((path, {wnid: text for wnid, (_, text) in rows.items()}))
        else:
            texts.append((path, read_class_texts(data, path)))
        in_names |= texts[-1][1].keys()
    # The devkit and files with synonyms before `map_clsloc.txt`, which has one word a class.
    texts.sort(key=lambda item: not any("," in text for text in item[1].values()))
    return merge_texts(texts), merge_agreeing(ids), in_names


def _class_list(
    source: LabelSource, devkit: Devkit | None, in_file: Sequence[ClassInfo]
) -> Sequence[str]:
    """The wnids of all classes, in the order of the file that lists them."""
    in_devkit = [info.wnid for info in devkit.classes] if devkit else []
    if not source.labels_file:
        return in_devkit
    wnids = [info.wnid for info in in_file]
    unknown = sorted(set(wnids) - set(in_devkit)) if devkit else []
    if unknown:
        raise InputError(
            f"`labels.labels_file`={source.labels_file} and `labels.devkit`={source.devkit} "
            f"disagree: {len(unknown)} classes of the file are not in the devkit "
            f"({', '.join(unknown[:3])}); give only the one that is right"
        )
    return wnids


def _listed_classes(source: LabelSource, storage: Storage) -> Sequence[ClassInfo]:
    """What `labels_file` says of each class, in its order; nothing without such a file."""
    path = source.labels_file
    if not path:
        return ()
    if source.any_names:
        data = storage.read_bytes(path, MAX_TEXT_BYTES)
        is_list = not is_classes_csv(data, path)
    else:
        data, kind = _read(path, "labels_file", storage)
        is_list = kind is LabelFileKind.CLASS_LIST
    if is_list:
        return [ClassInfo(wnid) for wnid in read_class_list(data, path, source.any_names)]
    table = read_classes_csv(decode_text(data, path), path)
    if table.base != source.base:
        raise InputError(
            f"`labels.labels_file`={path} was written with `labels.base`={table.base}, and "
            f"`labels.base`={source.base} is asked for; give `labels.base`={table.base}, or "
            "another file"
        )
    return table.classes


def _validation_labels(
    path: str,
    source: LabelSource,
    storage: Storage,
    wnids: Sequence[str],
    ids: Mapping[str, int],
) -> dict[int, str]:
    data, kind = _read(path, "validation_labels", storage)
    if kind is LabelFileKind.VALIDATION_WNIDS:
        return read_validation_wnids(data, path)
    if kind is LabelFileKind.LOC_SOLUTION:
        return read_loc_solution(data, path)
    if kind is LabelFileKind.GROUND_TRUTH:
        return read_ground_truth(data, path, _by_id(ids, path))
    if not wnids:
        raise InputError(
            f"`labels.validation_labels`={path} numbers the classes without naming them; give "
            "Caffe's synsets.txt as `labels.labels_file`, too"
        )
    # Without a list of its own, Caffe's numbers are those of the sorted wnids.
    return read_caffe_labels(data, path, wnids if source.labels_file else sorted(wnids))


def _by_id(ids: Mapping[str, int], path: str) -> dict[int, str]:
    """The wnids by ILSVRC2012_ID, for a ground truth that is given alone."""
    if not ids:
        raise InputError(
            f"`labels.validation_labels`={path} holds {LabelFileKind.GROUND_TRUTH.value}, and "
            "nothing says which class has which number; give map_clsloc.txt as "
            "`labels.class_names`, too, or the whole devkit as `labels.devkit`"
        )
    wnids = {number: wnid for wnid, number in ids.items()}
    if len(wnids) < len(ids):
        repeated = next(number for wnid, number in ids.items() if wnids[number] != wnid)
        raise InputError(
            f"`labels.class_names` gives more than one class the ILSVRC2012_ID {repeated}, so that "
            f"{path} cannot be read; give map_clsloc.txt as it was published"
        )
    return wnids


def _read(path: str, name: str, storage: Storage) -> tuple[bytes, LabelFileKind]:
    """The content of a file and its kind, which must be one that the field takes."""
    try:
        data = storage.read_bytes(path, MAX_TEXT_BYTES)
        kind = sniff_label_file(data, path)
    except InputError as error:
        raise InputError(f"`labels.{name}`: {error}") from error
    if FIELD_OF_KIND[kind] != name:
        expected = " or ".join(item.value for item, own in FIELD_OF_KIND.items() if own == name)
        raise InputError(
            f"`labels.{name}`={path} holds {kind.value}; expected {expected}; give this file to "
            f"`labels.{FIELD_OF_KIND[kind]}`"
        )
    return data, kind
