"""ImageNet inside a larger job: a column of one's own, a class left out, sharded records.

The steps are ordinary transforms with typed elements, so anything may stand between
them. Here the mean brightness of each image becomes a feature, cardigans are dropped,
and what could not be read is counted.

    python examples/inside_an_etl.py TRAIN_ARCHIVE DEVKIT OUTPUT_PREFIX
"""

from __future__ import annotations

import io
import sys

import apache_beam as beam
from PIL import Image, ImageStat

from imagenet_beam import (
    DecodeAndResize,
    EncodedImage,
    ImageOptions,
    JoinLabels,
    LabeledImage,
    LabelSource,
    ListImages,
    LoadLabels,
    ReadImages,
    Resize,
    ToExample,
    WriteToTFRecord,
)

DROPPED = "n02963159"  # cardigan, the garment


def brightness(image: LabeledImage, encoded: EncodedImage) -> dict[str, float]:
    """One feature more than the schema has."""
    picture = Image.open(io.BytesIO(encoded.data)).convert("L")
    return {"image/brightness": ImageStat.Stat(picture).mean[0] / 255}


def build(pipeline: beam.Pipeline, archive: str, devkit: str, prefix: str) -> None:
    """Adds the job to a pipeline that may do anything else besides."""
    labels = pipeline | LoadLabels(LabelSource(devkit=devkit))
    decoded = (
        pipeline
        | beam.Create([archive])
        | ListImages()  # ImageRef: where each image lies
        | JoinLabels(labels)  # LabeledImage
        | "DropClass" >> beam.Filter(lambda image: image.wnid != DROPPED)
        | beam.Reshuffle()
        | ReadImages()  # LabeledImage with ref.data
        | DecodeAndResize(ImageOptions(resize=Resize.parse("shorter:128")))
    )
    (
        decoded.images  # DecodedImage
        | ToExample(extra=brightness)  # (file name, Record)
        | WriteToTFRecord(prefix, num_shards=4)  # ShardReceipt
        | "Published" >> beam.Map(lambda receipt: print(f"{receipt.name}: {receipt.records}"))
    )
    (
        decoded.rejects  # Reject
        | "CountRejects" >> beam.combiners.Count.Globally()
        | "Rejected" >> beam.Map(lambda count: print(f"rejects: {count}"))
    )


def main(archive: str, devkit: str, prefix: str) -> None:
    with beam.Pipeline("FnApiRunner") as pipeline:
        build(pipeline, archive, devkit, prefix)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("usage: python examples/inside_an_etl.py ARCHIVE DEVKIT OUTPUT_PREFIX")
    main(*sys.argv[1:])
