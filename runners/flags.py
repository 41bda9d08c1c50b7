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
from imagenet_beam.pipeline.datasets.base import IMAGES_PER_SHARD, Dataset
from imagenet_beam.pipeline.datasets.registry import BUILT_IN, DATASETS, IMAGENET
from imagenet_beam.runners.arguments import (
    SentenceParser,
    comma_separated,
    fraction,
    whole_number,
)
from imagenet_beam.runners.base import DIRECT, RUNNERS
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import RESIZE_FORMS
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

    @property
    def description(self) -> str:
        """Its help, with the default unless that is nothing; argparse fills in `choices`."""
        owner, _, field = self.field.rpartition(".")
        default = getattr(_OWNERS.get(owner), field, self.default)
        if default in (None, "", ()) or default is False or "default:" in self.help:
            return self.help
        shown = f"{default:g}" if isinstance(default, float) else default
        return f"{self.help} (default: {shown})"


def _defaults(value_of: Callable[[Dataset], object]) -> str:
    """A default that data sets say: `default: JPEG for imagenet2012 and flowers, else PNG`."""
    usual = str(value_of(Dataset("", splits={})))
    names: dict[str, list[str]] = {}
    for dataset in BUILT_IN.values():
        names.setdefault(str(value_of(dataset)), []).append(dataset.name)
    others = names.pop(usual, [])
    shown = [f"{value} for {' and '.join(those)}" for value, those in names.items()]
    return f"default: {', '.join([*shown, f'else {usual}'] if others else shown)}"


def _shards(split: str) -> Flag:
    most = _defaults(lambda dataset: dataset.default_shards(split)).partition(": ")[2]
    default = f"default: one for {IMAGES_PER_SHARD} images, at most {most}"
    return Flag(f"{split}.num_shards", "N", f"number of shards ({default})", f"{split}_shards")


def _input_forms() -> str:
    forms = ((dataset.name, dataset.input_forms) for dataset in BUILT_IN.values())
    return "; ".join(f"{name}: {form}" for name, form in forms if form)


GCS = "Google Cloud Storage"

GROUPS: Mapping[str, tuple[Flag, ...]] = {
    "data set": (
        Flag("dataset", DATASETS, "what to convert: %(choices)s", default=IMAGENET),
        Flag("input", "PATH", f"{_input_forms()}; or the folder with them; else downloaded"),
        Flag(
            "download_dir",
            "DIR",
            "cache of downloads (default: $IMAGENET_BEAM_CACHE or ~/.cache/imagenet-beam)",
        ),
    ),
    "inputs (paths or URLs; tar, compressed tar, zip; several by commas, wildcards)": (
        Flag("train_archive", "PATHS", "such as ILSVRC2012_img_train.tar"),
        Flag("train_directory", "DIR", "extracted folder of class folders"),
        Flag("validation_archive", "PATHS", "such as ILSVRC2012_img_val.tar"),
        Flag("validation_directory", "DIR", "extracted folder, flat or of class folders"),
        Flag("test_archive", "PATHS", "such as ILSVRC2012_img_test_v10102019.tar"),
        Flag("test_directory", "DIR", "extracted folder, flat or of class folders"),
        Flag(
            "labels.any_names",
            "",
            "accept class folders whose names are not wnids",
            "allow_any_class_names",
        ),
        Flag(
            "expect",
            EXPECTATIONS,
            "check that classes and labels agree, also the official counts, or nothing",
        ),
    ),
    "labels (without a list of classes, the classes are those of the archives)": (
        Flag("labels.devkit", "PATH", "ILSVRC2012_devkit_t12.tar.gz or its folder"),
        Flag(
            "labels.labels_file",
            "PATH",
            "list of classes in label order, or classes.csv of an earlier run",
        ),
        Flag(
            "labels.validation_labels",
            "PATHS",
            "LOC_val_solution.csv, imagenet_2012_validation_synset_labels.txt, Caffe's val.txt "
            "(with --labels_file), or the ground truth alone (with --class_names)",
        ),
        Flag(
            "labels.class_names",
            "PATHS",
            "names of classes, also of folders: synset_words.txt, imagenet_metadata.txt, "
            "LOC_synset_mapping.txt or map_clsloc.txt",
        ),
        Flag("bounding_boxes", "PATHS", "archives or folders of XML files, or a CSV"),
        Flag(
            "labels.base",
            "N",
            "label of the first class; 1 leaves 0 for the background "
            f"({_defaults(lambda dataset: dataset.label_base)}; 0 with --schema=tfds)",
            "label_base",
        ),
        Flag(
            "labels.order",
            LABEL_ORDERS,
            f"order of labels (default: {LabelSource.order}, listed with --labels_file)",
            "label_order",
        ),
    ),
    "subsets and held-out images": (
        Flag(
            "selection.holdout",
            "N",
            "number of training images to hold out "
            f"({_defaults(lambda dataset: dataset.holdout.images)})",
        ),
        Flag(
            "selection.holdout_per_class",
            "N",
            "number of each class to hold out",
        ),
        Flag(
            "holdout_split",
            "NAME",
            f"name of the held-out split ({_defaults(lambda dataset: dataset.holdout.split)})",
        ),
        Flag(
            "holdout.num_shards",
            "N",
            "number of its shards",
            "holdout_shards",
        ),
        Flag("selection.fraction", "F", "part of each split to take, such as 0.01"),
        Flag(
            "selection.classes",
            "WNIDS",
            "classes to take, such as n01440764,n01443537; labels stay the same",
        ),
        Flag(
            "selection.max_per_class",
            "N",
            "maximum number of images of each class (default: all)",
            "max_images_per_class",
        ),
        Flag("selection.only_files", "PATH", "list of training images to take, one name a line"),
        Flag("selection.seed", "N", "seed of the choice of images", "selection_seed"),
    ),
    "output": (
        Flag("output_dir", "DIR", "folder for TFRecords, labels and manifest"),
        *map(_shards, ("train", "validation", "test")),
        Flag("schema", SCHEMAS, "keys of the records; tfds also decides names and labels"),
        Flag("output_layout", OUTPUT_LAYOUTS, "one folder, or one for each split"),
        Flag("shuffle_seed", "N", "seed of the order of the records"),
        Flag("index", "", "write an index, NAME.idx, beside each shard"),
        Flag("index_dir", "DIR", "write the indexes to this folder"),
        Flag("overwrite", "", "start over, discarding another conversion there"),
    ),
    "images": (
        Flag(
            "image.resize",
            "|".join(RESIZE_FORMS),
            f"size ({_defaults(lambda dataset: dataset.image.resize)})",
        ),
        Flag(
            "image.output_format",
            ("JPEG", "PNG"),
            f"format ({_defaults(lambda dataset: dataset.image.output_format)})",
            parse=str.upper,
        ),
        Flag("image.jpeg_quality", "N", "quality of re-encoded JPEGs"),
        Flag(
            "image.apply_exif_orientation",
            "",
            "turn images and boxes as the Exif block says; published accuracies are for pixels as "
            "stored",
        ),
        Flag("image.verify_images", "", "decode also the JPEGs that --resize=none keeps"),
        Flag("max_rejects", "N", "rejects allowed for exit status 0", default=0),
    ),
    "run": (
        Flag("dry_run", "", "check, and say what would be written"),
        Flag("detach", "", "return when the job has been submitted"),
        Flag("verify", "", "at the end, compare all shards with the manifest"),
        Flag("report", "", "at the end, write report.html into the output folder"),
        Flag(
            "shuffle", SHUFFLES, "what goes through the shuffle; images for disks with slow seeks"
        ),
        Flag("workers.threads", "N", "images encoded at once by a worker (default: its cores)"),
        Flag(
            "workers.read_threads",
            "N",
            "images fetched at once by a worker (default: for remote archives "
            f"{READS_PER_THREAD} for each thread, at most {MAX_READS})",
        ),
        Flag("storage.scratch_dir", "DIR", "where remote output is spooled (default: $TMPDIR)"),
    ),
    GCS: (
        Flag("storage.gcs_project", "ID", "project of the client (default: of the environment)"),
        Flag("storage.gcs_billing_project", "ID", "project that pays for requester-pays buckets"),
        Flag("storage.gcs_retry_seconds", "N", "how long failing requests are repeated"),
        Flag(
            "storage.kms_key",
            "NAME",
            "Cloud KMS key of what is written: projects/P/locations/L/keyRings/R/cryptoKeys/K",
        ),
        Flag(
            "storage.verify_reads",
            "",
            "read archive ranges twice and compare, for networks without TLS",
        ),
    ),
}

