"""The steps on a runner's page are those that docs/architecture.md names."""

import re
from pathlib import Path

import apache_beam as beam
from apache_beam.pipeline import PipelineVisitor

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.transforms import few_steps
from imagenet_beam.transforms.labels.source import LabelSource

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"


class Outline(PipelineVisitor):
    """Our steps, and what they are made of; not what Beam's and `few_steps` are made of."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._shown: set[object] = set()

    def enter_composite_transform(self, node) -> None:
        self.visit_transform(node)

    def visit_transform(self, node) -> None:
        if node.parent is None:
            self._shown.add(node)
            return
        if node.parent not in self._shown:
            return
        label = node.full_label.rpartition("/")[2]
        self.lines.append("  " * node.full_label.count("/") + label)
        module = type(node.transform).__module__
        if module.startswith("imagenet_beam.") and module != few_steps.__name__:
            self._shown.add(node)


def outline(clean, folder: Path) -> list[str]:
    config = ConvertConfig(
        output_dir=str(folder),
        splits=imagenet2012.splits(str(clean.train), "", 4, 4),
        labels=LabelSource(devkit=str(clean.devkit)),
    )
    pipeline = beam.Pipeline()
    pipeline | ConvertImages(config)
    visitor = Outline()
    pipeline.visit(visitor)
    return visitor.lines


def test_the_graph_is_the_documented_one(clean, tmp_path):
    lines = outline(clean, tmp_path)
    section = DOCUMENT.read_text().partition("## The graph\n")[2]
    documented = re.search(r"```\n(.*?)\n```", section, re.DOTALL)
    assert documented, "docs/architecture.md has no section 'The graph'"
    assert documented.group(1).splitlines() == lines, "\n".join(["the graph is now:", *lines])


def test_each_step_has_a_name_of_one_word(clean, tmp_path):
    named = [line.strip() for line in outline(clean, tmp_path)]
    others = [name for name in named if not re.fullmatch(r"([A-Z][A-Za-z0-9]*)+", name)]
    assert others == []
