"""Draws docs/terminal.svg: a conversion on a terminal of 80 columns, in its midst and at its end.

    python tests/runners/terminal_picture.py FOLDER > docs/terminal.svg

FOLDER holds the training archive, the validation archive and the devkit.
"""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from terminal import terminal

COLUMNS = 80
COMMAND = """\
imagenet-beam convert \\
  --train_archive=ILSVRC2012_img_train.tar \\
  --validation_archive=ILSVRC2012_img_val.tar \\
  --devkit=ILSVRC2012_devkit_t12.tar.gz \\
  --output_dir=tfrecords"""
"""The README's."""

SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Without the fonts from the net that rich's own has."""


def run(folder: Path) -> tuple[list[str], list[str]]:
    """The screen when about half of the training images are written, and at the end."""
    words = COMMAND.replace("\\\n", "").split()[1:]
    half: list[str] = []
    with terminal(COLUMNS) as shown:
        command = [sys.executable, "-m", "imagenet_beam", *words]
        with subprocess.Popen(command, cwd=folder, **shown.of_a_program) as process:
            while process.poll() is None:
                found = re.search(r"\((\d+)%\)", shown.shown())
                if not half and found and int(found[1]) >= 50:
                    half = shown.screen.lines()
        shown.shown()
        return half, shown.screen.lines()


def main() -> None:
    """Runs the command, and prints the picture of both screens."""
    half, end = run(Path(sys.argv[1]))
    if not half or not any(line.startswith("done: ") for line in end):
        sys.exit("\n".join(end))
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("$ ", style="bold green").append(COMMAND, style="not bold default"))
    for line in half:
        console.print(_bar(line) if "━" in line else Text(line))
    console.print(Text("[...]", style="dim"), highlight=False)
    for line in end[1:]:
        console.print(Text(line, style="bold" if line.startswith("done: ") else ""))
    console.print()
    print(console.export_svg(title="", theme=MONOKAI, code_format=SVG, unique_id="terminal"))


def _bar(line: str) -> Text:
    done = re.split("╺| ", line)[0]
    return Text(done, style="magenta").append(line[len(done) :], style="bright_black")


if __name__ == "__main__":
    main()
