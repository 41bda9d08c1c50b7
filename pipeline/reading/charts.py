"""The charts of the report, as SVG."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from imagenet_beam.transforms.records.receipts import figure_step

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
    series: Mapping[str, Mapping[int, int]],
    label: str,
    width_of: Callable[[int], int] = figure_step,
    scale: float = 1,
    what: str = "images",
    unit: str = "",
) -> str:
    """Counts by the lower ends of their classes; several series are drawn through each other.

    Args:
        series: For each name the counts.
        label: What stands below the axis.
        width_of: How wide the class of a lower end is.
        scale: What the numbers are divided by for the axis.
        what: What is counted.
        unit: The unit of the axis where classes are of several widths: counts are shown for
            each unit, so that areas are true.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        for (name, counts), colour in zip(series.items(), _COLOURS, strict=False):
            widths = [width_of(low) / scale for low in counts]
            pairs = zip(counts.values(), widths, strict=True)
            axes.bar(
                [low / scale for low in counts],
                [count / width if unit else count for count, width in pairs],
                widths,
                align="edge",
                color=colour,
                alpha=1 if len(series) == 1 else 0.5,
                label=name,
            )
        if len(series) > 1:
            axes.legend(frameon=False)
        axes.set_xlabel(label)
        axes.set_ylabel(f"{what} a {unit}" if unit else what)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=scale == 1))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=not unit))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
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


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()