BEAM = "runners (flags of Apache Beam; --runner=NAME --help has all of a runner)"
BEAM_FLAGS = (
    Flag("runner", "NAME", f"{', '.join(RUNNERS)} (default: {DIRECT})"),
    Flag("flink_master", "HOST:PORT", "Flink cluster"),
    Flag("parallelism", "N", "parallelism of a Flink job"),
    Flag("environment_type", "TYPE", "of workers: LOOPBACK, PROCESS, DOCKER, EXTERNAL"),
    Flag("environment_config", "TEXT", 'address, image, or {"command": "/opt/worker"}'),
    Flag("project", "ID", "Google Cloud project of a Dataflow job"),
    Flag("region", "NAME", "its region"),
    Flag("temp_location", "PATH", "its temporary folder: gs://bucket/tmp"),
    Flag("max_num_workers", "N", "maximum number of its workers"),
    Flag("sdk_container_image", "NAME", "image of its workers: docs/image.md"),
)
"""A selection for the help alone: Beam reads them itself."""

FLAGS = tuple(flag for flags in GROUPS.values() for flag in flags)

*GCS_READ, GCS_WRITE, _ = GROUPS[GCS]
"""What other commands take of the last group: those that read files, and that write one."""

_NAMES = {flag.field: flag.name for flag in FLAGS}


def add_flags(parser: SentenceParser, title: str, flags: Iterable[Flag]) -> None:
    """Adds flags to a parser, as a group of that title; one that is not given is None or False."""
    group = parser.add_argument_group(title)
    for flag in flags:
        options: dict[str, Any] = {"help": flag.description}
        if not flag.value:
            options["action"] = "store_true"
        elif isinstance(flag.value, str):
            options |= {"metavar": flag.value, "type": _TYPES.get(flag.value, str)}
        else:
            options |= {"choices": flag.value, "type": flag.parse}
            if flag.value is DATASETS:
                options["metavar"] = "NAME"
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
    split, _, name = field.rpartition(".")
    if split and name == "num_shards":  # of a held-out split, which may have any name
        return f"--{_NAMES.get(field, 'holdout_shards')}"
    return f"--{_NAMES.get(field) or name}"


def with_flags(message: object) -> str:
    """A sentence of the library with flags in place of the fields that it names."""
    return InputError(str(message)).sentence(flag_of)
