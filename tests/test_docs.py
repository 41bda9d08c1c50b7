"""The commands and links of README and docs are right."""

import re
import shlex
from pathlib import Path

import pytest

from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.runners import cli
from imagenet_beam.runners.arguments import check_beam_flags

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
_BLOCK = re.compile(r"```(?:sh|bash|console)\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def commands(page: Path) -> list[list[str]]:
    """The `imagenet-beam` commands of a page, continued lines joined."""
    found = []
    for block in _BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith("imagenet-beam "):
                found.append(shlex.split(line, comments=True))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_flag_of_every_command_is_known() -> None:
    pages = {page: commands(page) for page in PAGES}
    assert pages[ROOT / "README.md"]
    parser, _ = cli.build_parser()
    for page, found in pages.items():
        for command in found:
            args, rest = parser.parse_known_args(command[1:])
            assert args.command, command
            assert args.command == "convert" or not rest, (page, command)
            check_beam_flags(rest, [])


def test_the_imagenet_command_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = next(
        command for command in commands(ROOT / "README.md") if "--output_dir=tfrecords" in command
    )
    spec = SyntheticImageNet(
        classes=4, train_per_class=11, validation_per_class=2, image_width=16, image_height=16
    )
    write_imagenet(tmp_path, spec)
    monkeypatch.chdir(tmp_path)
    assert cli.main(command[1:]) == 0
    assert (tmp_path / "tfrecords" / "train-00000-of-00001").exists()
    assert (tmp_path / "tfrecords" / "manifest.json").exists()
