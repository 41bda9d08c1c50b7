"""What is damaged: small sound inputs, and what the program makes of them; once a process."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from plain_conversion import Converted, convert

sys.path.insert(0, str(Path(__file__).parents[1] / "net"))

import net_inputs

_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def net_folder() -> Path:
    """All inputs of the net, in all their forms."""
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="attack-"))
    return net_inputs.build(Path(_FOLDERS[-1].name) / "in")


def labels() -> list[str]:
    """Flags that fix the labels, whichever classes are found."""
    return [f"--labels_file={net_folder() / 'labels' / 'imagenet_lsvrc_2015_synsets.txt'}"]


def made_of(files: Mapping[str, bytes], flags: Callable[[Path], Sequence[str]]) -> Converted:
    """What comes of sound files in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        net_inputs.write(Path(folder), files)
        return convert(flags(Path(folder)))
