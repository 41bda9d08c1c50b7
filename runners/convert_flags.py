"""The flags of `imagenet-beam convert`, and what they mean."""

from __future__ import annotations

import argparse

from imagenet_beam.pipeline.config import (
    MAX_READS,
    OUTPUT_LAYOUTS,
    READS_PER_THREAD,
    ConvertConfig,
)
from imagenet_beam.pipeline.datasets.base import SmallDataset
from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.runners.dataset_flags import (
    add_dataset_flags,
    small_dataset,
    small_labels,
    small_splits,
)
from imagenet_beam.runners.gcs_flags import add_gcs_flags, storage_from_flags
from imagenet_beam.runners.input_flags import (
    add_input_flags,
    add_label_flags,
    comma_separated,
    labels_from_flags,
    splits_from_flags,
)
from imagenet_beam.runners.selection_flags import add_selection_flags, with_selections
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.records.schemas import schemas
from imagenet_beam.transforms.records.shards import SHUFFLES

_DESCRIPTION = """\
Converts image archives, as they were downloaded, to sharded TFRecords.

example:
  imagenet-beam convert \\
    --train_archive=ILSVRC2012_img_train.tar \\
    --validation_archive=ILSVRC2012_img_val.tar \\
    --devkit=ILSVRC2012_devkit_t12.tar.gz \\
    --output_dir=tfrecords

  imagenet-beam convert --dataset=mnist --output_dir=mnist

Run the same command again to go on where an interrupted run stopped. Flags of
Apache Beam (--runner, --temp_location, ...) may be given too.

exit status: 0 done, 1 the job failed, 2 the command line or the inputs are
wrong, 3 done with more rejected images than --max_rejects allows, 130 stopped
by Ctrl-C.
"""


def add_convert_parser(commands: argparse._SubParsersAction[SentenceParser]) -> SentenceParser:
    """Adds the command and its flags."""
    parser = commands.add_parser(
        "convert",
        help="convert archives to TFRecords",
        description=_DESCRIPTION,
        usage="imagenet-beam convert --train_archive=... --output_dir=... [flags]",
    )
    add_dataset_flags(parser)
    add_input_flags(parser)
    add_label_flags(parser)
    add_selection_flags(parser)
    _add_outputs(parser)
    _add_images(parser)
    _add_run(parser)
    add_gcs_flags(parser)
    return parser


def _add_outputs(parser: SentenceParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output_dir",
        metavar="DIR",
        default="",
        help="the folder for TFRecords, labels and manifest; --output_dir=tfrecords",
    )
    group.add_argument(
        "--train_shards",
        metavar="N",
        type=whole_number,
        default=None,
        help="files of the training split, 1024 by default for imagenet2012, 5 for flowers and "
        "cifar10, 2 for mnist; --train_shards=256",
    )
    group.add_argument(
        "--validation_shards",
        metavar="N",
        type=whole_number,
        default=None,
        help="files of the validation split, 128 by default for imagenet2012, 1 for flowers; "
        "--validation_shards=32",
    )
    group.add_argument(
        "--test_shards",
        metavar="N",
        type=whole_number,
        default=None,
        help="files of the test split, 128 by default for imagenet2012, 1 for the others; "
        "--test_shards=32",
    )
    group.add_argument(
        "--schema",
        choices=tuple(schemas()),
        default="inception",
        help="the keys of the records: inception's (default), those of the TPU scripts, or those "
        "of tensorflow-datasets, which also decides names and labels; --schema=tfds",
    )
    group.add_argument(
        "--output_layout",
        choices=OUTPUT_LAYOUTS,
        default="flat",
        help="all shards in one folder (default), or a folder for each split; "
        "--output_layout=by_split",
    )
    group.add_argument(
        "--shuffle_seed",
        metavar="N",
        type=whole_number,
        default=0,
        help="another seed gives another order of the records; --shuffle_seed=7",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="begin anew in a folder that holds another conversion; --overwrite",
    )


