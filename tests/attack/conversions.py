"""What the attacks on a running conversion share: small archives, and what becomes of them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from forks import Ended, Forks, Run

from imagenet_beam.pipeline.synthetic.imagenet import SyntheticImageNet, write_imagenet
from imagenet_beam.transforms.storage.files import TEMPORARY_SUFFIX

SECONDS = 300.0
"""After how long a case hangs: the first one of a process imports Beam, and all share a machine."""

STATE = ".imagenet-beam"
_OWN_STATE = (f"{STATE}/lock", f"{STATE}/stale.json")
"""Files whose bytes are not those of a finished conversion."""


@dataclass(frozen=True)
class Conversion:
    """A conversion.

    Attributes:
        name: Its own.
        flags: What it is asked for, but the output.
    """

    name: str
    flags: tuple[str, ...]
    pictures: dict[str, int] = field(default_factory=dict, hash=False)

    def command(self, out: Path | str, *more: str, archives: Path | str = "") -> list[str]:
        """The command line; archives may be a folder with copies of them."""
        inputs = self._inputs(archives or drawn_archives(self))
        return ["convert", *inputs, *self.flags, f"--output_dir={out}", *more]

    def _inputs(self, folder: Path | str) -> list[str]:
        given = [f"--validation_archive={folder}/ILSVRC2012_img_val.tar"]
        if "--train_shards" in " ".join(self.flags):
            given.append(f"--train_archive={folder}/ILSVRC2012_img_train.tar")
        return [*given, f"--devkit={folder}/ILSVRC2012_devkit_t12.tar.gz"]


ONE_SPLIT = Conversion("one-split", ("--validation_shards=3",))
TWO_SPLITS = Conversion("two-splits", ("--train_shards=2", "--validation_shards=1"))
INDEXED = Conversion("indexed", ("--validation_shards=2", "--index", "--schema=tfds"))
SMALL = (ONE_SPLIT, TWO_SPLITS, INDEXED)
LONG = Conversion(
    "long",
    ("--train_shards=8", "--validation_shards=4", "--resize=shorter:500", "--threads=2"),
    {"classes": 4, "train_per_class": 6, "validation_per_class": 3},
)
"""Enlarging small pictures keeps it busy for a second."""


at_end = contextlib.ExitStack()
"""What to end with this process, the latest first."""
atexit.register(at_end.close)


@functools.cache
def forks() -> Forks:
    """The process that forks, one for each process that asks."""
    started = Forks()
    at_end.callback(started.close)
    return started


@functools.cache
def drawn_archives(conversion: Conversion) -> Path:
    """The folder of its archives."""
    folder = forks().scratch / f"{conversion.name}-archives"
    folder.mkdir()
    size = {"image_width": 32, "image_height": 24, "hard_images": False, "boxes": False}
    usual = {"classes": 3, "train_per_class": 3, "validation_per_class": 2}
    write_imagenet(folder, SyntheticImageNet(**{**size, **usual, **conversion.pictures}))
    return folder


@functools.cache
def finished(conversion: Conversion) -> Path:
    """The folder of a run that nothing happened to; not to be touched."""
    out = forks().scratch / conversion.name
    ended = forks().run(conversion.command(out), out.with_suffix(".printed"))
    assert ended.status == 0, ended.printed
    return out


@functools.cache
def expected(conversion: Conversion) -> dict[str, bytes]:
    """What that run wrote."""
    return tree(finished(conversion))


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, by relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in files}


def unfinished(out: Path) -> list[str]:
    """The temporary files that are there."""
    return sorted(path.name for path in out.rglob(f"*{TEMPORARY_SUFFIX}"))


@dataclass
class Case:
    """One conversion under attack, in the folder `out`.

    Attributes:
        conversion: The conversion.
        out: Its output.
        more: Further flags.
        before: What was in the folder at first, whole.
    """

    conversion: Conversion
    out: Path
    more: tuple[str, ...] = ()
    before: dict[str, bytes] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """The command line."""
        return self.conversion.command(self.out, *self.more)

    def put(self, source: Path) -> None:
        """Begins with a copy of a folder."""
        shutil.copytree(source, self.out, dirs_exist_ok=True)
        self.before |= tree(self.out)

    def start(self, **how: object) -> Run:
        """Starts the command."""
        return forks().start(self.command, self.out.with_suffix(".printed"), **how)

    def check_whole(self) -> None:
        """No file that readers would take for one of the conversion is half written."""
        allowed = expected(self.conversion)
        for name, data in tree(self.out).items():
            if not name.endswith(TEMPORARY_SUFFIX) and name not in _OWN_STATE:
                assert data in (allowed.get(name), self.before.get(name)), f"{name} is not whole"

    def check_done(self, ended: Ended) -> None:
        """Nothing is there but what an undisturbed run writes."""
        assert ended.status == 0, f"status {ended.status}: {ended.printed}"
        found, right = tree(self.out), expected(self.conversion)
        assert found.keys() == right.keys(), sorted(found.keys() ^ right.keys())
        different = [name for name in found if found[name] != right[name]]
        assert not different, f"other bytes than undisturbed: {different}"

    def check_resumes(self) -> None:
        """The same command again comes to the same bytes."""
        self.check_done(self.start().finish())


def check_said(ended: Ended, quiet: bool = True) -> None:
    """A failure is told in a sentence; other processes of Beam's may show what they like."""
    assert ended.status in (1, 2), f"status {ended.status}: {ended.printed}"
    assert ended.sentence, f"no sentence: {ended.printed}"
    if quiet:
        check_quiet(ended)


def check_quiet(ended: Ended) -> None:
    """Nobody is shown a traceback."""
    for word in ("Traceback", "Exception ignored", "Fatal Python error"):
        assert word not in ended.printed, ended.printed
