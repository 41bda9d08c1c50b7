"""The charts of the report, as SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

_SIZE_INCHES = (4.6, 2.3)
_COLOURS = ("#2f6fb3", "#e08a2e")
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, and readers find it
    "svg.hashsalt": "imagenet-beam",  # the same page from the same set
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8e8e93",
    "text.color": "#3a3a3c",
    "axes.labelcolor": "#3a3a3c",
    "xtick.color": "#3a3a3c",
    "ytick.color": "#3a3a3c",
}


def histogram(
    series: Mapping[str, Mapping[int, int]], label: str, scale: float = 1, what: str = "images"
) -> str:
    """Counts by the lower ends of their classes; several series are drawn as outlines.

    Args:
        series: For each name the counts.
        label: What stands below the axis.
        scale: What the numbers are divided by for the axis.
        what: What is counted.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        for (name, counts), colour in zip(series.items(), _COLOURS, strict=False):
            lows = sorted(counts)
            edges = [low / scale for low in (*lows, lows[-1] + _width(lows))]
            heights = [counts[low] for low in lows]
            alpha = 1 if len(series) == 1 else 0.35
            axes.stairs(heights, edges, fill=True, color=colour, alpha=alpha, label=name)
            if len(series) > 1:
                axes.stairs(heights, edges, color=colour)
        if len(series) > 1:
            axes.legend(frameon=False)
        axes.set_xlabel(label)
        axes.set_ylabel(what)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        return _svg(figure)


def bars(values: Sequence[int], label: str, what: str = "images") -> str:
    """A bar for each value, in the given order."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.bar(range(1, len(values) + 1), values, width=0.85, color=_COLOURS[0])
        axes.set_xlabel(label)
        axes.set_ylabel(what)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        return _svg(figure)


def _width(lows: Sequence[int]) -> int:
    """How wide the last class is: as the one before it, or one."""
    return lows[-1] - lows[-2] if len(lows) > 1 else 1


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()
