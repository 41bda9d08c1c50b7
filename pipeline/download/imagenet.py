"""ImageNet: archives that a person has to request, and how to tell that they are right."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from imagenet_beam.pipeline.download.client import TransferOptions, redact, url_name
from imagenet_beam.pipeline.download.sources import IMAGENET_2012, SourceFile
from imagenet_beam.pipeline.download.transfer import download_file
from imagenet_beam.pipeline.progress import Progress
from imagenet_beam.transforms.errors import InputError

USER_VARIABLE = "IMAGENET_BEAM_USER"
PASSWORD_VARIABLE = "IMAGENET_BEAM_PASSWORD"  # noqa: S105  (the name, not the password)

_DOGS = "ILSVRC2012_img_train_t3.tar"
_DOGS_HINT = (
    f"{_DOGS} holds only the dogs of task 3; the training images are those of task 1 & 2, "
    "ILSVRC2012_img_train.tar"
)

REQUEST_HINT = """\
ImageNet may not be passed on: each person requests it and accepts its terms
(non-commercial research and education).

  1. Make an account and request access:  https://image-net.org/download.php
  2. From the page for ILSVRC2012 that opens then, take the links of
       ILSVRC2012_img_train.tar         147.9 GB  training images (task 1 & 2)
       ILSVRC2012_img_val.tar             6.7 GB  validation images
       ILSVRC2012_devkit_t12.tar.gz       2.5 MB  development kit (task 1 & 2)
     and, for boxes, ILSVRC2012_bbox_train_v2.tar.gz and ILSVRC2012_bbox_val_v3.tgz.
  3. Give the links to this command, which resumes and checks:
       imagenet-beam download --dataset=imagenet2012 --output_dir=DIR --url=LINK --url=LINK
     or, when the archives are on this machine already, have them checked:
       imagenet-beam download --dataset=imagenet2012 --from_dir=DIR

Links that need a login read it from ~/.netrc, or from the environment variables
IMAGENET_BEAM_USER and IMAGENET_BEAM_PASSWORD. See also --torrent_hint.
"""

TORRENT_HINT = """\
Academic Torrents has the archives with their original bytes; the terms of
https://image-net.org/download.php hold for them all the same.

  ILSVRC2012_img_train.tar  https://academictorrents.com/details/a306397ccf9c2ead27155983c254227c0fd938e2
  ILSVRC2012_img_val.tar    https://academictorrents.com/details/5d6d0df7ed81efd49ca99ea4737e0ae5e3a5f2e5

Fetch them with any BitTorrent client, for example
  aria2c --seed-time=0 --dir=DIR https://academictorrents.com/download/HASH.torrent
and have them checked:
  imagenet-beam download --dataset=imagenet2012 --from_dir=DIR
The development kit, which has the labels, is not among them: it comes from image-net.org.
"""


def credentials_from(environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """User and password from the environment, or neither: None leaves it to netrc."""
    user, password = environ.get(USER_VARIABLE, ""), environ.get(PASSWORD_VARIABLE, "")
    if bool(user) != bool(password):
        raise InputError(
            f"only one of the environment variables {USER_VARIABLE} and {PASSWORD_VARIABLE} "
            "is set; set both, or neither and use ~/.netrc"
        )
    return (user, password) if user else None


def sources_of(
    urls: Iterable[str], known: tuple[SourceFile, ...] = IMAGENET_2012
) -> tuple[SourceFile, ...]:
    """Groups addresses by file name, once checked; several of one name are its mirrors."""
    by_name = {source.name: source for source in known}
    found: dict[str, SourceFile] = {}
    for url in urls:
        name = _checked_name(url)
        source = found.get(name) or by_name.get(name) or SourceFile(name)
        found[name] = replace(source, urls=(*source.urls, url))
    return tuple(found.values())


def download_urls(
    urls: Iterable[str],
    directory: Path,
    options: TransferOptions | None = None,
    progress: Progress | None = None,
    known: tuple[SourceFile, ...] = IMAGENET_2012,
) -> dict[str, Path]:
    """Fetches archives, checked by what is `known`, and gives the path of each by its name.

    Raises:
        InputError: An address cannot be used.
        DownloadError: An archive could not be had.
    """
    progress = progress or Progress()
    paths = {}
    for source in sources_of(urls, known):
        paths[source.name] = download_file(source, directory, options, progress)
        if not (source.md5 or source.sha256):
            progress.say(f"no checksum is known for {source.name}: it was not checked")
    return paths


def check_folder(
    directory: Path,
    progress: Progress | None = None,
    known: tuple[SourceFile, ...] = IMAGENET_2012,
) -> dict[str, Path]:
    """Checks the archives that lie in a folder, unchanged, and gives their paths by name.

    Raises:
        InputError: There is none, or one is wrong.
    """
    progress, names = progress or Progress(), [source.name for source in known]
    there = {name: directory / name for name in names if (directory / name).is_file()}
    if (directory / _DOGS).exists():
        progress.say(_DOGS_HINT)
    if not there:
        raise InputError(f"{directory} holds none of the archives; accepted are {', '.join(names)}")
    faults = []
    for source in known:
        if path := there.get(source.name):
            progress.start(f"checking {source.name}", path.stat().st_size)
            fault = source.find_fault(path, progress.advance)
            progress.say(f"{source.name} {fault or 'is right'}")
            faults += [f"{path} {fault}"] if fault else []
        else:
            progress.say(f"{source.name} is not there")
    if faults:
        raise InputError(f"{'; '.join(faults)}; download it again")
    return there


def _checked_name(url: str) -> str:
    """The file name of an address, of which nothing secret gets into a message."""
    try:
        parts, shown = urlsplit(url), f"--url={redact(url)}"
    except ValueError:
        parts, shown = urlsplit(""), "--url"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{shown} is not an address; accepted is https://host/…/name")
    if parts.username or parts.password:
        raise InputError(
            f"{shown} holds a user name or password, which other users of this machine "
            f"can see; write them into ~/.netrc, or set {USER_VARIABLE} and {PASSWORD_VARIABLE}"
        )
    name = url_name(url)
    if name == _DOGS:
        raise InputError(f"{shown} is not the archive to take: {_DOGS_HINT}")
    if not name or name.startswith(".") or "/" in name or not name.isprintable():
        raise InputError(f"{shown} does not end in a file name; accepted is …/name.tar")
    return name
