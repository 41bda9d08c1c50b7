"""Beam's options for a job, which are parsed once."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from apache_beam.options.pipeline_options import PipelineOptions

View = TypeVar("View", bound=PipelineOptions)


class JobOptions(PipelineOptions):
    """Options whose views are kept: Beam asks for one some four times a step.

    Each would parse the command line anew, which is half the time that a pipeline takes to be
    built. All views share the values, so that to keep them changes nothing.
    """

    def view_as(self, cls: type[View]) -> View:
        """The one view of this class."""
        views: dict[type[PipelineOptions], Any] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return cast("View", views[cls])

    def __getstate__(self) -> dict[str, Any]:
        """Copies make views of their own: Beam's may have other values (impersonation)."""
        return {name: value for name, value in super().__getstate__().items() if name != "_views"}
