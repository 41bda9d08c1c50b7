"""What a file or folder is, told by its content, as `imagenet-beam inspect` says it."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from imagenet_beam.pipeline.datasets.imagenet2012 import SPLITS
from imagenet_beam.pipeline.download.sources import IMAGENET_2012, digest_parts
from imagenet_beam.pipeline.listing import are_the_dogs
from imagenet_beam.pipeline.notes import misplaced_text, passed_text
from imagenet_beam.pipeline.progress import in_units
from imagenet_beam.pipeline.reading.inspected import inspect_output, inspect_shards
from imagenet_beam.transforms.archives.names import (
    base_name,
    is_image_name,
    is_misplaced,
    is_perhaps_no_class,
    is_tar_name,
    split_in_path,
)
from imagenet_beam.transforms.archives.official_names import is_wnid, validation_number
from imagenet_beam.transforms.archives.passed import PassedTally, sum_passed
from imagenet_beam.transforms.archives.ranges import RangedFile, Readable
from imagenet_beam.transforms.archives.streams import describe_content, is_compressed, open_stream
from imagenet_beam.transforms.archives.tar import walk_tar
from imagenet_beam.transforms.archives.tar_archives import padding_note
from imagenet_beam.transforms.archives.zip import is_zip, walk_zip
from imagenet_beam.transforms.boxes.annotations import is_boxes_csv
from imagenet_beam.transforms.boxes.read import is_xml_name
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.devkit import META_NAME
from imagenet_beam.transforms.labels.label_files import sniff_label_file
from imagenet_beam.transforms.labels.read import FIELD_OF_KIND, load_labels
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.list_images import list_images, split_source
from imagenet_beam.transforms.storage.files import Storage, join

QUICK_SECONDS = 5.0
"""How long one thing is looked at before its counts are estimated."""

_HEAD_BYTES = 512
_PEEKED_MEMBERS = 20
_LABEL_FILE_BYTES = 64 << 20
_DEVKIT_BYTES = 64 << 20
_HASH_BYTES = 8 << 20
_LIST_PER_SPAN = 256
_SHOWN_LABEL_FILES = 20
_SHOWN_NAMES = 3
_APPENDED = ("ILSVRC2012_val_", "n")


@dataclass
class Finding:
    """What was found.

    Attributes:
        path: What was looked at.
        title: What it is, in a few words.
        parameters: The parameters of a conversion that take it.
        facts: Further lines.
        is_wrong: Whether it is of no use.
    """

    path: str
    title: str
    parameters: tuple[str, ...] = ()
    facts: list[str] = field(default_factory=list)
    is_wrong: bool = False


def inspect_path(path: str, storage: Storage, seconds: float = QUICK_SECONDS) -> Finding:
    """Tells what a file or folder is.

    Args:
        path: A file, or a folder of this machine.
        storage: How to reach it.
        seconds: How long to count; 0 counts to the end.
    """
    try:
        if output := inspect_output(path, storage):
            return Finding(path, output.title, facts=output.facts)
        if storage.is_folder(path):
            return _inspect_folder(path, storage, seconds)
        return _inspect_file(path, storage, seconds)
    except InputError as error:
        return Finding(path, "cannot be used", facts=[str(error)], is_wrong=True)


def checksums(path: str, storage: Storage, advance: Callable[[int], None]) -> list[str]:
    """MD5 and SHA-256 of a file, and whether they are those of a known archive.

    Args:
        path: A file.
        storage: How to reach it.
        advance: Is told the number of bytes after each part that was read.
    """
    reader = storage.open_ranges(path)
    offsets = range(0, reader.size_bytes, _HASH_BYTES)
    parts = (reader.read(at, min(_HASH_BYTES, reader.size_bytes - at)) for at in offsets)
    md5, sha256 = digest_parts(parts, advance)
    known = next((item.name for item in IMAGENET_2012 if item.md5 == md5), "")
    verdict = f"{known}, as published" if known else "of no archive that is known"
    return [f"md5 {md5}", f"sha256 {sha256}", f"checksums: {verdict}"]


def _inspect_folder(path: str, storage: Storage, seconds: float) -> Finding:
    names = list(itertools.islice(_tree_names(path, storage), 2000))
    if any(base_name(name) == META_NAME for name in names):
        return _devkit(path, storage)
    if not any(map(is_image_name, names)):
        if any(map(is_xml_name, names)):
            return Finding(path, "a folder of bounding boxes (.xml)", ("bounding_boxes",))
        has_tars = any(map(is_tar_name, names))
        paths = [join(path, name) for name in names]
        if not has_tars and (other := _other_files(paths, path, storage)):
            return other
    finding = _images(path, storage, "folder", seconds)
    if any("CLS-LOC/" in f"{path}/{name}" for name in names):
        finding.title = f"Kaggle's tree, {finding.title}"
    return finding


def _other_files(paths: Sequence[str], path: str, storage: Storage) -> Finding | None:
    """A folder of TFRecords or of label files; None if it is neither."""
    if not paths:
        return None
    if shards := inspect_shards(path, storage):
        return Finding(path, shards.title, facts=shards.facts)
    finding = Finding(path, "a folder of label files")
    for file in paths[:_SHOWN_LABEL_FILES]:
        found = _inspect_file(file, storage, QUICK_SECONDS)
        if found.parameters and found.title.startswith("labels: "):
            finding.facts.append(f"{base_name(file)}: {found.title.removeprefix('labels: ')}")
            finding.parameters += tuple(set(found.parameters) - set(finding.parameters))
    return finding if finding.facts else None


def _tree_names(path: str, storage: Storage) -> Iterator[str]:
    for folder in storage.folders(path):
        for file in storage.files(path, folder):
            yield file.path


def _inspect_file(path: str, storage: Storage, seconds: float) -> Finding:
    reader = storage.open_ranges(path)
    head = reader.read(0, min(_HEAD_BYTES, reader.size_bytes))
    if is_boxes_csv(head):
        return Finding(path, "a CSV of bounding boxes", ("bounding_boxes",), [_size(reader)])
    try:
        names = _peek(reader, head)
    except InputError as error:
        if shards := inspect_shards(path, storage):
            return Finding(path, shards.title, facts=shards.facts)
        return _label_file(path, storage, reader, head, error)
    if any(base_name(name) == META_NAME for name in names):
        return _devkit(path, storage)
    if reader.size_bytes <= _DEVKIT_BYTES and any(base_name(n) == "readme.txt" for n in names):
        with contextlib.suppress(InputError):  # images may come with a readme.txt, too
            return _devkit(path, storage)
    if any(map(is_xml_name, names)):
        what = f"bounding boxes (.xml), from {names[0]}"
        return Finding(path, what, ("bounding_boxes",), [_size(reader)])
    finding = _images(path, storage, "", seconds)
    finding.facts.insert(0, _size(reader))
    finding.facts += filter(None, [padding_note(storage, path)])
    if is_zip(head) and any(name.startswith("ILSVRC/") for name in names):
        finding.title = f"Kaggle's zip, {finding.title}"
    elif is_compressed(head) and any(map(_is_hugging_face, names)):
        finding.title = f"a part of Hugging Face's copy, {finding.title}"
    return finding


def _peek(reader: Readable, head: bytes) -> list[str]:
    """The names of the first members, as they are stored."""
    if is_zip(head):
        members = (member.name for member in walk_zip(reader))
    elif is_compressed(head):
        stream = open_stream(RangedFile(reader, 0, reader.size_bytes), reader.name)
        members = (member.name for member in walk_tar(stream))
    else:
        members = (member.name for member in walk_tar(reader))
    return list(itertools.islice(members, _PEEKED_MEMBERS))


def _is_hugging_face(name: str) -> bool:
    stem = base_name(name).rpartition(".")[0]
    return stem.count("_") >= 2 and is_wnid(stem.rpartition("_")[2]) and stem.startswith(_APPENDED)


def _label_file(
    path: str, storage: Storage, reader: Readable, head: bytes, error: InputError
) -> Finding:
    if reader.size_bytes <= _LABEL_FILE_BYTES and b"\0" not in head:
        data = storage.read_bytes(path)
        with contextlib.suppress(InputError):
            kind = sniff_label_file(data, path)
            lines = sum(1 for line in data.splitlines() if line.strip())
            facts = [f"{lines:,} lines, {_size(reader)}"]
            parameter = f"labels.{FIELD_OF_KIND[kind]}"
            return Finding(path, f"labels: {kind.value}", (parameter,), facts)
    what = describe_content(head)
    return Finding(path, f"not usable: {what}", facts=[str(error)], is_wrong=True)


def _devkit(path: str, storage: Storage) -> Finding:
    labels = load_labels(LabelSource(devkit=path), storage)
    facts = [f"{len(labels.classes):,} classes", f"{len(labels.truth):,} validation labels"]
    return Finding(path, "the development kit", ("labels.devkit",), facts)


@dataclass
class _Count:
    images: int = 0
    size_bytes: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    misplaced: int = 0
    first_misplaced: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, wnid: str, size_bytes: int) -> None:
        self.images += 1
        self.size_bytes += size_bytes
        self.classes[wnid] += 1
        self.first = min(self.first or name, name)
        self.last = max(self.last, name)
        if is_misplaced(name, wnid):
            self.misplaced += 1
            self.first_misplaced = sorted([*self.first_misplaced, (name, wnid)])[:_SHOWN_NAMES]


def _images(path: str, storage: Storage, kind: str, seconds: float) -> Finding:
    """Counts the images of each split, until the time is over."""
    end = time.monotonic() + seconds if seconds else float("inf")
    counts: dict[str, _Count] = {}
    spans = list(split_source(path, storage, kind))
    seen, is_cut = 0, False
    passed = []
    for span in spans:
        seen += 1
        tally = PassedTally()
        for number, ref in enumerate(list_images(span, storage, "", tally)):
            split = _split_of(tally.image or ref.filename)
            wnid = "" if is_perhaps_no_class(ref.wnid, ref.filename) else ref.wnid
            counts.setdefault(split, _Count()).add(ref.filename, wnid, ref.size_bytes)
            if number % _LIST_PER_SPAN == 0 and time.monotonic() > end:
                is_cut = True
                break
        passed += [span.passed, tally.result()]
        if is_cut:
            break
    if not counts:
        return Finding(path, "without images and without labels", is_wrong=True)
    finding = Finding(path, "images: " + " and ".join(sorted(counts)))
    form = "directory" if kind == "folder" else "archive"
    finding.parameters = tuple(f"{split}_{form}" for split in sorted(counts))
    for split, count in sorted(counts.items()):
        finding.facts += _facts(split, count)
    if (total := sum_passed(passed)).counts:
        finding.facts.append(passed_text(total))
    if is_cut:
        finding.facts.append(_cut_note(seen, len(spans), seconds))
    tars = [span.wnid for span in spans if span.wnid]
    if tars:
        finding.facts.insert(0, f"{len(tars):,} class tars, {min(tars)} to {max(tars)}")
    if are_the_dogs(tars):
        finding.facts.append("120 classes: is it ILSVRC2012_img_train_t3.tar, dogs only?")
        finding.is_wrong = True
    return finding


def _split_of(path: str) -> str:
    number = validation_number(base_name(path))
    return split_in_path(path) or ("train" if number is None else "validation")


def _facts(split: str, count: _Count) -> Iterator[str]:
    official = SPLITS[split].images
    mark = " (the official count)" if count.images == official else ""
    yield f"{split}: {count.images:,} images{mark}, {in_units(count.size_bytes)}"
    classes = [wnid for wnid in count.classes if wnid]
    if classes:
        yield f"{split}: {len(classes):,} classes, {min(classes)} to {max(classes)}"
        strange = [name for name in classes if not is_wnid(name)]
        if strange:
            yield f"{split}: {len(strange):,} class names are no wnids, such as {min(strange)}"
    yield f"{split}: {count.first} to {count.last}"
    if count.misplaced:
        yield f"{split}: {misplaced_text(count.misplaced, count.first_misplaced)}"


def _cut_note(seen: int, spans: int, seconds: float) -> str:
    part = f"{seen:,} of {spans:,} parts" if spans > 1 else "its beginning"
    return f"counted for {seconds:.0f} s only, {part}; `exact` counts all"


def _size(reader: Readable) -> str:
    return f"{reader.size_bytes:,} bytes"