def _add_images(parser: SentenceParser) -> None:
    group = parser.add_argument_group("images")
    group.add_argument(
        "--resize",
        metavar="SIZE",
        default="",
        help="none, shorter:N, longer:N or exact:WxH; shorter:256 by default for imagenet2012, "
        "none for the others; --resize=none",
    )
    group.add_argument(
        "--output_format",
        choices=("JPEG", "PNG"),
        type=str.upper,
        default="",
        help="JPEG by default for imagenet2012 and flowers, PNG (without loss) for cifar10 and "
        "mnist; --output_format=PNG",
    )
    group.add_argument(
        "--jpeg_quality",
        metavar="N",
        type=whole_number,
        default=ImageOptions.jpeg_quality,
        help=f"1 to 100, {ImageOptions.jpeg_quality} by default, for images that are encoded "
        "anew; --jpeg_quality=90",
    )
    group.add_argument(
        "--apply_exif_orientation",
        action="store_true",
        help="turn images, and boxes with them, the way the Exif block says; off by default, as "
        "published accuracies are for the pixels as stored; --apply_exif_orientation",
    )
    group.add_argument(
        "--max_rejects",
        metavar="N",
        type=whole_number,
        default=0,
        help="how many images may be rejected before the exit status is 3; --max_rejects=10",
    )


def _add_run(parser: SentenceParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--detach",
        action="store_true",
        help="return once the job has been submitted, and say how to follow and to cancel it; "
        "--detach",
    )
    group.add_argument(
        "--shuffle",
        choices=SHUFFLES,
        default="references",
        help="what travels through the shuffle: references to images (default), or the images, "
        "for disks that are slow in random order; --shuffle=images",
    )
    group.add_argument(
        "--threads",
        metavar="N",
        type=whole_number,
        default=0,
        help="images encoded at once by a worker; by default as many as cores; --threads=4",
    )
    group.add_argument(
        "--read_threads",
        metavar="N",
        type=whole_number,
        default=0,
        help="images fetched at once by a worker; by default by the encoding threads, of remote "
        f"archives {READS_PER_THREAD} for each of them, up to {MAX_READS}; --read_threads=32",
    )
    group.add_argument(
        "--scratch_dir",
        metavar="DIR",
        default="",
        help="where files bound for remote storage are spooled; by default where TMPDIR says; "
        "--scratch_dir=/mnt/scratch",
    )


def config_from_flags(args: argparse.Namespace) -> ConvertConfig:
    """The conversion that the flags ask for.

    Raises:
        InputError: If a flag's value is not accepted, or one is missing.
    """
    dataset = small_dataset(args)
    storage = storage_from_flags(args)
    if dataset:
        splits = with_selections(small_splits(dataset, args, storage), args, dataset.holdout)
        labels = small_labels(dataset, args)
    else:
        splits = with_selections(splits_from_flags(args), args)
        labels = labels_from_flags(args)
    return ConvertConfig(
        output_dir=args.output_dir,
        splits=splits,
        labels=labels,
        image=_image_options(args, dataset),
        name_prefix=f"{dataset.name}-" if dataset else "",
        channels=dataset.channels if dataset else ConvertConfig.channels,
        schema=args.schema,
        output_layout=args.output_layout,
        bounding_boxes=comma_separated(args.bounding_boxes),
        shuffle_seed=args.shuffle_seed,
        shuffle=args.shuffle,
        expect=args.expect,
        overwrite=args.overwrite,
        storage=storage,
    )


def _image_options(args: argparse.Namespace, dataset: SmallDataset | None) -> ImageOptions:
    default = dataset.output_format if dataset else ImageOptions.output_format
    return ImageOptions(
        resize=Resize.parse(args.resize or ("none" if dataset else "shorter:256")),
        jpeg_quality=args.jpeg_quality,
        apply_exif_orientation=args.apply_exif_orientation,
        output_format=args.output_format or default,
    )
