"""Turns image archives into sharded TFRecords, as an Apache Beam job.

The public names of `imagenet_beam.transforms` and `imagenet_beam.pipeline` can be imported
from here. A name's module is imported when the name is first asked for, so that importing
this package imports neither Beam nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagenet_beam.pipeline import *  # noqa: F403
    from imagenet_beam.transforms import *  # noqa: F403

_PARTS = ("transforms", "pipeline")


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("imagenet-beam")
    if not name.startswith("_"):
        for part in _PARTS:
            module = importlib.import_module(f"{__name__}.{part}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    parts = [importlib.import_module(f"{__name__}.{part}") for part in _PARTS]
    return sorted({*globals(), "__version__", *(name for part in parts for name in part.__all__)})
