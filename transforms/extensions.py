"""What other distributions add to this program, found by their entry points."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import TypeVar

from imagenet_beam.transforms.errors import InputError

T = TypeVar("T")


@functools.cache
def extensions(group: str, kind: type[T]) -> dict[str, T]:
    """Loads the entry points of a group, by name.

    Args:
        group: `imagenet_beam.datasets` or `imagenet_beam.schemas`.
        kind: What each of them has to be.

    Raises:
        InputError: If one cannot be loaded or is something else; it names the distribution.
    """
    found: dict[str, T] = {}
    for point in entry_points(group=group):
        where = f"the entry point {point.name} of {point.dist.name if point.dist else group}"
        try:
            value = point.load()
        except Exception as error:  # whatever another distribution's import raises
            raise InputError(
                f"{where} cannot be loaded ({type(error).__name__}: {error}); update that "
                "distribution, or uninstall it"
            ) from error
        if not isinstance(value, kind):
            raise InputError(
                f"{where} is a {type(value).__name__}, not a {kind.__name__}; update that "
                "distribution, or uninstall it"
            )
        found[point.name] = value
    return found
