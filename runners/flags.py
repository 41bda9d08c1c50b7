"""The flags of `imagenet-beam convert`: one table, and what follows from it.

A new flag is a field of the dataclass that it sets, and a row here: parser, help, the
names in messages and the parameters of Dataflow's template follow from the table, and
`imagenet_beam.runners.request` passes the value on.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imagenet_beam.pipeline.config import (
    EXPECTATIONS,
    MAX_READS,
    OUTPUT_LAYOUTS,
    READS_PER_THREAD,
    ConvertConfig,
    Workers,
)
from imagenet_beam.pipeline.datasets.registry import DATASETS, IMAGENET
from imagenet_beam.runners.arguments import (
    SentenceParser,
    comma_separated,
    fraction,
    whole_number,
)
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.labels.classes import LABEL_ORDERS
from imagenet_beam.transforms.labels.source import LabelSource
from imagenet_beam.transforms.records.schemas import SCHEMAS
from imagenet_beam.transforms.records.shards import SHUFFLES
from imagenet_beam.transforms.selection import Selection
from imagenet_beam.transforms.storage.files import Storage

_TYPES: Mapping[str, Callable[[str], Any]] = {
    "N": whole_number,
    "F": fraction,
    "PATHS": comma_separated,
    "WNIDS": comma_separated,
}
"""How a value is read, by what the help calls it; others are texts."""

_OWNERS: Mapping[str, type] = {
    "": ConvertConfig,
    "image": ImageOptions,
    "labels": LabelSource,
    "selection": Selection,
    "storage": Storage,
    "workers": Workers,
}
"""The dataclasses that flags set, by how fields of them begin."""


@dataclass(frozen=True)
class Flag:
    """A flag and the field that it sets; its default is that of the field.

    Attributes:
        field: The path of the field, as messages name it: `image.jpeg_quality`.
        value: What the help calls its value, which says how it is read; or the accepted
            words; "" for a switch.
        help: What it does.
        spelled: Its name, where that is not the last part of the field.
        parse: How a word is read.
        default: The default, where the field is none of a dataclass.
    """

    field: str
    value: str | Collection[str]
    help: str
    spelled: str = ""
    parse: Callable[[str], str] = str
    default: Any = None

    @property
    def name(self) -> str:
        """The flag without its dashes."""
        return self.spelled or self.field.rpartition(".")[2]


GCS = "Google Cloud Storage"

GROUPS: Mapping[str, tuple[Flag, ...]] = {
    "data set": (
        Flag(
            "dataset",
            DATASETS,
            f"what is converted, {IMAGENET} by default; --dataset=mnist",
            default=IMAGENET,
        ),
        Flag(
            "input",
            "PATH",
            "flowers: flower_photos.tgz or its extracted folder; cifar10: "
            "cifar-10-python.tar.gz or cifar-10-binary.tar.gz; mnist: the folder with the four "
            "files (*-ubyte.gz); for each also the folder that has them; without it they are "
            "downloaded; --input=flower_photos.tgz",
        ),
        Flag(
            "download_dir",
            "DIR",
            "where downloaded data sets are kept, $IMAGENET_BEAM_CACHE or "
            "~/.cache/imagenet-beam by default; --download_dir=/data/cache",
        ),
    ),
    "inputs (local paths or URLs; archives may be tar, compressed tar or zip, several by "
    "commas or wildcards)": (
        Flag(
            "train_archive",
            "PATHS",
            "the tar of class tars; --train_archive=ILSVRC2012_img_train.tar",
        ),
        Flag(
            "train_directory",
            "DIR",
            "an extracted folder of class folders; --train_directory=imagenet/train",
        ),
        Flag(
            "validation_archive",
            "PATHS",
            "the tar of validation images; --validation_archive=ILSVRC2012_img_val.tar",
        ),
        Flag(
            "validation_directory",
            "DIR",
            "an extracted folder of images, flat or in class folders; "
            "--validation_directory=imagenet/validation",
        ),
        Flag(
            "test_archive",
            "PATHS",
            "the tar of test images, which have no labels; "
            "--test_archive=ILSVRC2012_img_test_v10102019.tar",
        ),
        Flag(
            "test_directory",
            "DIR",
            "an extracted folder of images; --test_directory=imagenet/test",
        ),
        Flag(
            "labels.any_names",
            "",
            "class folders may be called other than by wnids; --allow_any_class_names",
            spelled="allow_any_class_names",
        ),
        Flag(
            "expect",
            EXPECTATIONS,
            "what is checked before anything is written: that classes and labels agree "
            "(consistent, the default), also the official counts (official), or nothing (any); "
            "--expect=official",
        ),
    ),
    "labels (without a list of classes, the classes are those of the archives)": (
        Flag(
            "labels.devkit",
            "PATH",
            "classes and validation labels, archive or extracted folder; "
            "--devkit=ILSVRC2012_devkit_t12.tar.gz",
        ),
        Flag(
            "labels.labels_file",
            "PATH",
            "the list of classes, whose order is that of the labels, or the classes.csv of an "
            "earlier run; --labels_file=imagenet_lsvrc_2015_synsets.txt",
        ),
        Flag(
            "labels.validation_labels",
            "PATHS",
            "imagenet_2012_validation_synset_labels.txt, Caffe's val.txt (with its synsets.txt "
            "as --labels_file) or LOC_val_solution.csv; --validation_labels=LOC_val_solution.csv",
        ),
        Flag(
            "labels.class_names",
            "PATHS",
            "the words of classes: imagenet_metadata.txt, synset_words.txt, "
            "LOC_synset_mapping.txt or map_clsloc.txt; --class_names=synset_words.txt",
        ),
        Flag(
            "bounding_boxes",
            "PATHS",
            "annotations of objects: the archives, a folder of XML files or a CSV, several by "
            "commas; --bounding_boxes=ILSVRC2012_bbox_train_v2.tar.gz,ILSVRC2012_bbox_val_v3.tgz",
        ),
        Flag(
            "labels.base",
            "N",
            "the first label: 1 (default, 0 is the background) or 0 (default with "
            "--schema=tfds, and for all data sets but imagenet2012); --label_base=0",
            spelled="label_base",
        ),
        Flag(
            "labels.order",
            LABEL_ORDERS,
            "how classes are numbered: by wnid (default), ilsvrc2012_id, or as --labels_file "
            "lists them (default with that flag); --label_order=ilsvrc2012_id",
            spelled="label_order",
        ),
    ),
    "subsets and held-out images": (
        Flag(
            "selection.holdout",
            "N",
            "so many training images become a split of their own: 350 by default for flowers, "
            "none for the others; --holdout=5000",
        ),
        Flag(
            "selection.holdout_per_class",
            "N",
            "the same, so many of each class; --holdout_per_class=50",
        ),
        Flag(
            "holdout_split",
            ("test", "validation"),
            "what that split is called: test by default for imagenet2012, validation for the "
            "others; --holdout_split=validation",
        ),
        Flag(
            "selection.fraction",
            "F",
            "take so much of each split, for a dry run; --fraction=0.01",
        ),
        Flag(
            "selection.classes",
            "WNIDS",
            "take images of these classes only; labels stay the same; "
            "--classes=n01440764,n01443537",
        ),
        Flag(
            "selection.max_per_class",
            "N",
            "take at most so many images of each class; --max_images_per_class=100",
            spelled="max_images_per_class",
        ),
        Flag(
            "selection.only_files",
            "PATH",
            "take the training images that a file lists, one name a line; "
            "--only_files=1percent.txt",
        ),
        Flag(
            "selection.seed",
            "N",
            "another seed holds out and takes other images; --selection_seed=7",
            spelled="selection_seed",
        ),
    ),
    "output": (
        Flag(
            "output_dir",
            "DIR",
            "the folder for TFRecords, labels and manifest; --output_dir=tfrecords",
        ),
        Flag(
            "train.num_shards",
            "N",
            "files of the training split, 1024 by default for imagenet2012, 5 for flowers and "
            "cifar10, 2 for mnist; --train_shards=256",
            spelled="train_shards",
        ),
        Flag(
            "validation.num_shards",
            "N",
            "files of the validation split, 128 by default for imagenet2012, 1 for flowers; "
            "--validation_shards=32",
            spelled="validation_shards",
        ),
        Flag(
            "test.num_shards",
            "N",
            "files of the test split, 128 by default for imagenet2012, 1 for the others; "
            "--test_shards=32",
            spelled="test_shards",
        ),
        Flag(
            "schema",
            SCHEMAS,
            "the keys of the records: inception's (default), those of the TPU scripts, or those "
            "of tensorflow-datasets, which also decides names and labels; --schema=tfds",
        ),
        Flag(
            "output_layout",
            OUTPUT_LAYOUTS,
            "all shards in one folder (default), or a folder for each split; "
            "--output_layout=by_split",
        ),
        Flag(
            "shuffle_seed",
            "N",
            "another seed gives another order of the records; --shuffle_seed=7",
        ),
        Flag(
            "overwrite",
            "",
            "begin anew in a folder that holds another conversion; --overwrite",
        ),
    ),
    "images": (
        Flag(
            "image.resize",
            "SIZE",
            "none, shorter:N, longer:N or exact:WxH; shorter:256 by default for imagenet2012, "
            "none for the others; --resize=none",
        ),
        Flag(
            "image.output_format",
            ("JPEG", "PNG"),
            "JPEG by default for imagenet2012 and flowers, PNG (without loss) for cifar10 and "
            "mnist; --output_format=PNG",
            parse=str.upper,
        ),
        Flag(
            "image.jpeg_quality",
            "N",
            f"1 to 100, {ImageOptions.jpeg_quality} by default, for images that are encoded "
            "anew; --jpeg_quality=90",
        ),
        Flag(
            "image.apply_exif_orientation",
            "",
            "turn images, and boxes with them, the way the Exif block says; off by default, as "
            "published accuracies are for the pixels as stored; --apply_exif_orientation",
        ),
        Flag(
            "max_rejects",
            "N",
            "how many images may be rejected before the exit status is 3; --max_rejects=10",
            default=0,
        ),
    ),
    "run": (
        Flag(
            "detach",
            "",
            "return once the job has been submitted, and say how to follow and to cancel it; "
            "--detach",
        ),
        Flag(
            "shuffle",
            SHUFFLES,
            "what travels through the shuffle: references to images (default), or the images, "
            "for disks that are slow in random order; --shuffle=images",
        ),
        Flag(
            "workers.threads",
            "N",
            "images encoded at once by a worker; by default as many as cores; --threads=4",
        ),
        Flag(
            "workers.read_threads",
            "N",
            "images fetched at once by a worker; by default by the encoding threads, of remote "
            f"archives {READS_PER_THREAD} for each of them, up to {MAX_READS}; --read_threads=32",
        ),
        Flag(
            "storage.scratch_dir",
            "DIR",
            "where files bound for remote storage are spooled; by default where TMPDIR says; "
            "--scratch_dir=/mnt/scratch",
        ),
    ),
    GCS: (
        Flag(
            "storage.gcs_project",
            "ID",
            "the project of the storage client; by default that of the environment; "
            "--gcs_project=my-project",
        ),
        Flag(
            "storage.gcs_billing_project",
            "ID",
            "who pays for requests to requester-pays buckets; --gcs_billing_project=my-project",
        ),
        Flag(
            "storage.gcs_retry_seconds",
            "N",
            "how long a failing request is repeated, "
            f"{Storage.gcs_retry_seconds:.0f} by default; --gcs_retry_seconds=60",
        ),
        Flag(
            "storage.kms_key",
            "NAME",
            "the Cloud KMS key for what is written; "
            "--kms_key=projects/P/locations/L/keyRings/R/cryptoKeys/K",
        ),
        Flag(
            "storage.verify_reads",
            "",
            "read each range of an archive twice and compare, for networks without TLS; twice "
            "the requests and bytes; --verify_reads",
        ),
    ),
}

FLAGS = tuple(flag for flags in GROUPS.values() for flag in flags)

*GCS_READ, GCS_WRITE, _ = GROUPS[GCS]
"""What other commands take of the last group: those that read files, and that write one."""

_NAMES = {flag.field: flag.name for flag in FLAGS}


def add_flags(parser: SentenceParser, title: str, flags: Iterable[Flag]) -> None:
    """Adds flags to a parser, as a group of that title; one that is not given is None or False."""
    group = parser.add_argument_group(title)
    for flag in flags:
        options: dict[str, Any] = {"help": flag.help}
        if not flag.value:
            options["action"] = "store_true"
        elif isinstance(flag.value, str):
            options |= {"metavar": flag.value, "type": _TYPES.get(flag.value, str)}
        else:
            options |= {"choices": flag.value, "type": flag.parse}
        if flag.default is not None:
            options["default"] = flag.default
        group.add_argument(f"--{flag.name}", **options)


def is_given(args: argparse.Namespace, flag: Flag) -> bool:
    """Whether a flag was typed."""
    value = getattr(args, flag.name, None)
    return value is not None and value is not False


def given_fields(args: argparse.Namespace, owner: str) -> dict[str, Any]:
    """The fields of a dataclass that flags set: `{"jpeg_quality": 90}` for `image`.

    Args:
        args: What was typed.
        owner: How the fields begin; "" for those of `ConvertConfig` itself.
    """
    known = {field.name for field in dataclasses.fields(_OWNERS[owner])}
    found = {}
    for flag in FLAGS:
        begins, _, field = flag.field.rpartition(".")
        if begins == owner and field in known and is_given(args, flag):
            found[field] = getattr(args, flag.name)
    return found


def flag_of(field: str) -> str:
    """The flag that sets a field: `--jpeg_quality` for `image.jpeg_quality`."""
    return f"--{_NAMES.get(field) or field.rpartition('.')[2]}"


def with_flags(message: object) -> str:
    """A sentence of the library with flags in place of the fields that it names."""
    return InputError(str(message)).sentence(flag_of)
