"""The label files that people have beside the archives, in all their forms."""

from collections.abc import Iterable
from pathlib import Path

from imagenet_beam.pipeline.synthetic.boxes import annotate
from imagenet_beam.pipeline.synthetic.devkit import list_synsets
from imagenet_beam.pipeline.synthetic.plan import Plan, PlannedImage
from imagenet_beam.pipeline.synthetic.variation import shuffled


def write_labels(labels_dir: Path, plan: Plan) -> None:
    """Writes every form of label file into a folder."""
    labels_dir.mkdir(parents=True, exist_ok=True)
    for name, lines in _label_files(plan).items():
        text = "".join(f"{line}\n" for line in lines)
        (labels_dir / name).write_text(text, encoding="utf-8", newline="\n")


def _label_files(plan: Plan) -> dict[str, Iterable[str]]:
    classes, images = plan.classes, plan.validation_images
    wnids = [row.wnid for row in classes]
    words = [f"{row.wnid} {row.words}" for row in classes]
    return {
        "imagenet_lsvrc_2015_synsets.txt": wnids,
        "imagenet_2012_validation_synset_labels.txt": (wnids[image.label] for image in images),
        "imagenet_metadata.txt": _metadata(plan),
        "synsets.txt": wnids,
        "synset_words.txt": words,
        "val.txt": (f"{image.filename} {image.label}" for image in images),
        "map_clsloc.txt": _clsloc(plan),
        "LOC_synset_mapping.txt": words,
        "LOC_val_solution.csv": ["ImageId,PredictionString", *_kaggle_rows(plan)],
    }


def _metadata(plan: Plan) -> list[str]:
    """Words of classes and ancestors alike: the real file has 21,842 lines."""
    return sorted(f"{synset.wnid}\t{synset.words}" for synset in list_synsets(plan))


def _clsloc(plan: Plan) -> list[str]:
    by_id = sorted(zip(plan.ilsvrc_ids, plan.classes, strict=True))
    return [f"{row.wnid} {number} {row.name.replace(' ', '_')}" for number, row in by_id]


def _kaggle_rows(plan: Plan) -> list[str]:
    images = plan.validation_images
    order = shuffled(len(images), plan.spec.seed, "kaggle order")
    return [_kaggle_row(plan, images[place]) for place in order]


def _kaggle_row(plan: Plan, image: PlannedImage) -> str:
    annotation = annotate(plan, image)
    wnid = plan.classes[image.label].wnid
    boxes = annotation.pixel_boxes if annotation else ()
    objects = "".join(f"{wnid} {' '.join(map(str, box))} " for box in boxes)
    return f"{image.filename.removesuffix('.JPEG')},{objects}"
