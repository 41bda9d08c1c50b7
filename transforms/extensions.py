"""Data sets and schemas that other distributions offer by entry points."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

from imagenet_beam.transforms.errors import InputError


class Named(Protocol):
    """What can be found by its name."""

    @property
    def name(self) -> str:
        """The name."""


T = TypeVar("T", bound=Named)


class Extensions(Mapping[str, T]):
    """Built-in objects by name, and those of the entry points of a group after them.

    An entry point is imported when its object is asked for, so that a broken one harms
    nobody else, and none is looked for under the name of a built-in object.

    Args:
        group: `imagenet_beam.datasets` or `imagenet_beam.schemas`.
        kind: What each object has to be.
        built_in: The program's own objects, by name.
    """

    def __init__(self, group: str, kind: type[T], built_in: Mapping[str, T]) -> None:
        self._group = group
        self._kind = kind
        self._built_in = built_in
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name in self._built_in:
            return self._built_in[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(self._points[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._points

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from (name for name in sorted(self._points) if name not in self._built_in)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @functools.cached_property
    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._group)}

    def _load(self, point: EntryPoint) -> T:
        """The object of an entry point.

        Raises:
            InputError: If it cannot be imported, or is something else; the sentence names
                the distribution.
        """
        owner = point.dist.metadata["Name"] if point.dist else self._group
        where = f"{point.name} of the package {owner}"
        try:
            found = point.load()
        except Exception as error:  # whatever another distribution's import raises
            raise InputError(
                f"{where} cannot be loaded ({type(error).__name__}: {error}); update that package "
                "or uninstall it"
            ) from error
        if not isinstance(found, self._kind) or found.name != point.name:
            raise InputError(
                f"{where} is {found!r:.80}, not a {self._kind.__name__} of that name; update that "
                "package or uninstall it"
            )
        return found
