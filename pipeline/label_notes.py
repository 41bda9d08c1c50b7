"""What a user should know of the classes that a conversion has: before it, and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from imagenet_beam.pipeline.config import ConvertConfig, SplitConfig
from imagenet_beam.pipeline.progress import counted
from imagenet_beam.transforms.labels.source import Labels

_SHOWN = 3


def notes_before(
    config: ConvertConfig, splits: Iterable[SplitConfig], labels: Labels
) -> Iterator[str]:
    """What the label files say already.

    Args:
        config: What is asked for.
        splits: Its splits, their sources found.
        labels: What was read of the label files.
    """
    texts = [info.text for info in (*labels.classes.classes, *labels.known.values())]
    has_classes = any(split.label_from != "none" for split in splits)
    if has_classes and not any(texts) and not config.labels.any_names:
        yield (
            "no file gives the texts of the classes (image/class/text stays empty); "
            "`labels.class_names`=synset_words.txt, map_clsloc.txt or LOC_synset_mapping.txt "
            "brings them"
        )


def notes_after(config: ConvertConfig, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What the archives turned out to have.

    Args:
        config: What was asked for.
        manifest: What came of it.
    """
    for name, entry in manifest["splits"].items():
        folders = entry.get("class_folders", {})
        if folders:
            shown = [f"{folder} is {wnid}" for folder, wnid in list(folders.items())[:_SHOWN]]
            more = ", …" if len(folders) > _SHOWN else ""
            yield (
                f"{name}: {counted(len(folders), 'class folder')} called by words: "
                f"{', '.join(shown)}{more}"
            )
    classes = manifest["classes"]
    named, count = classes.get("in_class_names", classes["count"]), classes["count"]
    if named < count:
        given = f"`labels.class_names`={','.join(config.labels.class_names)}"
        own = "; with `labels.any_names` folders are classes by their own names"
        yield (
            f"{given} names {f'{named:,}' if named else 'none'} of the {count:,} classes"
            f"{own * config.labels.any_names}"
        )
