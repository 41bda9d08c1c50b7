"""Bounding boxes: read as annotations or CSV, packed into an index, written as CSV."""

from imagenet_beam.transforms.core.box_annotations import (
    Annotation,
    annotated_stem,
    image_stem,
    iter_annotations_tar,
    parse_annotation_xml,
)
from imagenet_beam.transforms.core.box_csv import (
    box_rows,
    is_boxes_csv,
    parse_boxes_csv,
    write_boxes_csv,
)
from imagenet_beam.transforms.core.box_index import BoxCounts, BoxIndex, boxes_by_name

__all__ = [
    "Annotation",
    "BoxCounts",
    "BoxIndex",
    "annotated_stem",
    "box_rows",
    "boxes_by_name",
    "image_stem",
    "is_boxes_csv",
    "iter_annotations_tar",
    "parse_annotation_xml",
    "parse_boxes_csv",
    "write_boxes_csv",
]
