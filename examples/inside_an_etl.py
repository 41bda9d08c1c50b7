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
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from PIL import Image, ImageStat

from imagenet_beam import (
    DecodeAndResize,
    DecodedImage,
    ImageOptions,
    JoinLabels,
    LabelSource,
    ListImages,
    LoadLabels,
    ReadImages,
    Resize,
    WriteToTFRecord,
    inception_features,
    serialize_example,
)

DROPPED = "n02963159"  # cardigan, the garment


def with_brightness(decoded: DecodedImage) -> tuple[str, bytes]:
    """The usual record and one feature more, under the image's name."""
    features = inception_features(decoded.image, decoded.encoded)
    picture = Image.open(io.BytesIO(decoded.encoded.data)).convert("L")
    features["image/brightness"] = ImageStat.Stat(picture).mean[0] / 255
    return decoded.image.ref.filename, serialize_example(features)


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
        | ReadImages()  # ImageBytes
        | DecodeAndResize(ImageOptions(resize=Resize.parse("shorter:128")))
    )
    (
        decoded.images  # DecodedImage
        | "AddBrightness" >> beam.Map(with_brightness).with_output_types(tuple[str, bytes])
        | WriteToTFRecord(prefix, num_shards=4)  # ShardReceipt
        | "Published" >> beam.Map(lambda receipt: print(f"{receipt.name}: {receipt.records}"))
    )
    (
        decoded.rejects  # Reject
        | "CountRejects" >> beam.combiners.Count.Globally()
        | "Rejected" >> beam.Map(lambda count: print(f"rejects: {count}"))
    )


def main(archive: str, devkit: str, prefix: str) -> None:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        build(pipeline, archive, devkit, prefix)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("usage: python examples/inside_an_etl.py ARCHIVE DEVKIT OUTPUT_PREFIX")
    main(*sys.argv[1:])
