"""What is said of an archive that is as long as the official one, and of others."""

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.pipeline.listing import Listing, check_official
from imagenet_beam.pipeline.manifest import SplitResult, build_manifest
from imagenet_beam.runners.summary import notes
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.source import Labels, LabelSource

WNID = "n01440764"


def entry_of(images: int) -> dict:
    """The manifest's entry of a validation split of so many images in one shard."""
    splits = imagenet2012.splits(validation_archive="val.tar", validation_shards=1)
    config = ConvertConfig(output_dir="out", splits=splits, labels=LabelSource())
    name = config.shard_names(splits[0], 1)[0]
    receipt = ShardReceipt(name, images, images, 2_500_000, 7, ((WNID, images),))
    listing = Listing("validation", images, 9, {WNID: images})
    labels = Labels(ClassTable.build([ClassInfo(WNID)], 1, "wnid"), {})
    manifest = build_manifest(
        config,
        labels,
        [SplitResult(splits[0], listing, listing, {WNID: images}, [receipt])],
        "plan",
    )
    return manifest["splits"]["validation"]


def test_the_official_counts():
    # Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, table 2.
    train, validation = imagenet2012.splits("train.tar", "val.tar")
    assert (train.official_images, train.num_shards) == (1_281_167, 1024)
    assert (validation.official_images, validation.num_shards) == (50_000, 128)


@pytest.mark.parametrize(
    ("images", "is_official", "words"),
    [
        (50_000, True, "validation: all 50,000 images of the official archive"),
        (49_999, False, "validation: 49,999 of the 50,000 images of the official archive"),
        (50_001, False, "validation: 50,001 images, and the official archive has 50,000 images"),
    ],
)
def test_manifest_and_summary_say_whether_the_count_is_the_official_one(images, is_official, words):
    entry = entry_of(images)
    assert entry["is_official_count"] is is_official
    assert entry["official_images"] == 50_000
    assert list(notes({"splits": {"validation": entry}})) == [words]


def test_a_count_that_must_be_official():
    (split,) = imagenet2012.splits(validation_archive="val.tar")
    check_official(50_000, split, "--validation_archive=val.tar")
    with pytest.raises(InputError, match=r"val.tar holds 49,999 images.* 50,000; get the file"):
        check_official(49_999, split, "--validation_archive=val.tar")
