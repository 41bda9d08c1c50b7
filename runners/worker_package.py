"""The program itself as a wheel for workers, made from what is running here.

Workers need the code that submitted the job. A checkout could be built, but most
users have an installed package and no `setup.py`; so the wheel is put together from
the files and the metadata of the installed distribution, with nothing but the
standard library, and workers install it without building anything.

    python -m imagenet_beam.runners.worker_package FOLDER
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import imagenet_beam

DISTRIBUTION = "imagenet-beam"
_NOT_ON_WORKERS = re.compile(
    r"(tensorflow|jinja2|matplotlib|textual-image)(?![A-Za-z0-9._-])", re.IGNORECASE
)
"""What only readers of the data need: TensorFlow alone is 600 MB that no worker ever imports."""

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can hold: equal code, equal bytes


def write_wheel(folder: Path) -> Path:
    """Writes the wheel and returns its path.

    Raises:
        importlib.metadata.PackageNotFoundError: If the program runs from loose files.
    """
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    stem = f"{DISTRIBUTION.replace('-', '_')}-{distribution.version}"
    info = f"{stem}.dist-info"
    files = dict(_modules())
    files[f"{info}/METADATA"] = _metadata(distribution).encode()
    files[f"{info}/entry_points.txt"] = _entry_points(distribution).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in sorted(files.items()):
            wheel.writestr(zipfile.ZipInfo(name, _TIMESTAMP), data, zipfile.ZIP_DEFLATED)
    return path


def requirements(distribution: importlib.metadata.Distribution) -> list[str]:
    """What workers need besides the program: its dependencies, less those of readers."""
    wanted = (line for line in distribution.requires or () if "extra ==" not in line)
    return [line for line in wanted if not _NOT_ON_WORKERS.match(line)]


def _modules() -> Iterator[tuple[str, bytes]]:
    """Every Python file, by its path in the wheel."""
    root = Path(str(imagenet_beam.__file__)).parent
    for folder in (root, *(path for path in root.iterdir() if path.is_dir())):  # may be links
        for file in sorted(folder.glob("*.py") if folder == root else folder.rglob("*.py")):
            yield f"imagenet_beam/{file.relative_to(root).as_posix()}", file.read_bytes()


def _metadata(distribution: importlib.metadata.Distribution) -> str:
    headers = [
        "Metadata-Version: 2.1",
        f"Name: {DISTRIBUTION}",
        f"Version: {distribution.version}",
        f"Requires-Python: {distribution.metadata['Requires-Python']}",
        *(f"Requires-Dist: {line}" for line in requirements(distribution)),
    ]
    return "\n".join(headers) + "\n"


def _entry_points(distribution: importlib.metadata.Distribution) -> str:
    commands = distribution.entry_points.select(group="console_scripts")
    return "".join(["[console_scripts]\n", *(f"{one.name} = {one.value}\n" for one in commands)])


def _record(files: dict[str, bytes], own_name: str) -> str:
    def line(name: str, data: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(data)}\n"

    return "".join(line(*item) for item in sorted(files.items())) + f"{own_name},,\n"


if __name__ == "__main__":
    print(write_wheel(Path(sys.argv[1])))
