"""The folder in which downloaded data sets are kept, and getting them into it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from imagenet_beam.pipeline.download.client import TransferOptions
from imagenet_beam.pipeline.download.sources import SOURCES, SourceFile
from imagenet_beam.pipeline.download.transfer import download_file
from imagenet_beam.pipeline.progress import Progress
from imagenet_beam.transforms.errors import InputError

CACHE_VARIABLE = "IMAGENET_BEAM_CACHE"


def cache_dir(flag: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """The cache folder: the flag's, else the environment's, else `~/.cache/imagenet-beam`.

    Raises:
        InputError: It is not a folder on this machine.
    """
    origin = "--download_dir" if flag else CACHE_VARIABLE
    path = flag or environ.get(CACHE_VARIABLE, "")
    if not path:
        base = environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser() / "imagenet-beam"
    if "://" in path:
        raise InputError(f"{origin}={path} is not on this machine; accepted is a local folder")
    folder = Path(path).expanduser()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{origin}={path} is not a folder")
    return folder


def download_dataset(
    dataset: str,
    directory: Path,
    sources: Mapping[str, tuple[SourceFile, ...]] = SOURCES,
    options: TransferOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Puts the files of a data set, a key of `sources`, into a folder; checks what is there.

    Returns:
        The path of each file by its official name.

    Raises:
        InputError: The data set is not known.
        DownloadError: A file could not be had.
    """
    if dataset not in sources:
        raise InputError(
            f"--dataset={dataset} cannot be downloaded; accepted are {', '.join(sorted(sources))}"
        )
    return {
        source.name: download_file(source, directory, options, progress)
        for source in sources[dataset]
    }
