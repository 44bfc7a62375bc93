"""Estimates with their intervals, a line each: for studies of many pairs and one figure a pair.

Belongs here: the drawing. What is drawn is chosen by the sections of the studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imbalance.report import words
from imbalance.report.figures import WIDTH, Drawing, blank_figure, house_style
from imbalance.report.palette import colour

_LABELS = 3.6
"""Inches for the names of the lines."""


@dataclass(frozen=True)
class Line:
    """One estimate: a dot with its interval; `reference` is what stands for no effect."""

    label: str
    estimate: float
    low: float | None
    high: float | None
    reference: float | None
    called: bool
    """Whether it is a finding: full colour, else grey."""


def interval_chart(panels: Mapping[str, Sequence[Line]], *, label: str, axis: str) -> Drawing:
    """Panels one below the other; a short bar marks each line's reference.

    Parameters
    ----------
    panels : title to lines; every panel has at least one.
    label : what is shown, in words, for those who do not see it.
    axis : name of the axis.
    """
    heights = [0.19 * len(lines) + 0.62 for lines in panels.values()]
    total = sum(heights) + 0.1
    with house_style():
        figure = blank_figure(total)
        top = total - 0.3
        for (title, lines), height in zip(panels.items(), heights, strict=True):
            inside = height - 0.62
            axes = figure.add_axes((
                _LABELS / WIDTH, (top - inside) / total, 1.0 - (_LABELS + 0.15) / WIDTH,
                inside / total,
            ))
            for place, line in enumerate(lines):
                ink = colour("buying" if line.called else "refused")
                if line.low is not None and line.high is not None:
                    axes.plot([line.low, line.high], [place, place], color=ink, linewidth=1.4)
                axes.plot([line.estimate], [place], "o", color=ink, markersize=4.2)
                if line.reference is not None:
                    axes.plot([line.reference], [place], "|", color=colour("muted"),
                              markersize=7, markeredgewidth=1.2)
            axes.set_yticks(range(len(lines)), [words.shortened(line.label, 62) for line in lines])
            axes.tick_params(axis="y", length=0, labelsize=7.2, labelcolor=colour("ink"))
            axes.set_ylim(len(lines) - 0.4, -0.6)
            axes.grid(visible=False, axis="y")
            axes.set_title(title)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
            top -= height
        axes.set_xlabel(axis, labelpad=2)
    return Drawing(figure, label)
