"""The programs that are compared, and their virtual environments."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PEERS = Path(__file__).parent / "peers"
_OURS = (
    "{python} -m imagenet_beam convert --train_archive={archive} --output_dir={output}"
    " --train_shards={shards} --expect=any"
)


class Contestant(NamedTuple):
    """A program of the first table.

    Attributes:
        name: As the table shows it.
        command: Its words; fields in braces are filled in.
        written: Names of the files that it writes while it converts; none where its output says
            nothing of that, as it appears only at the end.
        requirements: Of its own environment; without, it runs in the one of this process.
    """

    name: str
    command: str
    written: str | None
    requirements: tuple[str, ...] = ()


SHORTER, NONE = "imagenet-beam, `shorter:256`", "imagenet-beam, `none`"
CONTESTANTS = {
    "ours": Contestant(SHORTER, f"{_OURS} --resize=shorter:256", "*train-*"),
    "ours-none": Contestant(NONE, f"{_OURS} --resize=none", "*train-*"),
    "pool": Contestant(
        "bare Pillow pool, writes nothing",
        "{python} {peers}/pillow_pool.py {archive} {output} {cores}",
        "*",
    ),
    "script": Contestant(
        "`multiprocessing` and `tf.io.TFRecordWriter`, extracted files",
        "{python} {peers}/tfrecord_script.py {folder} {output} {shards} {cores}",
        "train-*",
        ("tensorflow==2.21.0", "pillow==12.3.0"),
    ),
    "img2dataset": Contestant(
        "img2dataset, `file://` list to webdataset",
        "{bin}/img2dataset --url_list={list} --input_format=csv --url_col=url"
        " --output_folder={output} --output_format=webdataset --image_size=256"
        " --resize_mode=keep_ratio --resize_only_if_bigger=False --encode_quality=95"
        " --processes_count={cores} --number_sample_per_shard={images_per_shard}",
        "*.tar",
        ("img2dataset==1.47.0",),
    ),
    "tfds": Contestant(
        "tensorflow-datasets, its `imagenet2012`, `none`",
        "{python} {peers}/tfds_imagenet2012.py {manual_dir} {output}",
        None,
        ("tensorflow==2.21.0", "tensorflow-datasets==4.9.10", "importlib_resources==6.5.2"),
    ),
}


class NotInstalledError(Exception):
    """An environment cannot be made; the message is pip's reason."""


def environment(folder: Path, key: str) -> Path:
    """The Python of a contestant, in an environment below `folder` that is made if needed.

    Raises:
        NotInstalledError: A requirement cannot be installed here.
    """
    requirements = CONTESTANTS[key].requirements
    if not requirements:
        return Path(sys.executable)
    python, stamp = folder / key / "bin" / "python", folder / key / "installed.txt"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {', '.join(requirements)}; this takes minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / key], check=True)
        install = [python, "-m", "pip", "install", "--quiet", *requirements]
        run = subprocess.run(install, capture_output=True, text=True, check=False)
        if run.returncode:
            errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
            raise NotInstalledError("not installed: " + " ".join(errors[-1:]))
        stamp.write_text(wanted)
    return python


def command(key: str, python: Path, fields: Mapping[str, object]) -> list[str]:
    """The words of a contestant's command."""
    filled = {**fields, "python": python, "bin": python.parent, "peers": _PEERS}
    return [word.format(**filled) for word in CONTESTANTS[key].command.split()]


def variables(key: str) -> dict[str, str]:
    """The variables of a contestant: nothing of this project's Python in another environment."""
    kept = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}  # img2dataset would ask for it
    if CONTESTANTS[key].requirements:
        kept.pop("PYTHONPATH", None)
    return kept
