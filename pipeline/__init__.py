"""The whole conversion, wired from `imagenet_beam.transforms`.

What an embedding job needs can be imported from here; a name's module is imported when
the name is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagenet_beam.pipeline.config import ConvertConfig as ConvertConfig
    from imagenet_beam.pipeline.config import SplitConfig as SplitConfig
    from imagenet_beam.pipeline.config import Workers as Workers
    from imagenet_beam.pipeline.conversion import Conversion as Conversion
    from imagenet_beam.pipeline.convert import ConvertImages as ConvertImages

_MODULES = {
    "Conversion": "conversion",
    "ConvertConfig": "config",
    "ConvertImages": "convert",
    "SplitConfig": "config",
    "Workers": "config",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
